//! `api-sessions-cloud copy`: copies a store's sessions to another store.
//!
//! Sessions are read oldest first, one page at a time. Each page of a session's requests is a batch with its own
//! idempotency key, so that a page copied twice is stored once; a session's last page may grow from run to run. A file in the data directory records up to which page
//! everything is durable; the next run continues there.

use std::path::Path;

use api_sessions_store::clock::now_ms;
use api_sessions_store::{
    Batch, NewRequest, RequestQuery, SessionQuery, Sort, Store, StoreError, Stored, StoredRequest,
};
use crossbeam_channel::{Receiver, Sender, unbounded};
use serde::{Deserialize, Serialize};

/// File in the data directory that records the progress.
const PROGRESS_FILE: &str = "copy.json";
/// Page size, for sessions and for requests of a session.
const PAGE: usize = 500;
/// Approximate number of requests in flight.
const ON_THE_WAY: usize = 20_000;
/// Author of entries in the new store's history.
const AUTHOR: &str = "copy";

/// Progress of a copy, over all its runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The destination; a different one starts over.
    destination: String,
    /// Cursor of the next page of sessions; `None` at the start.
    cursor: Option<String>,
    /// Whether everything is copied.
    pub done: bool,
    /// Number of sessions.
    pub sessions: u64,
    /// Number of requests, including those that were already there.
    pub requests: u64,
}

impl Progress {
    /// The progress of an unfinished copy to the same destination. After a finished one the copy starts over.
    fn load(data: &Path, destination: &str) -> Progress {
        let start = || Progress { destination: destination.to_owned(), ..Progress::default() };
        let text = std::fs::read(data.join(PROGRESS_FILE)).unwrap_or_default();
        match serde_json::from_slice::<Progress>(&text) {
            Ok(known) if known.destination == destination && !known.done => known,
            _ => start(),
        }
    }

    fn save(&self, data: &Path) -> Result<(), StoreError> {
        let path = data.join(PROGRESS_FILE);
        let failed = |error: std::io::Error| {
            StoreError::Unavailable(format!("cannot write {}: {error}", path.display()))
        };
        let new = path.with_extension("new");
        std::fs::write(&new, serde_json::to_vec(self).unwrap_or_default()).map_err(failed)?;
        std::fs::rename(&new, &path).map_err(failed)
    }
}

/// Copies requests with their full content, the denylist, the parameters and rules of nodes, and decisions about keys,
/// but no tokens. Calls `tell` after each page of sessions, with the total number of sessions.
///
/// # Errors
/// [`StoreError`] of either store. The next run repeats a page that failed.
pub fn run(
    from: &dyn Store,
    to: &dyn Store,
    data: &Path,
    destination: &str,
    tell: &mut dyn FnMut(&Progress, u64),
) -> Result<Progress, StoreError> {
    let mut progress = Progress::load(data, destination);
    settings(from, to)?;
    loop {
        let query = SessionQuery {
            sort: Sort::FirstTs,
            ascending: true,
            limit: PAGE,
            cursor: progress.cursor.clone(),
            ..SessionQuery::default()
        };
        let page = from.sessions(&query)?;
        let mut pending = Pending::new();
        for session in &page.sessions {
            requests(from, to, &session.session, &mut pending)?;
        }
        progress.requests += pending.finish()?;
        progress.sessions += page.sessions.len() as u64;
        progress.done = page.next.is_none();
        progress.cursor = page.next;
        progress.save(data)?;
        tell(&progress, page.total);
        if progress.done {
            return Ok(progress);
        }
    }
}

/// Copies the current denylist, and parameters, rules and key decisions unless the new store has some.
fn settings(from: &dyn Store, to: &dyn Store) -> Result<(), StoreError> {
    let now = now_ms();
    let present = to.denylist(now)?;
    for entry in from.denylist(now)? {
        if !present.contains(&entry) {
            to.deny(&entry)?;
        }
    }
    let parameters = from.parameters()?;
    if to.parameters()? == Default::default() && parameters != Default::default() {
        to.set_parameters(&parameters, AUTHOR, now)?;
    }
    let rules = from.rules()?;
    if to.rules()?.is_empty() && !rules.is_empty() {
        to.set_rules(&rules, AUTHOR, now)?;
    }
    let decisions = from.key_decisions()?;
    if to.key_decisions()? == Default::default() && decisions != Default::default() {
        to.set_key_decisions(&decisions, AUTHOR, now)?;
    }
    Ok(())
}

/// Copies all requests of a session, one batch per page.
fn requests(
    from: &dyn Store,
    to: &dyn Store,
    session: &str,
    pending: &mut Pending,
) -> Result<(), StoreError> {
    let mut query =
        RequestQuery { session: session.to_owned(), limit: PAGE, ..RequestQuery::default() };
    for number in 0.. {
        let page = from.requests(&query)?;
        let requests = (0..).zip(page.items).map(|(line, stored)| new(from, stored, line));
        let requests = requests.collect::<Result<Vec<_>, _>>()?;
        let key = Some(format!("copy:{session}:{number}"));
        // The session may go on: the next run adds what the last page has gained.
        let cut = page.next.is_none().then_some(requests.len() as u32);
        pending.append(to, Batch { key, requests, cut })?;
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    Ok(())
}

/// A stored request as a new one, with its full content.
fn new(from: &dyn Store, stored: StoredRequest, line: u32) -> Result<NewRequest, StoreError> {
    let StoredRequest { mut record, endpoint, has_content } = stored;
    if has_content && record.request.is_none() {
        let whole = from.request(&record.id)?;
        record.request = whole.and_then(|whole| whole.record.request);
    }
    Ok(NewRequest { record, endpoint, line })
}

/// Batches in flight.
struct Pending {
    reply: Sender<Result<Stored, StoreError>>,
    replies: Receiver<Result<Stored, StoreError>>,
    batches: usize,
    requests: usize,
    stored: u64,
}

impl Pending {
    fn new() -> Pending {
        let (reply, replies) = unbounded();
        Pending { reply, replies, batches: 0, requests: 0, stored: 0 }
    }

    fn append(&mut self, to: &dyn Store, batch: Batch) -> Result<(), StoreError> {
        self.batches += 1;
        self.requests += batch.requests.len();
        let reply = self.reply.clone();
        // The receiver is gone only if the run has failed.
        to.append(batch, Box::new(move |result| drop(reply.send(result))));
        if self.requests >= ON_THE_WAY {
            self.wait()?;
        }
        Ok(())
    }

    fn wait(&mut self) -> Result<(), StoreError> {
        for _ in 0..std::mem::take(&mut self.batches) {
            let gone = |_| StoreError::Unavailable("the writer has stopped".into());
            let Stored { stored, duplicates } = self.replies.recv().map_err(gone)??;
            self.stored += stored + duplicates;
        }
        self.requests = 0;
        Ok(())
    }

    /// Waits for all batches and returns their number of requests.
    fn finish(mut self) -> Result<u64, StoreError> {
        self.wait()?;
        Ok(self.stored)
    }
}
