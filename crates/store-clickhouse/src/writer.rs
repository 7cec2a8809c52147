//! The writer task: inserts queued batches together, since ClickHouse prefers few large inserts.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use super::aliases::{self, Ticks};
use super::connection::Connection;
use super::identity;
use super::row::NewRow;
use super::sql::Sql;
use api_sessions_store::aliases::claims;
use api_sessions_store::clock::now_ms;
use api_sessions_store::{Batch, Day, Reply, StoreError, Stored};

/// Requests after which no further batch joins a statement.
const ENOUGH: usize = 50_000;

/// A job for the task.
pub(super) enum Job {
    /// Store a batch.
    Append(Batch, Reply),
    /// Ends an alias; replies whether the id was one.
    Split(String, oneshot::Sender<Result<bool, StoreError>>),
}

/// Runs until all senders are gone.
pub(super) async fn run(
    mut queue: Receiver<Job>,
    connection: Connection,
    write_error: Arc<Mutex<Option<String>>>,
) {
    let mut ticks = Ticks::default();
    while let Some(first) = queue.recv().await {
        let mut requests = 0;
        let (mut batches, mut replies) = (Vec::new(), Vec::new());
        let mut split = None;
        let mut next = Some(first);
        while let Some(job) = next.take() {
            match job {
                Job::Append(batch, reply) => {
                    requests += batch.requests.len();
                    batches.push(batch);
                    replies.push(reply);
                }
                Job::Split(alias, reply) => split = Some((alias, reply)),
            }
            if requests < ENOUGH && split.is_none() {
                next = queue.try_recv().ok();
            }
        }
        let result = store(&connection, &mut ticks, &batches).await;
        *write_error.lock() = result.as_ref().err().map(ToString::to_string);
        match result {
            Ok(all) => replies.into_iter().zip(all).for_each(|(reply, stored)| reply(Ok(stored))),
            Err(error) => {
                let text = error.to_string();
                replies
                    .into_iter()
                    .for_each(|reply| reply(Err(StoreError::Unavailable(text.clone()))));
            }
        }
        if let Some((alias, reply)) = split {
            let _ = reply.send(aliases::split(&connection, &mut ticks, &alias).await);
        }
    }
}

#[derive(Serialize)]
struct NewBatch<'b> {
    day: String,
    key: &'b str,
    requests: u32,
}

#[derive(Deserialize)]
struct KnownBatch {
    key: String,
    requests: u64,
}

/// Stores each batch once. Aliases come first, then rows; a batch is recorded once all of it is stored. If the process
/// ends in between, the rows are sent again and deduplicated.
async fn store(
    connection: &Connection,
    ticks: &mut Ticks,
    batches: &[Batch],
) -> Result<Vec<Stored>, StoreError> {
    let named: Vec<String> = batches.iter().filter_map(|batch| batch.key.clone()).collect();
    let mut known: HashMap<String, u64> = HashMap::new();
    if !named.is_empty() {
        let table = &connection.tables.batch;
        let sql =
            Sql::new(format!("SELECT key, max(requests) AS requests FROM {table} WHERE key IN "))
                .list(&named)
                .add(" GROUP BY key", []);
        let found: Vec<KnownBatch> = connection.rows(sql).await?;
        known.extend(found.into_iter().map(|batch| (batch.key, batch.requests)));
    }
    let unnamed = unnamed()?;
    let mut names = Vec::with_capacity(batches.len());
    let mut stored = Vec::with_capacity(batches.len());
    let mut new = Vec::new();
    let day = Day::of(now_ms()).to_string();
    for (n, batch) in batches.iter().enumerate() {
        let requests = batch.requests.len() as u64;
        let name = batch.key.clone().unwrap_or_else(|| format!("{unnamed}-{n}"));
        let answer = match known.get(&name) {
            Some(_) => Stored { stored: 0, duplicates: requests },
            None => {
                new.push(n);
                // A truncated batch will be sent again; its stored lines are deduplicated.
                if batch.cut.is_none() {
                    known.insert(name.clone(), requests);
                }
                Stored { stored: requests, duplicates: 0 }
            }
        };
        names.push(name);
        stored.push(answer);
    }
    let arrived = ticks.arrival();
    let of_batch = |n: &usize| names.get(*n).zip(batches.get(*n));
    let rows: Vec<NewRow<'_>> = new
        .iter()
        .filter_map(of_batch)
        .flat_map(|(name, batch)| {
            batch.requests.iter().map(move |request| NewRow::new(name, request, arrived))
        })
        .collect();
    if rows.is_empty() {
        return Ok(stored);
    }
    let requests = || new.iter().filter_map(|n| batches.get(*n)).flat_map(|batch| &batch.requests);
    let claims = requests().flat_map(|request| claims(&request.record)).collect();
    aliases::store(connection, ticks, claims, arrived).await?;
    identity::store_previous(connection, ticks, requests()).await?;
    connection.insert(&connection.tables.request, &rows).await?;
    let marks: Vec<NewBatch<'_>> = new
        .iter()
        .filter_map(of_batch)
        .filter(|(_, batch)| batch.key.is_some() && batch.cut.is_none())
        .map(|(name, batch)| NewBatch {
            day: day.clone(),
            key: name,
            requests: u32::try_from(batch.requests.len()).unwrap_or(u32::MAX),
        })
        .collect();
    if !marks.is_empty() {
        connection.insert(&connection.tables.batch, &marks).await?;
    }
    Ok(stored)
}

/// A unique name for a batch without one.
fn unnamed() -> Result<String, StoreError> {
    let random = getrandom::u64()
        .map_err(|error| StoreError::Unavailable(format!("no randomness: {error}")))?;
    Ok(format!("~{random:016x}"))
}
