//! The denylist as sent to nodes. A session is denied under each of its ids: a node that does not know an alias uses
//! the alias as the session's id.

use std::collections::HashSet;
use std::sync::Arc;

use api_sessions_protocol::DenyEntry;
use api_sessions_store::{Store, StoreError};
use parking_lot::Mutex;

/// Maximum age of a cached denylist, milliseconds. A new version of the store invalidates it at once.
const FRESH_MS: u64 = 1_000;

/// The denylist at one time.
#[derive(Debug)]
pub struct Denied {
    /// Version of the sync document: changes with everything that nodes receive.
    pub version: String,
    /// The entries of the list, then those for the other ids of its sessions.
    pub entries: Vec<DenyEntry>,
}

/// Caches the denylist, so that many polls cost one query.
#[derive(Debug, Default)]
pub struct Denials(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    at_ms: u64,
    /// Version of the store that it was read from.
    of: String,
    denied: Arc<Denied>,
}

impl Denials {
    /// The denylist at `now` (ms since 1970).
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
            // An entry of its own takes precedence.
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
