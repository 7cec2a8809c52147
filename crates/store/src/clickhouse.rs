//! Sessions in ClickHouse, for those who outgrow one machine: a server or a cluster, by its HTTP interface.
//!
//! Any number of processes may use one database side by side. Nothing is read before it is written and
//! nothing is updated: requests are rows whose place ([`schema`]) says of which line of which batch they
//! are, so that a batch that comes twice, even through two processes at once, is one.

mod activity;
mod cluster;
mod control;
mod detail;
mod filter;
mod replay;
mod requests;
mod row;
mod schema;
mod sessions;
mod sql;
mod writer;

use parking_lot::Mutex;
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use self::cluster::Cluster;
use self::control::Known;
use self::sql::{Connection, Sql};
use self::writer::Job;
use super::{
    Activity, Batch, Day, DayHealth, Identity, Page, Records, ReplayQuery, Reply, RequestQuery,
    SessionDetail, SessionPage, SessionQuery, StoreError, StoreHealth, StoredRequest, Visit,
};

/// Batches that wait for the writer; more wait in their senders.
const WAITING: usize = 256;

/// Where the database is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClickHouseOptions {
    /// `http://host:8123` or `https://host:8443`.
    pub url: String,
    /// User; empty: the server's default.
    pub user: String,
    /// Password in the URL, where there is one.
    pub password: Option<String>,
    /// File of the password.
    pub password_file: Option<PathBuf>,
    /// Database, made where it is not there.
    pub database: String,
    /// Name of the cluster whose servers hold the tables; without: this one server.
    pub cluster: Option<String>,
}

impl fmt::Debug for ClickHouseOptions {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.url, self.database)
    }
}

impl ClickHouseOptions {
    /// Reads `http://[user[:password]@]host:port[/database][?cluster=name]`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<ClickHouseOptions, String> {
        let wanted = "http[s]://[user@]host:port[/database][?cluster=name]";
        let wrong = |what: &str| format!("{what}; expected {wanted}");
        let mut url = url::Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong("not an http or https address"));
        }
        let mut cluster = None;
        for (name, value) in url.query_pairs() {
            match &*name {
                "cluster" if is_name(&value) => cluster = Some(value.into_owned()),
                "cluster" => {
                    return Err(wrong("the cluster's name has other than letters, digits, `_`"));
                }
                other => return Err(wrong(&format!("unknown option `{other}`"))),
            }
        }
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            text.map(Cow::into_owned).map_err(|_| wrong("user or password is not UTF-8"))
        };
        let user = decoded(url.username())?;
        let password = url.password().map(decoded).transpose()?;
        let database = match url.path().trim_matches('/') {
            "" => "api_sessions".to_owned(),
            name if is_name(name) => name.to_owned(),
            _ => return Err(wrong("the database's name has other than letters, digits, `_`")),
        };
        url.set_path("");
        url.set_query(None);
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let url = url.to_string();
        Ok(ClickHouseOptions { url, user, password, password_file: None, database, cluster })
    }
}

/// A name that needs no quotes in SQL.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A store in ClickHouse.
pub struct ClickHouseStore {
    connection: Connection,
    jobs: mpsc::Sender<Job>,
    write_error: std::sync::Arc<Mutex<Option<String>>>,
    known: Mutex<Known>,
}

impl ClickHouseStore {
    /// Connects, and makes database and tables where they are not there. Its tasks run on `handle`, and its
    /// methods block: they are called from threads that may.
    ///
    /// # Errors
    /// The server does not answer or refuses; the tables were made by a newer version.
    pub async fn open(
        options: &ClickHouseOptions,
        handle: &Handle,
    ) -> Result<ClickHouseStore, StoreError> {
        let connection = Connection::new(options, handle.clone())?;
        let connection = match &options.cluster {
            None => {
                schema::make(&connection).await?;
                connection
            }
            Some(name) => {
                let cluster = Cluster::read(&connection, name).await?;
                cluster.make(&connection).await?;
                handle.spawn(cluster.clone().keep_up(connection.clone()));
                connection.to_cluster(cluster)
            }
        };
        let (jobs, queue) = mpsc::channel(WAITING);
        let write_error = std::sync::Arc::new(Mutex::new(None));
        handle.spawn(writer::run(queue, connection.clone(), write_error.clone()));
        Ok(ClickHouseStore { connection, jobs, write_error, known: Mutex::default() })
    }

