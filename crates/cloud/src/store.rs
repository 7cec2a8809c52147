//! Opens the configured store.

use std::path::Path;
use std::sync::Arc;

use api_sessions_cloud_config::config::{Config, ConfigError};
use api_sessions_store::{Day, Store, StoreError};
use api_sessions_store_clickhouse::{ClickHouseOptions, ClickHouseStore};
use api_sessions_store_sqlite::{self as sqlite, SqliteStore};
use tokio::runtime::Handle;

/// Where sessions are stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StoreKind {
    /// In files of the data directory.
    #[default]
    Sqlite,
    /// In ClickHouse.
    ClickHouse(ClickHouseOptions),
}

impl StoreKind {
    /// The configured store, with its password file.
    ///
    /// # Errors
    /// [`ConfigError`] says what is accepted.
    pub fn of(config: &Config) -> Result<StoreKind, ConfigError> {
        let kind = StoreKind::parse(&config.store).map_err(|what| {
            // Everything up to an `@` may contain a password.
            let shown = config.store.split('@').next_back().unwrap_or_default();
            ConfigError::new(format!("invalid value \"{shown}\" of store: {what}"))
        })?;
        Ok(kind.with_password_of(config))
    }

    /// Parses `sqlite` or `clickhouse:URL`.
    ///
    /// # Errors
    /// A sentence that says what is accepted.
    pub fn parse(text: &str) -> Result<StoreKind, String> {
        match text.split_once(':') {
            None if text == "sqlite" => Ok(StoreKind::Sqlite),
            Some(("clickhouse", url)) => ClickHouseOptions::parse(url).map(StoreKind::ClickHouse),
            _ => Err("expected `sqlite` or `clickhouse:http://host:8123/database`".into()),
        }
    }

    /// This store, with the configured password file.
    #[must_use]
    pub fn with_password_of(mut self, config: &Config) -> StoreKind {
        if let StoreKind::ClickHouse(options) = &mut self {
            options.password_file.clone_from(&config.clickhouse_password_file);
        }
        self
    }
}

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

#[cfg(test)]
mod tests {
    use api_sessions_cloud_config::options::Options;

    use super::*;

    #[test]
    fn an_error_names_the_option_and_shows_no_password() {
        for (store, shown) in [("mysql", "\"mysql\""), ("clickhouse:tcp://a:word@db", "\"db\"")] {
            let options = Options { store: Some(store.into()), ..Options::default() };
            let error = StoreKind::of(&Config::load(options).unwrap()).unwrap_err().to_string();
            let start = format!("invalid value {shown} of store: ");
            assert!(error.starts_with(&start) && !error.contains("word"), "{error}");
        }
    }
}
