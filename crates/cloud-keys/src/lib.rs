//! Facts of session keys: merged over all nodes and judged at the end of a window. Bad verdicts demote built-in keys.

#![forbid(unsafe_code)]

mod closing;
mod limits;
pub mod overview;
pub mod regroup;
pub mod why;

use std::collections::{BTreeMap, HashSet, VecDeque};

use api_sessions_key_facts::{ClosedWindow, Kept, Ledger, Standing, Verdict, WindowFacts};
use api_sessions_store::{Store, StoreError};
use parking_lot::Mutex;

use crate::limits::{MAX_REMEMBERED_BATCHES, MAX_RESTORED_WINDOWS};

/// Period from which standing verdicts are restored at start, milliseconds.
const RESTORED: u64 = 2 * 86_400_000;

/// Facts of all nodes.
#[derive(Debug, Default)]
pub struct Keys(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// `None` until the standing verdicts are read from the store.
    ledger: Option<Ledger>,
    batches: HashSet<String>,
    /// Oldest first.
    order: VecDeque<String>,
}

impl Keys {
    /// Adds the facts of a batch, once per batch name. Returns whether it is new.
    ///
    /// # Errors
    /// The error of the store.
    pub fn add(
        &self,
        store: &dyn Store,
        batch: Option<String>,
        windows: Vec<WindowFacts>,
        now: u64,
    ) -> Result<bool, StoreError> {
        let mut inner = self.0.lock();
        if batch.as_ref().is_some_and(|batch| inner.batches.contains(batch)) {
            return Ok(false);
        }
        // A node whose clock is ahead would keep a window open for long.
        let is_now = |window: &WindowFacts| window.start <= now.saturating_add(window.length);
        let ledger = inner.ledger(store, now)?;
        windows.into_iter().filter(is_now).for_each(|window| ledger.add(window));
        if let Some(batch) = batch {
            if inner.order.len() >= MAX_REMEMBERED_BATCHES
                && let Some(oldest) = inner.order.pop_front()
            {
                inner.batches.remove(&oldest);
            }
            inner.order.push_back(batch.clone());
            inner.batches.insert(batch);
        }
        Ok(true)
    }

    /// Closes and judges the windows that are over at `now`.
    ///
    /// # Errors
    /// The error of the store.
    fn close(&self, store: &dyn Store, now: u64) -> Result<Vec<ClosedWindow>, StoreError> {
        let mut inner = self.0.lock();
        Ok(inner.ledger(store, now)?.close(now))
    }

    /// Number of windows that arrived too late.
    pub fn late(&self) -> u64 {
        self.0.lock().ledger.as_ref().map_or(0, Ledger::late)
    }
}

impl Inner {
    fn ledger(&mut self, store: &dyn Store, now: u64) -> Result<&mut Ledger, StoreError> {
        let ledger = match self.ledger.take() {
            Some(ledger) => ledger,
            None => Ledger::restore(standing(store, now)?),
        };
        Ok(self.ledger.insert(ledger))
    }
}

/// The standing verdicts of the newest windows and, for demoted keys that are not in them, of the decisions.
fn standing(store: &dyn Store, now: u64) -> Result<Vec<Kept>, StoreError> {
    let mut kept = BTreeMap::new();
    for demoted in store.key_decisions()?.demoted {
        let verdict = match &*demoted.verdict {
            "volatile" => Verdict::Volatile,
            _ => Verdict::Shared,
        };
        let standing = Standing::demoted(verdict, demoted.since);
        let kind = api_sessions_key_facts::Kind::Builtin;
        let (application, name) = (demoted.application, demoted.key);
        let key = (application.clone(), kind, name.clone());
        kept.insert(key, Kept { application, kind, name, standing });
    }
    let from = now.saturating_sub(RESTORED);
    for window in closed_windows(store, None, from, u64::MAX, MAX_RESTORED_WINDOWS)? {
        for key in window.keys {
            let (application, kind, name) = (window.application.clone(), key.kind, key.name);
            let standing = key.standing;
            let key = (application.clone(), kind, name.clone());
            kept.insert(key, Kept { application, kind, name, standing });
        }
    }
    Ok(kept.into_values().collect())
}

/// Stored windows, oldest first. Skips those that cannot be parsed, such as those of a newer version.
fn closed_windows(
    store: &dyn Store,
    application: Option<&str>,
    from: u64,
    to: u64,
    most: usize,
) -> Result<Vec<ClosedWindow>, StoreError> {
    let windows = store.key_windows(application, from, to, most)?;
    Ok(windows.iter().filter_map(|it| serde_json::from_str(&it.document).ok()).collect())
}
