//! Tables, and how they come to be. What today's servers have and old ones lack is used where it is there.
//!
//! `request` is a ReplacingMergeTree whose key ends with batch and line: the same line stored twice is one
//! row once parts are merged, and one row for whoever reads with `FINAL` before that.

use serde::Deserialize;

use super::ClickHouseOptions;
use super::row::RECORD_COLUMNS;
use super::sql::{Connection, Sql};
use crate::StoreError;

/// Version of these tables. A column more is none: it is added where it is not there.
const VERSION: u32 = 2;

/// First year and month of servers that know `LowCardinality`, codecs, data-skipping indexes and
/// `fsync_after_insert` without asking.
const MODERN: (u32, u32) = (21, 3);

/// Names of the tables that statements read and write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tables {
    database: String,
    cluster: Option<String>,
    pub(super) request: String,
    pub(super) batch: String,
}

/// `{record}`: a column for each field of a record.
const REQUEST: &str = "(
    day Date, batch String, line UInt32, endpoint String{record}, content String,
    arrived UInt64 DEFAULT 0{index}
)";
const BATCH: &str = "(day Date, key String, requests UInt32)";
const TOKEN: &str =
    "(id Int64, hash String, role String, label String, created UInt64, revoked UInt8)";
const DENY_CHANGE: &str =
    "(seq UInt64, ts UInt64, action String, author String, session String, entry String)";
const PARAMETERS: &str = "(seq UInt64, ts UInt64, author String, document String)";
const SCHEMA_VERSION: &str = "(version UInt32)";

impl Tables {
    pub(super) fn new(options: &ClickHouseOptions) -> Tables {
        Tables {
            database: options.database.clone(),
            cluster: options.cluster.clone(),
            request: "request".into(),
            batch: "batch".into(),
        }
    }

    fn on_cluster(&self) -> String {
        self.cluster.as_ref().map(|name| format!(" ON CLUSTER {name}")).unwrap_or_default()
    }

    /// Statements that make database and tables; `modern`: the server knows what old ones do not.
    pub(super) fn statements(&self, modern: bool) -> Vec<String> {
        let (database, on_cluster) = (&self.database, self.on_cluster());
        let word = if modern { "LowCardinality(String)" } else { "String" };
        let index =
            if modern { ",\n    INDEX id_bloom id TYPE bloom_filter GRANULARITY 4" } else { "" };
        let request = REQUEST
            .replace("{record}", RECORD_COLUMNS)
            .replace("{word}", word)
            .replace("{index}", index);
        // Acknowledged is on the disk; elsewhere replicas are what outlives a power cut.
        let settings = if modern { " SETTINGS fsync_after_insert = 1" } else { "" };
        let mut all = vec![format!("CREATE DATABASE IF NOT EXISTS {database}{on_cluster}")];
        let mut table = |name: &str, columns: &str, kind: &str, order: &str, shard: &str| {
            let (partition, shared) = match name {
                "request" | "batch" => (" PARTITION BY day", false),
                _ => ("", true),
            };
            let Some(cluster) = &self.cluster else {
                all.push(format!(
                    "CREATE TABLE IF NOT EXISTS {database}.{name} {columns} ENGINE = {kind}{partition} ORDER BY {order}{settings}"
                ));
                return;
            };
            // What is small and asked for by all is a copy on each server, whichever its shard.
            let (local, path) = match shared {
                true => (name.to_owned(), "/clickhouse/tables/all/{database}/{table}"),
                false => (format!("{name}_local"), "/clickhouse/tables/{shard}/{database}/{table}"),
            };
            let replica = if shared { "{shard}-{replica}" } else { "{replica}" };
            all.push(format!(
                "CREATE TABLE IF NOT EXISTS {database}.{local}{on_cluster} {columns} ENGINE = Replicated{kind}('{path}', '{replica}'){partition} ORDER BY {order}{settings}"
            ));
            if !shared {
                all.push(format!(
                    "CREATE TABLE IF NOT EXISTS {database}.{name}{on_cluster} {columns} ENGINE = Distributed({cluster}, {database}, {local}, cityHash64({shard}))",
                    columns = columns.replace(index, "")
                ));
            }
        };
        let replacing = "ReplacingMergeTree";
        table("request", &request, replacing, "(session, ts, batch, line)", "session");
        table("batch", BATCH, replacing, "key", "key");
        table("token", TOKEN, replacing, "(id, revoked)", "");
        table("deny_change", DENY_CHANGE, replacing, "(session, seq)", "");
        table("parameters", PARAMETERS, replacing, "seq", "");
        table("schema_version", SCHEMA_VERSION, replacing, "version", "");
        all
    }

    /// Deletes a day of both tables that have days.
    pub(super) fn drop_day(&self, day: &str) -> Vec<String> {
        let on_cluster = self.on_cluster();
        let local = if self.cluster.is_some() { "_local" } else { "" };
        ["request", "batch"]
            .map(|name| {
                format!(
                    "ALTER TABLE {}.{name}{local}{on_cluster} DROP PARTITION '{day}'",
                    self.database
                )
            })
            .into()
    }

    /// Tables of requests, in the order in which they get new columns: the one that hands on must come last,
    /// since it asks the others for them.
    fn of_requests(&self) -> &'static [&'static str] {
        if self.cluster.is_some() { &["request_local", "request"] } else { &["request"] }
    }

    /// Adds a column to a table.
    fn add_column(&self, table: &str, column: &str) -> Sql {
        let (database, on_cluster) = (&self.database, self.on_cluster());
        Sql::new(format!("ALTER TABLE {database}.{table}{on_cluster} ADD COLUMN {column}"))
    }

    /// Condition on `system.parts` for the table of requests.
    pub(super) fn parts_of_request(&self) -> String {
        let local = if self.cluster.is_some() { "_local" } else { "" };
        format!("active AND database = '{}' AND table = 'request{local}'", self.database)
    }
}

