//! Asking the server: statements with values bound to them, answers as rows of JSON.

use std::time::Duration;

use clickhouse::{Client, Compression};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use super::ClickHouseOptions;
use super::schema::Tables;
use crate::StoreError;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A value in a statement.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Signed(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Value::Text(text.clone())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Number(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Signed(number)
    }
}

/// A statement with a `?` for each bound value, which the client library quotes.
#[derive(Debug, Clone, Default)]
pub(super) struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(super) fn new(text: impl Into<String>) -> Sql {
        Sql { text: text.into(), values: Vec::new() }
    }

    /// Adds text, and the values of the `?` in it.
    pub(super) fn add(mut self, text: &str, values: impl IntoIterator<Item = Value>) -> Sql {
        self.text.push_str(text);
        self.values.extend(values);
        self
    }

    /// Adds a list for `IN`.
    pub(super) fn list(self, texts: &[String]) -> Sql {
        let marks = vec!["?"; texts.len()].join(", ");
        self.add(&format!("({marks})"), texts.iter().map(Value::from))
    }

    /// Adds another one.
    pub(super) fn then(self, other: Sql) -> Sql {
        self.add(&other.text, other.values)
    }
}

/// The server, and the names of its tables.
#[derive(Clone)]
pub(super) struct Connection {
    bare: Client,
    client: Client,
    pub(super) tables: Tables,
    handle: Handle,
}

impl Connection {
    pub(super) fn new(options: &ClickHouseOptions, handle: Handle) -> Result<Self, StoreError> {
        let mut bare = Client::default()
            .with_url(&options.url)
            .with_compression(Compression::None)
            // An error in the middle of an answer is a status, not a line among the rows.
            .with_setting("wait_end_of_query", "1")
            .with_setting("output_format_json_quote_64bit_integers", "0");
        if !options.user.is_empty() {
            bare = bare.with_user(&options.user);
        }
        let password = match &options.password_file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    StoreError::Unavailable(format!("cannot read {}: {error}", path.display()))
                })?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => options.password.clone(),
        };
        if let Some(password) = password {
            bare = bare.with_password(password);
        }
        if options.cluster.is_some() {
            // Answered is on the shard, not in a queue before it.
            bare = bare.with_setting("insert_distributed_sync", "1");
        }
        let client = bare.clone().with_database(&options.database);
        let tables = Tables::new(options);
        Ok(Connection { bare, client, tables, handle })
    }

    /// One that speaks of no database: to make it.
    pub(super) fn unbound(&self) -> Connection {
        Connection { client: self.bare.clone(), ..self.clone() }
    }

    /// Rows of an answer. Blocks.
    pub(super) fn rows<T: DeserializeOwned>(&self, sql: Sql) -> Result<Vec<T>, StoreError> {
        self.handle.block_on(self.rows_async(sql))
    }

    pub(super) async fn rows_async<T: DeserializeOwned>(
        &self,
        sql: Sql,
    ) -> Result<Vec<T>, StoreError> {
        let mut query = self.client.query(&sql.text);
        for value in &sql.values {
            query = query.bind(value);
        }
        let ask = async { query.fetch_bytes("JSONEachRow")?.collect().await };
        let answer = patiently(ask).await?;
        answer
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                serde_json::from_slice(line).map_err(|error| {
                    let line = String::from_utf8_lossy(line);
                    StoreError::Unavailable(format!("clickhouse: unexpected row: {error}: {line}"))
                })
            })
            .collect()
    }

    /// A statement without an answer. Blocks.
    pub(super) fn run(&self, sql: Sql) -> Result<(), StoreError> {
        self.handle.block_on(self.run_async(sql))
    }

    pub(super) async fn run_async(&self, sql: Sql) -> Result<(), StoreError> {
        let mut query = self.client.query(&sql.text);
        for value in &sql.values {
            query = query.bind(value);
        }
        patiently(query.execute()).await
    }

    /// Inserts rows. Blocks.
    pub(super) fn insert<T: Serialize>(&self, table: &str, rows: &[T]) -> Result<(), StoreError> {
        self.handle.block_on(self.insert_async(table, rows))
    }

    pub(super) async fn insert_async<T: Serialize>(
        &self,
        table: &str,
        rows: &[T],
    ) -> Result<(), StoreError> {
        let mut lines = Vec::with_capacity(rows.len() * 512);
        for row in rows {
            serde_json::to_writer(&mut lines, row)
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
            lines.push(b'\n');
        }
        let statement = format!("INSERT INTO {table} FORMAT JSONEachRow");
        let send = async {
            let mut insert = self.client.insert_formatted_with(statement);
            insert.send(lines.into()).await?;
            insert.end().await
        };
        patiently(send).await
    }
}

async fn patiently<T>(
    work: impl Future<Output = Result<T, clickhouse::error::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(StoreError::Unavailable(format!("clickhouse: {error}"))),
        Err(_) => {
            Err(StoreError::Unavailable(format!("clickhouse: no answer within {PATIENCE:?}")))
        }
    }
}
