//! A store in ClickHouse, for installations that outgrow one machine: a server or a cluster, accessed over HTTP.
//!
//! Any number of processes may share a database. Rows are only inserted, never updated: a request is a row whose sort
//! key ([`schema`]) contains its batch and line, so a batch sent twice, even by two processes at once, is stored once.

#![forbid(unsafe_code)]

mod activity;
mod alias_state;
mod aliases;
mod cluster;
mod connection;
mod control;
mod control_cache;
mod create_tables;
mod detail;
mod endpoints;
mod filter;
mod identity;
mod joined;
mod limits;
mod options;
mod replay;
mod requests;
mod row;
mod schema;
mod servers;
mod sessions;
mod sql;
mod writer;

use api_sessions_store::endpoints::{EndpointPage, EndpointQuery};
use api_sessions_store::{
    Activity, Batch, Day, DayHealth, Filter, Identity, Page, Records, ReplayQuery, Reply,
    RequestQuery, SessionDetail, SessionPage, SessionQuery, StoreError, StoreHealth, StoredRequest,
    UserPart, Visit,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use self::connection::Connection;
use self::control_cache::Known;
pub use self::options::ClickHouseOptions;
use self::sql::Sql;
use self::writer::Job;

/// Maximum number of batches queued for the writer; further senders block.
const WAITING: usize = 256;

/// A store in ClickHouse.
pub struct ClickHouseStore {
    connection: Connection,
    runtime: Handle,
    jobs: mpsc::Sender<Job>,
    write_error: std::sync::Arc<Mutex<Option<String>>>,
    known: Mutex<Known>,
}

impl ClickHouseStore {
    /// Connects, and creates the database and tables if they do not exist. Tasks run on `handle`. Methods block, so
    /// call them only from threads that may block.
    ///
    /// # Errors
    /// The server does not answer or rejects a statement, or a newer version created the tables.
    pub async fn open(
        options: &ClickHouseOptions,
        handle: &Handle,
    ) -> Result<ClickHouseStore, StoreError> {
        let connection = Connection::new(options)?;
        let connection = match &options.cluster {
            None => {
                create_tables::create(&connection).await?;
                connection
            }
            Some(name) => {
                let servers = cluster::read(&connection, name).await?;
                cluster::create(&servers, &connection).await?;
                handle.spawn(cluster::keep_up(servers.clone(), connection.clone()));
                connection.to_cluster(servers)
            }
        };
        let (jobs, queue) = mpsc::channel(WAITING);
        let write_error = std::sync::Arc::new(Mutex::new(None));
        handle.spawn(writer::run(queue, connection.clone(), write_error.clone()));
        let runtime = handle.clone();
        Ok(ClickHouseStore { connection, runtime, jobs, write_error, known: Mutex::default() })
    }

    /// Blocks until the future completes. The only bridge between async queries and the blocking store interface.
    fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }

    /// Version of the server.
    ///
    /// # Errors
    /// The server does not answer.
    pub fn server_version(&self) -> Result<String, StoreError> {
        #[derive(serde::Deserialize)]
        struct Version {
            version: String,
        }
        let rows: Vec<Version> =
            self.wait(self.connection.rows(Sql::new("SELECT version() AS version")))?;
        Ok(rows.into_iter().next().map(|row| row.version).unwrap_or_default())
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable("the writer has stopped".into())
}

impl Records for ClickHouseStore {
    fn append(&self, batch: Batch, reply: Reply) {
        if let Err(error) = self.jobs.blocking_send(Job::Append(batch, reply))
            && let Job::Append(_, reply) = error.0
        {
            reply(Err(gone()));
        }
    }

    fn sessions(&self, query: &SessionQuery) -> Result<SessionPage, StoreError> {
        self.wait(sessions::page(&self.connection, query))
    }

    fn session(&self, session: &str) -> Result<Option<SessionDetail>, StoreError> {
        self.wait(async {
            let sessions = [identity::root(&self.connection, session).await?];
            let all_days = Filter::default();
            let details = detail::read(&self.connection, &sessions, &all_days, true).await?;
            Ok(details.into_iter().next())
        })
    }

    fn requests(&self, query: &RequestQuery) -> Result<Page<StoredRequest>, StoreError> {
        self.wait(requests::page(&self.connection, query))
    }

    fn newest(
        &self,
        sessions: &[String],
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<Page<StoredRequest>>, StoreError> {
        self.wait(requests::newest(&self.connection, sessions, filter, limit))
    }

    fn user_parts(&self, sessions: &[String], limit: usize) -> Result<Vec<UserPart>, StoreError> {
        self.wait(requests::user_parts(&self.connection, sessions, limit))
    }

    fn request(&self, id: &str) -> Result<Option<StoredRequest>, StoreError> {
        self.wait(requests::by_id(&self.connection, id))
    }

    fn identity(&self, session: &str) -> Result<Identity, StoreError> {
        self.wait(identity::identity(&self.connection, session))
    }

    fn other_ids(&self, session: &str) -> Result<Vec<String>, StoreError> {
        self.wait(identity::other_ids(&self.connection, session))
    }

    fn split(&self, alias: &str) -> Result<bool, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.blocking_send(Job::Split(alias.to_owned(), reply)).map_err(|_| gone())?;
        answer.blocking_recv().map_err(|_| gone())?
    }

    fn activity(&self, from: u64, to: u64) -> Result<Vec<Activity>, StoreError> {
        self.wait(activity::read(&self.connection, from, to))
    }

    fn active_sessions(
        &self,
        from: u64,
        to: u64,
        step: u64,
    ) -> Result<(Vec<(u64, u64)>, u64), StoreError> {
        self.wait(activity::sessions(&self.connection, from, to, step))
    }

    fn endpoints(&self, query: &EndpointQuery) -> Result<EndpointPage, StoreError> {
        let endpoints = self.wait(endpoints::read(&self.connection, query))?;
        Ok(EndpointPage { endpoints, incomplete: Vec::new() })
    }

    fn replay(
        &self,
        query: &ReplayQuery,
        visit: &mut Visit<'_>,
    ) -> Result<Vec<String>, StoreError> {
        self.wait(replay::run(&self.connection, query, visit)).map(|()| Vec::new())
    }

    fn drop_before(&self, first: Day) -> Result<Vec<Day>, StoreError> {
        self.wait(activity::drop_before(&self.connection, first))
    }

    fn health(&self) -> StoreHealth {
        let write_error = self.write_error.lock().clone();
        match self.wait(activity::days(&self.connection)) {
            Ok(days) => StoreHealth { days, write_error },
            Err(error) => {
                let day = DayHealth { error: Some(error.to_string()), ..DayHealth::default() };
                StoreHealth { days: vec![day], write_error }
            }
        }
    }
}
