//! Connections to a server or the servers of a cluster. Results are rows of JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clickhouse::error::Error;
use clickhouse::{Client, Compression};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::schema::{Layout, Tables};
use super::servers::{Server, Servers};
use super::sql::Sql;
use crate::options::ClickHouseOptions;
use api_sessions_store::StoreError;

/// Timeout of a complete response.
const PATIENCE: Duration = Duration::from_secs(60);
/// Timeout of a ping.
const PING: Duration = Duration::from_secs(3);
/// Timeout of connections between servers of the cluster in milliseconds. Older servers default to 50 ms, which a busy
/// machine exceeds.
const CONNECT_MS: &str = "1000";
/// Pauses before retrying an insert while all replicas answer.
const BUSY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];
/// Time allowed for a server to deliver queued rows to replicas that answer: five times its default interval
/// (`distributed_directory_monitor_sleep_time_ms`).
const DELIVERY: Duration = Duration::from_millis(500);
/// ClickHouse's error codes for a failed connection to another server: ATTEMPT_TO_READ_AFTER_EOF, SOCKET_TIMEOUT,
/// NETWORK_ERROR, ALL_CONNECTION_TRIES_FAILED.
const CONNECTION_ERRORS: [&str; 4] = ["32", "209", "210", "279"];

/// The servers, and the names of their tables.
#[derive(Clone)]
pub(super) struct Connection {
    /// The client, without a URL.
    client: Client,
    urls: Arc<[String]>,
    /// Index in `urls` of the server to try first: the one that answered last.
    current: Arc<AtomicUsize>,
    pub(super) tables: Tables,
    /// The cluster that the servers belong to.
    pub(super) cluster: Option<Arc<Servers>>,
}