/// `26.9.2.1` is of year 26, month 9.
fn year_month(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Makes what is not there.
pub(super) async fn make(connection: &Connection) -> Result<(), StoreError> {
    #[derive(Deserialize)]
    struct Server {
        version: String,
    }
    #[derive(Deserialize)]
    struct Made {
        version: u32,
    }
    let unbound = connection.unbound();
    let server: Vec<Server> = unbound.rows_async(Sql::new("SELECT version() AS version")).await?;
    let version = server.first().map(|server| server.version.as_str()).unwrap_or_default();
    let modern = year_month(version) >= MODERN;
    for statement in connection.tables.statements(modern) {
        unbound.run_async(Sql::new(statement)).await?;
    }
    let made: Vec<Made> = connection
        .rows_async(Sql::new("SELECT max(version) AS version FROM schema_version"))
        .await?;
    let made = made.first().map_or(0, |made| made.version);
    if made > VERSION {
        return Err(StoreError::Unavailable(format!(
            "clickhouse: made by a newer version of api-sessions-cloud (tables {made}, this one knows {VERSION})"
        )));
    }
    let word = if modern { "LowCardinality(String)" } else { "String" };
    add_columns(connection, word).await?;
    if made < VERSION {
        let now = [serde_json::json!({ "version": VERSION })];
        connection.insert_async("schema_version", &now).await?;
    }
    Ok(())
}

/// Columns that tables of older versions may lack, name and type: fields of a record, and when a request arrived, ms
/// since 1970, by which pages of a list keep their order; 0 for what had arrived before.
fn columns(word: &str) -> Vec<String> {
    let of_record = RECORD_COLUMNS.split(", ").filter(|column| !column.is_empty());
    let of_record = of_record.map(|column| column.replace("{word}", word));
    of_record.chain(["arrived UInt64 DEFAULT 0".to_owned()]).collect()
}

/// Adds the columns that are not there: what was stored before has no value in them.
async fn add_columns(connection: &Connection, word: &str) -> Result<(), StoreError> {
    #[derive(Deserialize)]
    struct Column {
        name: String,
    }
    let tables = &connection.tables;
    for table in tables.of_requests() {
        let named = [(*table).into(), tables.database.as_str().into()];
        let ask = Sql::new("SELECT name FROM system.columns WHERE 1")
            .add(" AND table = ? AND database = ?", named);
        let known = async || -> Result<Vec<Column>, StoreError> {
            connection.rows_async(ask.clone()).await
        };
        let there = known().await?;
        for column in columns(word) {
            let is_it = |known: &Column| column.split(' ').next() == Some(known.name.as_str());
            if there.iter().any(is_it) {
                continue;
            }
            // Another process may have been faster, which is an error only in its words.
            if let Err(error) = connection.run_async(tables.add_column(table, &column)).await
                && !known().await?.iter().any(is_it)
            {
                return Err(error);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(cluster: Option<&str>) -> Tables {
        let cluster = cluster.map(str::to_owned);
        Tables::new(&ClickHouseOptions { database: "d".into(), cluster, ..Default::default() })
    }

    #[test]
    fn one_server_has_plain_tables() {
        let all = tables(None).statements(false);
        assert_eq!(all.len(), 7);
        assert!(all.iter().all(|text| !text.contains("CLUSTER") && !text.contains("Replicated")));
        assert!(all.iter().all(|text| !text.contains("LowCardinality") && !text.contains('{')));
        assert!(all[1].contains(
            "ENGINE = ReplacingMergeTree PARTITION BY day ORDER BY (session, ts, batch, line)"
        ));
    }

    #[test]
    fn a_cluster_has_replicas_and_shards_by_session() {
        let all = tables(Some("main")).statements(true);
        assert!(all.iter().all(|text| text.contains(" ON CLUSTER main")), "{all:#?}");
        let distributed: Vec<_> = all.iter().filter(|text| text.contains("Distributed")).collect();
        assert_eq!(distributed.len(), 2);
        assert!(
            distributed[0]
                .ends_with("ENGINE = Distributed(main, d, request_local, cityHash64(session))")
        );
        assert!(!distributed[0].contains("INDEX"), "an index is the local table's");
        assert!(all.iter().any(|text| {
            text.contains("'/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}'")
        }));
        assert!(
            tables(Some("main")).drop_day("2026-11-24")[0]
                .contains("d.request_local ON CLUSTER main DROP")
        );
    }

    #[test]
    fn the_table_that_hands_on_gets_its_new_column_last() {
        let tables_of = |cluster| tables(cluster).of_requests();
        assert_eq!(tables_of(Some("main")), ["request_local", "request"]);
        assert_eq!(tables_of(None), ["request"]);
        let add = tables(Some("main")).add_column("request", "ja4 Nullable(String)");
        assert!(
            format!("{add:?}").contains("ALTER TABLE d.request ON CLUSTER main ADD COLUMN ja4")
        );
    }

    #[test]
    fn each_field_of_a_record_has_a_column() {
        let all = columns("String");
        assert!(all.contains(&"ja4 Nullable(String)".to_owned()));
        assert!(all.contains(&"key String".to_owned()));
        assert!(all.iter().all(|column| column.split(' ').count() >= 2), "{all:?}");
    }

    #[test]
    fn versions_compare() {
        assert!(year_month("18.16.1") < MODERN && year_month("26.9.2.1") >= MODERN);
        assert_eq!(year_month("?"), (0, 0));
    }
}
