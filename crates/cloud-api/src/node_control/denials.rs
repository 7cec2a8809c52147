//! The denylist as nodes get it: a denied session is denied under each of its ids, since a node that has not issued
//! a value itself knows its session under that value's own id.

use std::collections::HashSet;
use std::sync::Arc;

use api_sessions_protocol::DenyEntry;
use api_sessions_store::{Store, StoreError};
use parking_lot::Mutex;

/// How long one answer serves all nodes that ask, milliseconds; a change of the list itself is seen at once.
const FRESH_MS: u64 = 1_000;

/// What is denied at one moment.
#[derive(Debug)]
pub struct Denied {
    /// Changes with whatever the nodes have to hear.
    pub version: String,
    /// The list, then the other ids of its sessions.
    pub entries: Vec<DenyEntry>,
}

/// Keeps the last answer, so that many nodes cost one look.
#[derive(Debug, Default)]
pub struct Denials(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    at_ms: u64,
    /// Version of the store that it was made of.
    of: String,
    denied: Arc<Denied>,
}

impl Denials {
    /// What is denied at `now` (ms since 1970).
    ///
    /// # Errors
    /// The error of the store.
    pub fn current(&self, store: &dyn Store, now: u64) -> Result<Arc<Denied>, StoreError> {
        let of = store.version()?;
        let mut known = self.0.lock();
        if let Some(known) = &*known
            && known.of == of
            && now.saturating_sub(known.at_ms) < FRESH_MS
        {
            return Ok(Arc::clone(&known.denied));
        }
        let denied = Arc::new(expand(store, &of, store.denylist(now)?)?);
        *known = Some(Known { at_ms: now, of, denied: Arc::clone(&denied) });
        Ok(denied)
    }
}

fn expand(store: &dyn Store, of: &str, list: Vec<DenyEntry>) -> Result<Denied, StoreError> {
    let mut known: HashSet<String> = list.iter().map(|entry| entry.session.clone()).collect();
    let mut more = Vec::new();
    let mut hasher = blake3::Hasher::new();
    for entry in &list {
        for session in store.other_ids(&entry.session)? {
            // Where it has an entry of its own, that one says what is meant for it.
            if known.insert(session.clone()) {
                hasher.update(session.as_bytes());
                more.push(DenyEntry { session, ..entry.clone() });
            }
        }
    }
    let version = if more.is_empty() {
        of.to_owned()
    } else {
        format!("{of}.{}", hasher.finalize().to_hex().get(..16).unwrap_or_default())
    };
    Ok(Denied { version, entries: list.into_iter().chain(more).collect() })
}