impl Connection {
    pub(super) fn new(options: &ClickHouseOptions) -> Result<Self, StoreError> {
        let mut client = Client::default()
            .with_compression(Compression::None)
            // Reports an error in the middle of a response as a status, not as a line among the rows.
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

    /// A connection to all servers of a cluster. An insert returns once the rows are on their shards, not when they are
    /// queued.
    pub(super) fn to_cluster(&self, servers: Servers) -> Connection {
        let connection = self
            .with_urls(servers.urls())
            .with_setting("insert_distributed_sync", "1")
            .with_setting("connect_timeout_with_failover_ms", CONNECT_MS);
        Connection { cluster: Some(Arc::new(servers)), ..connection }
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

    /// The first configured URL.
    pub(super) fn first_url(&self) -> &str {
        self.urls.first().map_or("", String::as_str)
    }

    /// Checks that a server answers.
    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        let ask = self.unbound();
        match tokio::time::timeout(PING, ask.run(Sql::new("SELECT 1"))).await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::Unavailable(format!("no answer within {PING:?}"))),
        }
    }

    /// Runs `work` on the server that answered last; if the connection fails, on the next ones, and finally on the
    /// first again. A statement may run twice: inserts are deduplicated.
    async fn with_server<T, W>(&self, work: impl Fn(Client) -> W) -> Result<T, StoreError>
    where
        W: Future<Output = Result<T, Error>>,
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
                Ok(Err(error)) if attempt < count && is_connection_error(&error) => {
                    tracing::debug!("clickhouse: {error}; trying again");
                }
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

    /// Runs a query and returns its rows.
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

    /// Runs a statement without a result.
    pub(super) async fn run(&self, sql: Sql) -> Result<(), StoreError> {
        self.with_server(|client| sql.query(&client).execute()).await
    }

    /// Inserts rows.
    pub(super) async fn insert<T: Serialize>(
        &self,
        table: &str,
        rows: &[T],
    ) -> Result<(), StoreError> {
        self.insert_or_queue(table, rows).await.map(|_| ())
    }

    /// Inserts rows. Once this returns, other processes see them on every server that answers.
    pub(super) async fn insert_visibly<T: Serialize>(
        &self,
        table: &str,
        rows: &[T],
    ) -> Result<(), StoreError> {
        if self.insert_or_queue(table, rows).await? {
            tokio::time::sleep(DELIVERY).await;
        }
        Ok(())
    }

    /// Inserts rows. Returns whether rows for an unreachable replica wait in a server's queue.
    async fn insert_or_queue<T: Serialize>(
        &self,
        table: &str,
        rows: &[T],
    ) -> Result<bool, StoreError> {
        let mut lines = Vec::with_capacity(rows.len() * 512);
        for row in rows {
            serde_json::to_writer(&mut lines, row)
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
            lines.push(b'\n');
        }
        let statement = format!("INSERT INTO {table} FORMAT JSONEachRow");
        let lines = bytes::Bytes::from(lines);
        let mut result = self.send(&statement, &lines).await;
        // If all replicas answer, one is only busy. Queueing is avoided then: queued rows are invisible for a while.
        for pause in BUSY {
            match &self.cluster {
                Some(servers) if result.is_err() && self.away(servers).await.is_empty() => {
                    tokio::time::sleep(pause).await;
                    result = self.send(&statement, &lines).await;
                }
                _ => break,
            }
        }
        // An unreachable replica fails the whole insert. Retry without waiting for it: it gets the rows from the
        // server's queue on disk once it is back.
        match (&result, &self.cluster) {
            (Err(_), Some(servers)) if self.can_queue(servers).await => {
                let queueing = self.with_setting("insert_distributed_sync", "0");
                queueing.send(&statement, &lines).await.map(|()| true)
            }
            _ => result.map(|()| false),
        }
    }

    /// The servers that do not answer.
    async fn away<'s>(&self, servers: &'s Servers) -> Vec<&'s Server> {
        let mut away = Vec::new();
        for server in &servers.all {
            if self.with_urls([&*server.url]).ping().await.is_err() {
                away.push(server);
            }
        }
        away
    }

    /// Whether rows for an unreachable replica can wait in the queue of the inserting server: if a server is
    /// unreachable but each shard has one that answers. Not needed for replicated tables, whose replicas fetch missing
    /// rows.
    async fn can_queue(&self, servers: &Servers) -> bool {
        if servers.layout != Layout::Plain {
            return false;
        }
        let away = self.away(servers).await;
        !away.is_empty() && servers.shard_without(&away).is_none()
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

/// Whether a connection failed, to a server or between servers, so that another attempt may succeed.
fn is_connection_error(error: &Error) -> bool {
    match error {
        Error::Network(_) => true,
        // "Code: 279, e.displayText() = …", "Code: 279. DB::NetException: …"
        Error::BadResponse(text) => {
            let code = text.strip_prefix("Code: ").unwrap_or_default();
            let end = code.find(|c: char| !c.is_ascii_digit()).unwrap_or(code.len());
            CONNECTION_ERRORS.contains(&&code[..end])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A server that answers the first statements with the given errors, or closes the connection for `None`.
    fn server(errors: &'static [Option<&str>]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let answers =
                errors.iter().map(|error| (500, *error)).chain([(200, Some("{\"n\":7}\n"))]);
            for ((status, answer), stream) in answers.zip(listener.incoming()) {
                let mut stream = stream.unwrap();
                read_request(&mut stream);
                if let Some(answer) = answer {
                    let length = answer.len();
                    let answer = format!(
                        "HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
                    );
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        url
    }

    fn read_request(stream: &mut TcpStream) {
        let (mut stream, mut length) = (BufReader::new(stream), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        stream.read_exact(&mut vec![0; length]).unwrap();
    }

    fn ask(url: String) -> Result<Vec<serde_json::Value>, StoreError> {
        let options = ClickHouseOptions {
            url,
            user: String::new(),
            password: None,
            password_file: None,
            database: "sessions".into(),
            cluster: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Connection::new(&options).unwrap().rows(Sql::new("SELECT 7 AS n")))
    }

    #[test]
    fn a_connection_that_broke_failed_the_statement() {
        assert_eq!(ask(server(&[None])).unwrap()[0]["n"], 7);
        const BETWEEN: &str = "Code: 279, e.displayText() = DB::NetException: All tries failed.";
        assert_eq!(ask(server(&[Some(BETWEEN)])).unwrap()[0]["n"], 7);
        assert!(ask(server(&[None, None])).is_err(), "tried more than twice");
    }

    #[test]
    fn an_error_of_the_statement_is_not_tried_again() {
        let error = ask(server(&[Some("Code: 62, e.displayText() = DB::Exception: Syntax error")]));
        assert!(error.unwrap_err().to_string().contains("Syntax error"));
        let error = ask(server(&[Some("Code: 2791. DB::Exception: unknown")]));
        assert!(error.is_err());
    }
}
