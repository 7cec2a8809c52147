//! Finds values that change, the responses that changed them, and whether the session continued.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use api_sessions_extract::builtin::{self, Issued};

use super::exchange::HarExchange;
use crate::limits::MAX_KEPT_CHANGES;

/// A cookie, header or token whose value has changed.
#[derive(Debug)]
pub(super) struct Change {
    /// Its name.
    pub(super) name: String,
    /// Method and path of the request whose response issued the new value; `None` if it is not in the file.
    pub(super) issued_by: Option<String>,
    /// Time of the first request with the new value, ms since 1970.
    pub(super) at_ms: u64,
    /// Index of the session of the old value.
    pub(super) before: usize,
    /// Index of the session of the new value.
    pub(super) after: usize,
}

/// Tracks the values that requests carry.
#[derive(Debug, Default)]
pub(super) struct Rotations {
    /// Hash of the value and its session, by name.
    brought: HashMap<String, (u64, usize)>,
    /// Request that issued a value, by hash of name and value.
    issued_by: HashMap<u64, String>,
    /// The first [`MAX_KEPT_CHANGES`].
    pub(super) changes: Vec<Change>,
    /// Number of all changes.
    pub(super) count: usize,
}

impl Rotations {
    /// Observes a completed request of the session with this index.
    pub(super) fn observe(&mut self, exchange: &HarExchange, session: usize) {
        builtin::each_brought(exchange, true, &mut |_, followed| {
            // Names of tokens begin with a byte that cookie names cannot contain.
            let name = followed.name.strip_prefix(b"\x01").unwrap_or(followed.name);
            let name = String::from_utf8_lossy(name).into_owned();
            let hash = hash(followed.name, followed.value);
            let Some((known, before)) = self.brought.insert(name.clone(), (hash, session)) else {
                return;
            };
            if known == hash {
                return;
            }
            self.count += 1;
            if self.changes.len() < MAX_KEPT_CHANGES {
                let issued_by = self.issued_by.get(&hash).cloned();
                let at_ms = exchange.started_ms;
                self.changes.push(Change { name, issued_by, at_ms, before, after: session });
            }
        });
        let now_s = u32::try_from(exchange.ended_ms / 1000).unwrap_or(u32::MAX);
        builtin::each_issued(exchange, now_s, true, &mut |issued| {
            if let Issued::Value(followed) = issued {
                let by = || format!("{} {}", exchange.method, exchange.path);
                self.issued_by.entry(hash(followed.name, followed.value)).or_insert_with(by);
            }
        });
    }
}

fn hash(name: &[u8], value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (name, value).hash(&mut hasher);
    hasher.finish()
}
