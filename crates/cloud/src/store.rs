//! Opens the configured store.

use std::path::Path;
use std::sync::Arc;

use api_sessions_store::{Day, Store, StoreError, StoreKind};
use api_sessions_store_clickhouse::ClickHouseStore;
use api_sessions_store_sqlite::{self as sqlite, SqliteStore};
use tokio::runtime::Handle;

/// Checks that a store exists, for commands that must not create one. ClickHouse is checked when it is opened.
///
/// # Errors
/// [`StoreError::Invalid`] if there is none in the data directory.
pub fn is_there(kind: &StoreKind, data: &Path) -> Result<(), StoreError> {
    match kind {
        StoreKind::Sqlite if !data.join("control.db").exists() => {
            Err(StoreError::Invalid(format!("there is no store in {}", data.display())))
        }
        _ => Ok(()),
    }
}

/// Deletes the days before `first` of a store that is not open yet, since a full disk may prevent opening it. Returns
/// the deleted days. In ClickHouse, days are deleted once it is open.
///
/// # Errors
/// [`StoreError`]
pub fn drop_before(kind: &StoreKind, data: &Path, first: Day) -> Result<Vec<Day>, StoreError> {
    match kind {
        StoreKind::Sqlite => sqlite::drop_before(data, first),
        StoreKind::ClickHouse(_) => Ok(Vec::new()),
    }
}

/// Opens the store. SQLite is created in the data directory `data` if it does not exist.
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
