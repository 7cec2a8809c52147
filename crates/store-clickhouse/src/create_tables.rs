//! Creates tables on a server, and adds columns that they lack.

use serde::Deserialize;

use super::connection::Connection;
use super::schema::{Layout, Tables};
use super::sql::Sql;
use api_sessions_store::StoreError;

/// Version of the schema. Adding a column does not change it: missing columns are added to existing tables.
const VERSION: u32 = 2;

/// First server version (year, month) that supports `LowCardinality`, codecs, data-skipping indexes and
/// `fsync_after_insert` without extra settings.
const MODERN: (u32, u32) = (21, 3);

/// Year and month of a version: (26, 9) for `26.9.2.1`.
fn year_month(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Creates missing tables and columns on a single server.
pub(super) async fn create(connection: &Connection) -> Result<(), StoreError> {
    create_on(connection, Layout::Single).await
}

/// Creates missing tables and columns on one server, and checks the schema version.
pub(super) async fn create_on(connection: &Connection, layout: Layout) -> Result<(), StoreError> {
    #[derive(Deserialize)]
    struct Server {
        version: String,
    }
    #[derive(Deserialize)]
    struct Made {
        version: u32,
    }
    let unbound = connection.unbound();
    let server: Vec<Server> = unbound.rows(Sql::new("SELECT version() AS version")).await?;
    let version = server.first().map(|server| server.version.as_str()).unwrap_or_default();
    let modern = year_month(version) >= MODERN;
    for statement in connection.tables.statements(layout, modern) {
        unbound.run(Sql::new(statement)).await?;
    }
    add_missing_columns(connection, modern).await?;
    // Only on this server: others may be unreachable.
    let table = if layout == Layout::Plain { "schema_version_local" } else { "schema_version" };
    let made: Vec<Made> =
        connection.rows(Sql::new(format!("SELECT max(version) AS version FROM {table}"))).await?;
    match made.first().map_or(0, |made| made.version) {
        VERSION => Ok(()),
        older if older < VERSION => {
            let now = [serde_json::json!({ "version": VERSION })];
            connection.insert(table, &now).await
        }
        newer => Err(StoreError::Unavailable(format!(
            "clickhouse: made by a newer version of api-sessions-cloud (tables {newer}, this one knows {VERSION})"
        ))),
    }
}

/// Upgrades tables of an older version by adding missing columns.
async fn add_missing_columns(connection: &Connection, modern: bool) -> Result<(), StoreError> {
    #[derive(Deserialize)]
    struct Column {
        table: String,
        name: String,
    }
    let database = connection.tables.database().to_owned();
    let there = async || -> Result<Vec<Column>, StoreError> {
        let sql = Sql::new("SELECT table, name FROM system.columns WHERE database = ?")
            .bound([(&database).into()]);
        connection.rows(sql).await
    };
    let known = there().await?;
    let [request, ..] = Tables::all(modern);
    for (name, kind) in columns(&request.columns) {
        for (table, add) in connection.tables.add_column(name, kind) {
            let has = |all: &[Column]| all.iter().any(|at| at.table == table && at.name == name);
            if has(&known) {
                continue;
            }
            // Another process may have added it meanwhile, which only the text of the error would show.
            if let Err(error) = connection.run(Sql::new(add)).await
                && !has(&there().await?)
            {
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Names and types in a list of columns.
fn columns(list: &str) -> impl Iterator<Item = (&str, &str)> {
    let list = list.trim().trim_start_matches('(');
    list.strip_suffix(')')
        .unwrap_or(list)
        .split(',')
        .filter_map(|column| column.trim().split_once(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_from_their_list() {
        let [request, ..] = Tables::all(false);
        let all: Vec<_> = columns(&request.columns).collect();
        assert_eq!(all.first(), Some(&("day", "Date")));
        assert_eq!(all.last(), Some(&("arrived", "UInt64 DEFAULT 0")));
        assert!(all.contains(&("upstream_ms", "Nullable(UInt64)")));
    }

    #[test]
    fn versions_compare() {
        assert!(year_month("18.16.1") < MODERN && year_month("26.9.2.1") >= MODERN);
        assert_eq!(year_month("?"), (0, 0));
    }
}
