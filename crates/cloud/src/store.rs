//! The store of the configuration: which engine keeps the sessions.

use std::path::Path;
use std::sync::Arc;

use api_sessions_store::{Day, Store, StoreError, StoreKind};
use api_sessions_store_clickhouse::ClickHouseStore;
use api_sessions_store_sqlite::{self as sqlite, SqliteStore};
use tokio::runtime::Handle;

/// Whether there is a store already: who only looks makes none. ClickHouse is asked when it is opened.
///
/// # Errors
/// [`StoreError::Invalid`]: there is none in the data directory.
pub fn is_there(kind: &StoreKind, data: &Path) -> Result<(), StoreError> {
    match kind {
        StoreKind::Sqlite if !data.join("control.db").exists() => {
            Err(StoreError::Invalid(format!("there is no store in {}", data.display())))
        }
        _ => Ok(()),
    }
}

/// Deletes the days before `first` of a store that is not open yet: a full disk may have no room to open it.
/// Gives the days that went. ClickHouse is asked once it is open.
///
/// # Errors
/// [`StoreError`]
pub fn drop_before(kind: &StoreKind, data: &Path, first: Day) -> Result<Vec<Day>, StoreError> {
    match kind {
        StoreKind::Sqlite => sqlite::drop_before(data, first),
        StoreKind::ClickHouse(_) => Ok(Vec::new()),
    }
}

/// Opens the store; `data` is the data directory, and a store is made in it where there is none.
///
/// # Errors
/// [`StoreError`]
pub async fn open(
    kind: &StoreKind,
    data: &Path,
    handle: &Handle,
) -> Result<Arc<dyn Store>, StoreError> {
    match kind {
        StoreKind::Sqlite => Ok(Arc::new(SqliteStore::open(data)?)),
        StoreKind::ClickHouse(options) => {
            Ok(Arc::new(ClickHouseStore::open(options, handle).await?))
        }
    }
}
