//! Invariants of a zone that no process is changing.

use std::collections::BTreeSet;

use api_sessions_protocol::SessionId;

use crate::{Denylist, SessionTable, Snapshot, hash};

/// All sessions of the table. Checks each set.
pub(super) fn sessions(table: &SessionTable) -> Vec<(SessionId, Snapshot)> {
    let mut all = Vec::new();
    for number in 0..table.sets() {
        let set = table.set(number).unwrap();
        assert_eq!(set.head.lock.owner(), 0, "set {number} is locked");
        assert!(set.head.order().is_permutation());
        assert_eq!(set.head.confirmed() & !set.head.used(), 0);
        let mut ids = BTreeSet::new();
        for (way, entry) in set.entries.iter().enumerate() {
            if set.head.used() >> way & 1 == 0 {
                continue;
            }
            let id = hash::id_from_words(entry.id());
            assert!(ids.insert(id), "twice in set {number}: {id}");
            let slot = table.slot(&id);
            assert_eq!(slot.set, number);
            assert_eq!(set.find(&slot), Some(way as u32), "not found by its tag");
            let session = entry.load().snapshot();
            assert!(session.first_seen_ms <= session.last_seen_ms);
            assert!(session.requests > 0);
            all.push((id, session));
        }
    }
    all
}

/// Compares the linked cells and texts with those marked as taken.
pub(super) fn denylist(list: &Denylist) {
    let (cells, units) = list.linked();
    let stats = list.stats();
    assert_eq!(stats.entries, cells, "entries");
    assert_eq!(list.taken_cells(), cells, "cells");
    assert_eq!(stats.text_in_use, units * 16, "texts");
}