    /// Version of the server.
    ///
    /// # Errors
    /// It does not answer.
    pub fn server_version(&self) -> Result<String, StoreError> {
        #[derive(serde::Deserialize)]
        struct Version {
            version: String,
        }
        let rows: Vec<Version> = self.connection.rows(Sql::new("SELECT version() AS version"))?;
        Ok(rows.into_iter().next().map(|row| row.version).unwrap_or_default())
    }
}

impl Records for ClickHouseStore {
    fn append(&self, batch: Batch, reply: Reply) {
        if let Err(error) = self.jobs.blocking_send(Job { batch, reply }) {
            (error.0.reply)(Err(StoreError::Unavailable("the writer has stopped".into())));
        }
    }

    fn sessions(&self, query: &SessionQuery) -> Result<SessionPage, StoreError> {
        sessions::page(&self.connection, query)
    }

    fn session(&self, session: &str) -> Result<Option<SessionDetail>, StoreError> {
        let sessions = [session.to_owned()];
        let details = detail::read(&self.connection, &sessions, &Default::default(), true)?;
        Ok(details.into_iter().next())
    }

    fn requests(&self, query: &RequestQuery) -> Result<Page<StoredRequest>, StoreError> {
        requests::page(&self.connection, query)
    }

    fn request(&self, id: &str) -> Result<Option<StoredRequest>, StoreError> {
        requests::by_id(&self.connection, id)
    }

    fn identity(&self, session: &str) -> Result<Identity, StoreError> {
        Ok(Identity { session: session.to_owned(), ..Identity::default() })
    }

    fn other_ids(&self, _session: &str) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    fn split(&self, _alias: &str) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn activity(&self, from: u64, to: u64) -> Result<Vec<Activity>, StoreError> {
        activity::read(&self.connection, from, to)
    }

    fn replay(
        &self,
        query: &ReplayQuery,
        visit: &mut Visit<'_>,
    ) -> Result<Vec<String>, StoreError> {
        replay::run(&self.connection, query, visit).map(|()| Vec::new())
    }

    fn drop_before(&self, first: Day) -> Result<Vec<Day>, StoreError> {
        activity::drop_before(&self.connection, first)
    }

    fn health(&self) -> StoreHealth {
        let write_error = self.write_error.lock().clone();
        match activity::days(&self.connection) {
            Ok(days) => StoreHealth { days, write_error },
            Err(error) => {
                let day = DayHealth { error: Some(error.to_string()), ..DayHealth::default() };
                StoreHealth { days: vec![day], write_error }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let options =
            ClickHouseOptions::parse("http://ann:p%40ss@db.example:8123/shop?cluster=main")
                .unwrap();
        assert_eq!(options.url, "http://db.example:8123/");
        assert_eq!((&*options.user, options.password.as_deref()), ("ann", Some("p@ss")));
        assert_eq!((&*options.database, options.cluster.as_deref()), ("shop", Some("main")));
        assert!(!format!("{options:?}").contains("p@ss"));
        let plain = ClickHouseOptions::parse("https://127.0.0.1:8443").unwrap();
        assert_eq!((&*plain.database, plain.cluster), ("api_sessions", None));
        for bad in [
            "",
            "db:9000",
            "tcp://db:9000",
            "http://db/a-b",
            "http://db/?clustr=x",
            "http://db/x?cluster=a'b",
        ] {
            assert!(ClickHouseOptions::parse(bad).is_err(), "{bad}");
        }
    }
}
