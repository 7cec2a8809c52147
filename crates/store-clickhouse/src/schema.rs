//! The tables, and the statements that create them. Features that old servers lack are used where available.
//!
//! `request` is a ReplacingMergeTree whose sort key ends with batch and line, so a line stored twice becomes one row
//! when parts are merged; until then, `FINAL` deduplicates on read.

use super::row::RECORD_COLUMNS;
use crate::options::ClickHouseOptions;

/// Names of the tables used by statements.
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
    arrived UInt64 DEFAULT 0
)";
const BATCH: &str = "(day Date, key String, requests UInt32)";
/// Columns of `alias` and `identifier`.
const ALIAS: &str = "(
    day Date, alias String, root String, reason String, ts UInt64, request String,
    claimant String, seq UInt64, until UInt64
)";
const PREVIOUS: &str = "(day Date, session String, previous String, ts UInt64, seq UInt64)";
const TOKEN: &str =
    "(id Int64, hash String, role String, label String, created UInt64, revoked UInt8)";
const DENY_CHANGE: &str =
    "(seq UInt64, ts UInt64, action String, author String, session String, entry String)";
/// Columns of `parameters`, `rules` and `key_decisions`.
const DOCUMENT: &str = "(seq UInt64, ts UInt64, author String, document String)";
/// The row with the largest `seq` counts.
const KEY_WINDOW: &str =
    "(day Date, start UInt64, application String, seq UInt64, document String)";
const SCHEMA_VERSION: &str = "(version UInt32)";

/// How a server's tables relate to those of other servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// A single server.
    Single,
    /// A cluster without a Keeper: `Distributed` tables write to all replicas of a shard.
    Plain,
    /// A cluster with a Keeper: replicas fetch from each other.
    Replicated,
}

/// Tables partitioned by day, whose old days are deleted.
pub(super) const DAY_TABLES: [&str; 6] =
    ["request", "batch", "alias", "identifier", "previous", "key_window"];

/// A table: name, columns, `ORDER BY`, and the sharding key.
pub(super) struct Table {
    name: &'static str,
    pub(super) columns: String,
    order: &'static str,
    shard_by: &'static str,
}

impl Table {
    /// Whether the table is partitioned by day; days are deleted as a whole.
    fn has_days(&self) -> bool {
        DAY_TABLES.contains(&self.name)
    }
}

impl Tables {
    pub(super) fn new(options: &ClickHouseOptions) -> Tables {
        Tables {
            database: options.database.clone(),
            cluster: options.cluster.clone(),
            request: "request".into(),
            batch: "batch".into(),
        }
    }

    pub(super) fn database(&self) -> &str {
        &self.database
    }

    pub(super) fn all(modern: bool) -> [Table; 12] {
        let word = if modern { "LowCardinality(String)" } else { "String" };
        let request = REQUEST.replace("{record}", RECORD_COLUMNS).replace("{word}", word);
        let table = |name, columns: &str, order, shard_by| Table {
            name,
            columns: columns.to_owned(),
            order,
            shard_by,
        };
        [
            table("request", &request, "(session, ts, batch, line)", "session"),
            table("batch", BATCH, "key", "key"),
            table("alias", ALIAS, "(alias, seq)", "alias"),
            table("identifier", ALIAS, "(root, alias, seq)", "root"),
            table("previous", PREVIOUS, "(session, seq)", "session"),
            table("token", TOKEN, "(id, revoked)", "id"),
            table("deny_change", DENY_CHANGE, "(session, seq)", "session"),
            table("parameters", DOCUMENT, "seq", "seq"),
            table("rules", DOCUMENT, "seq", "seq"),
            table("key_decisions", DOCUMENT, "seq", "seq"),
            table("key_window", KEY_WINDOW, "(application, start)", "start"),
            table("schema_version", SCHEMA_VERSION, "version", "version"),
        ]
    }

    /// Statements that create the database and tables on one server. `modern`: the server is at least [`MODERN`].
    pub(super) fn statements(&self, layout: Layout, modern: bool) -> Vec<String> {
        let database = &self.database;
        let index =
            if modern { ", INDEX id_bloom id TYPE bloom_filter GRANULARITY 4)" } else { ")" };
        // An acknowledged insert is on disk. Old servers lack the setting; there, only replicas protect against power
        // loss.
        let on_disk = modern.then_some("fsync_after_insert = 1");
        let mut all = vec![format!("CREATE DATABASE IF NOT EXISTS {database}")];
        for table in Self::all(modern) {
            let Table { name, columns, order, shard_by } = &table;
            let partition = if table.has_days() { " PARTITION BY day" } else { "" };
            let indexed = match columns.strip_suffix(')') {
                Some(open) if *name == "request" => format!("{open}{index}"),
                _ => columns.clone(),
            };
            // Looked up by many ids at once: smaller granules mean less to read per id.
            let short = matches!(*name, "alias" | "identifier");
            let settings: Vec<&str> =
                on_disk.into_iter().chain(short.then_some("index_granularity = 256")).collect();
            let settings = match settings.as_slice() {
                [] => String::new(),
                some => format!(" SETTINGS {}", some.join(", ")),
            };
            // With a Keeper, small tables are not sharded: each server has a copy.
            let is_spread = match layout {
                Layout::Single => false,
                Layout::Plain => true,
                Layout::Replicated => table.has_days(),
            };
            let local = if is_spread { format!("{name}_local") } else { (*name).to_owned() };
            let engine = match layout {
                Layout::Single | Layout::Plain => "ReplacingMergeTree".to_owned(),
                Layout::Replicated => {
                    let (path, replica) = match is_spread {
                        true => ("/clickhouse/tables/{shard}/{database}/{table}", "{replica}"),
                        false => ("/clickhouse/tables/all/{database}/{table}", "{shard}-{replica}"),
                    };
                    format!("ReplicatedReplacingMergeTree('{path}', '{replica}')")
                }
            };
            all.push(format!(
                "CREATE TABLE IF NOT EXISTS {database}.{local} {indexed} ENGINE = {engine}{partition} ORDER BY {order}{settings}"
            ));
            if let Some(cluster) = self.cluster.as_ref().filter(|_| is_spread) {
                all.push(format!(
                    "CREATE TABLE IF NOT EXISTS {database}.{name} {columns} ENGINE = Distributed({cluster}, {database}, {local}, cityHash64({shard_by}))"
                ));
            }
        }
        all
    }

