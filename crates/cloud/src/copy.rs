//! `api-sessions-cloud copy`: carries a store's sessions over to another store.
//!
//! Sessions are read oldest first, a page at a time. Each page of a session's requests is a batch with a key of its
//! own, so that what is copied twice is stored once; a file in the data directory has the place up to which
//! everything is durable, where the next run goes on.

use std::path::Path;

use api_sessions_store::clock::now_ms;
use api_sessions_store::{
    Batch, NewRequest, RequestQuery, SessionQuery, Sort, Store, StoreError, Stored, StoredRequest,
};
use crossbeam_channel::{Receiver, Sender, unbounded};
use serde::{Deserialize, Serialize};

/// File in the data directory with the place that was reached.
const PROGRESS_FILE: &str = "copy.json";
/// Sessions, and requests of one session, that are read at once.
const PAGE: usize = 500;
/// Requests whose batches are on their way at once, about.
const ON_THE_WAY: usize = 20_000;
/// Author of entries in the new store's history.
const AUTHOR: &str = "copy";

/// What was copied, in all runs together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Where it goes: another destination begins from the start.
    destination: String,
    /// Cursor of the next page of sessions; `None` at the start.
    cursor: Option<String>,
    /// Everything is copied.
    pub done: bool,
    /// Sessions.
    pub sessions: u64,
    /// Requests, those that were there already included.
    pub requests: u64,
}

impl Progress {
    /// Of an earlier run to the same destination, else of none. A run that was complete begins again: what
    /// has arrived since is copied.
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

/// Copies requests with their full content, the denylist, the parameters and the rules of nodes. Tokens stay behind: only
/// their hashes are known. `tell` is called after each page of sessions, with how many there are in all.
///
/// # Errors
/// [`StoreError`] of either store. A page of which something failed is copied again by the next run.
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

/// The denylist in force, and the parameters and rules of nodes where the new store has none.
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

/// All requests of a session, a batch for each page of them.
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
        pending.append(to, Batch { key, requests, cut: None })?;
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    Ok(())
}

/// A request as it came, with its full content.
fn new(from: &dyn Store, stored: StoredRequest, line: u32) -> Result<NewRequest, StoreError> {
    let StoredRequest { mut record, endpoint, has_content } = stored;
    if has_content && record.request.is_none() {
        let whole = from.request(&record.id)?;
        record.request = whole.and_then(|whole| whole.record.request);
    }
    Ok(NewRequest { record, endpoint, line })
}

/// Batches that are on their way.
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
        // The receiver outlives all batches but those of a run that has failed.
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

    /// Waits for all; how many requests they had.
    fn finish(mut self) -> Result<u64, StoreError> {
        self.wait()?;
        Ok(self.stored)
    }
}
