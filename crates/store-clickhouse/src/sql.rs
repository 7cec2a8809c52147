//! Queries: statements with bound values, and answers as rows of JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clickhouse::query::Query;
use clickhouse::{Client, Compression};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cluster::Cluster;
use super::schema::Tables;
use api_sessions_store::ClickHouseOptions;
use api_sessions_store::StoreError;

/// Longest wait for a complete answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for the answer to a ping.
const PING: Duration = Duration::from_secs(3);

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

    /// Appends text, and the values of the `?` in it.
    pub(super) fn add(mut self, text: &str, values: impl IntoIterator<Item = Value>) -> Sql {
        self.text.push_str(text);
        self.values.extend(values);
        self
    }

    /// Appends the values of `?` appended earlier.
    pub(super) fn bound(self, values: impl IntoIterator<Item = Value>) -> Sql {
        self.add("", values)
    }

    /// Appends a list for `IN`.
    pub(super) fn list(self, texts: &[String]) -> Sql {
        let marks = vec!["?"; texts.len()].join(", ");
        self.add(&format!("({marks})"), texts.iter().map(Value::from))
    }

    /// Appends another statement.
    pub(super) fn then(self, other: Sql) -> Sql {
        self.add(&other.text, other.values)
    }

    fn query(&self, client: &Client) -> Query {
        self.values.iter().fold(client.query(&self.text), |query, value| query.bind(value))
    }
}

/// The servers, and the names of their tables.
#[derive(Clone)]
pub(super) struct Connection {
    /// The client, without a URL.
    client: Client,
    urls: Arc<[String]>,
    /// Index in `urls` of the server tried first: the last that answered.
    current: Arc<AtomicUsize>,
    pub(super) tables: Tables,
    /// The cluster that the servers belong to.
    pub(super) cluster: Option<Arc<Cluster>>,
}

impl Connection {
    pub(super) fn new(options: &ClickHouseOptions) -> Result<Self, StoreError> {
        let mut client = Client::default()
            .with_compression(Compression::None)
            // Report an error in the middle of an answer as a status, not as a line among the rows.
            .with_setting("wait_end_of_query", "1")
            .with_setting("output_format_json_quote_64bit_integers", "0");
        if !options.user.is_empty() {
            client = client.with_user(&options.user);
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
            client = client.with_password(password);
        }
        let client = client.with_database(&options.database);
        let urls = Arc::new([options.url.clone()]);
        let tables = Tables::new(options);
        Ok(Connection { client, urls, current: Arc::default(), tables, cluster: None })
    }

    /// A connection for inserts to all servers of a cluster. An insert is answered once it is on its shard,
    /// not when it is queued for it.
    pub(super) fn to_cluster(&self, cluster: Cluster) -> Connection {
        let connection = cluster.connect(self).with_setting("insert_distributed_sync", "1");
        Connection { cluster: Some(Arc::new(cluster)), ..connection }
    }

    /// A connection without a database, for creating it.
    pub(super) fn unbound(&self) -> Connection {
        Connection { client: self.client.clone().with_database("default"), ..self.clone() }
    }

    /// A connection to other servers.
    pub(super) fn with_urls<'u>(&self, urls: impl IntoIterator<Item = &'u str>) -> Connection {
        let urls = urls.into_iter().map(str::to_owned).collect();
        Connection { urls, current: Arc::default(), ..self.clone() }
    }

    /// A connection with a changed server setting.
    pub(super) fn with_setting(&self, name: &str, value: &str) -> Connection {
        Connection { client: self.client.clone().with_setting(name, value), ..self.clone() }
    }

    /// A connection to each server of the cluster, or to the single server.
    pub(super) fn servers(&self) -> Vec<Connection> {
        self.urls.iter().map(|url| self.with_urls([&**url])).collect()
    }

    /// The URL that is tried first initially.
    pub(super) fn first_url(&self) -> &str {
        self.urls.first().map_or("", String::as_str)
    }

    /// Whether a server answers.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        let ask = self.unbound();
        match tokio::time::timeout(PING, ask.run(Sql::new("SELECT 1"))).await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::Unavailable(format!("no answer within {PING:?}"))),
        }
    }

    /// Runs `work` on the server that answered last, and on the next one if the connection fails. Repeated
    /// inserts are deduplicated.
    async fn with_server<T, W>(&self, work: impl Fn(Client) -> W) -> Result<T, StoreError>
    where
        W: Future<Output = Result<T, clickhouse::error::Error>>,
    {
        let count = self.urls.len();
        let first = self.current.load(Ordering::Relaxed);
        for attempt in 0.. {
            let at = (first + attempt) % count.max(1);
            let Some(url) = self.urls.get(at) else { break };
            let work = work(self.client.clone().with_url(url));
            match tokio::time::timeout(PATIENCE, work).await {
                Ok(Ok(value)) => {
                    self.current.store(at, Ordering::Relaxed);
                    return Ok(value);
                }
                Ok(Err(clickhouse::error::Error::Network(_))) if attempt + 1 < count => {}
                Ok(Err(error)) => {
                    return Err(StoreError::Unavailable(format!("clickhouse: {error}")));
                }
                Err(_) => {
                    let error = format!("clickhouse: no answer within {PATIENCE:?}");
                    return Err(StoreError::Unavailable(error));
                }
            }
        }
        Err(StoreError::Unavailable("clickhouse: no server".into()))
    }

    /// The rows of an answer.
    pub(super) async fn rows<T: DeserializeOwned>(&self, sql: Sql) -> Result<Vec<T>, StoreError> {
        let answer = self
            .with_server(async |client| {
                sql.query(&client).fetch_bytes("JSONEachRow")?.collect().await
            })
            .await?;
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

    /// Runs a statement that has no answer.
    pub(super) async fn run(&self, sql: Sql) -> Result<(), StoreError> {
        self.with_server(|client| sql.query(&client).execute()).await
    }

    /// Inserts rows.
    pub(super) async fn insert<T: Serialize>(
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
        let lines = bytes::Bytes::from(lines);
        let result = self.send(&statement, &lines).await;
        // An unreachable replica makes the insert fail for all. Retry without waiting for it: it gets the
        // rows from the server's queue on disk once it is back.
        match (&result, &self.cluster) {
            (Err(_), Some(cluster)) if cluster.can_queue(self).await => {
                self.with_setting("insert_distributed_sync", "0").send(&statement, &lines).await
            }
            _ => result,
        }
    }

    async fn send(&self, statement: &str, lines: &bytes::Bytes) -> Result<(), StoreError> {
        self.with_server(|client| {
            let mut insert = client.insert_formatted_with(statement);
            let lines = lines.clone();
            async {
                insert.send(lines).await?;
                insert.end().await.map(|_| ())
            }
        })
        .await
    }
}