    /// Statement that deletes a day of a table on one server.
    pub(super) fn drop_day(&self, table: &str, day: &str) -> String {
        format!("ALTER TABLE {} DROP PARTITION '{day}'", self.of_each_server(table))
    }

    /// The name of a table, qualified with the database.
    pub(super) fn qualified(&self, table: &str) -> String {
        format!("{}.{table}", self.database)
    }

    /// The table that holds a server's own rows, for a table of [`DAY_TABLES`].
    pub(super) fn of_each_server(&self, table: &str) -> String {
        let local = if self.cluster.is_some() { "_local" } else { "" };
        self.qualified(&format!("{table}{local}"))
    }

    /// Statements that add a missing column to `request`. The `Distributed` table comes last, since it reads the column
    /// from the local tables.
    pub(super) fn add_column(&self, name: &str, kind: &str) -> Vec<(&'static str, String)> {
        let tables: &[&str] =
            if self.cluster.is_some() { &["request_local", "request"] } else { &["request"] };
        let add = |table: &&'static str| {
            (*table, format!("ALTER TABLE {}.{table} ADD COLUMN {name} {kind}", self.database))
        };
        tables.iter().map(add).collect()
    }

    /// The table that holds a server's own requests.
    pub(super) fn local_request(&self) -> &'static str {
        if self.cluster.is_some() { "request_local" } else { "request" }
    }

    /// Condition on `system.parts` that selects a server's own requests.
    pub(super) fn parts_of_request(&self) -> String {
        let table = self.local_request();
        format!("active AND database = '{}' AND table = '{table}'", self.database)
    }
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
        let all = tables(None).statements(Layout::Single, false);
        assert_eq!(all.len(), 13);
        assert!(all.iter().all(|text| !text.contains("CLUSTER") && !text.contains("Replicated")));
        assert!(all.iter().all(|text| !text.contains("LowCardinality") && !text.contains('{')));
        assert!(all[1].contains(
            "ENGINE = ReplacingMergeTree PARTITION BY day ORDER BY (session, ts, batch, line)"
        ));
    }

    #[test]
    fn no_statement_needs_a_keeper_but_those_of_replicated_tables() {
        let plain = tables(Some("main")).statements(Layout::Plain, true);
        assert!(plain.iter().all(|text| !text.contains("ON CLUSTER")), "{plain:#?}");
        assert!(plain.iter().all(|text| !text.contains("Replicated")), "{plain:#?}");
        let distributed: Vec<_> =
            plain.iter().filter(|text| text.contains("Distributed")).collect();
        assert_eq!(distributed.len(), 12, "each table has all of its rows on some shard");
        assert!(
            distributed[0]
                .ends_with("ENGINE = Distributed(main, d, request_local, cityHash64(session))")
        );
        assert!(!distributed[0].contains("INDEX"), "an index is the local table's");
    }

    #[test]
    fn replicated_tables_have_shards_by_session_and_copies_of_what_is_small() {
        let all = tables(Some("main")).statements(Layout::Replicated, true);
        let distributed = all.iter().filter(|text| text.contains("Distributed"));
        assert_eq!(distributed.count(), DAY_TABLES.len());
        assert!(all.iter().any(|text| {
            text.contains("'/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}'")
        }));
        assert!(all.iter().any(|text| {
            text.contains("request_local")
                && text.contains("'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'")
        }));
        let drop = tables(Some("main")).drop_day("request", "2026-11-24");
        assert_eq!(drop, "ALTER TABLE d.request_local DROP PARTITION '2026-11-24'");
    }

    #[test]
    fn the_table_that_hands_on_gets_its_new_column_last() {
        let steps = tables(Some("main")).add_column("ja4", "String");
        assert_eq!(steps[0].1, "ALTER TABLE d.request_local ADD COLUMN ja4 String");
        assert_eq!(steps[1].1, "ALTER TABLE d.request ADD COLUMN ja4 String");
        assert_eq!(tables(None).add_column("ja4", "String").len(), 1);
    }
}
