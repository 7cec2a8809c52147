//! Selection of the store.

use crate::ClickHouseOptions;

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
}
