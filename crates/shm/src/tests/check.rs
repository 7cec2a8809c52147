//! What must hold in a zone at rest, whatever happened to it.

use std::collections::BTreeSet;

use crate::denylist::Denylist;
use crate::{SessionTable, Snapshot};
use api_sessions_protocol::SessionId;

/// All sessions, after their sets were found in order.
pub(super) fn sessions(table: &SessionTable) -> Vec<(SessionId, Snapshot)> {
    let mut all = Vec::new();
    for number in 0..table.region.sets() {
        let set = table.set(number).unwrap();
        assert_eq!(set.head.lock.holder(), 0, "set {number} is locked");
        assert!(set.head.order().is_permutation());
        assert_eq!(set.head.confirmed() & !set.head.used(), 0);
        let mut ids = BTreeSet::new();
        for (way, entry) in set.entries.iter().enumerate() {
            if set.head.used() >> way & 1 == 0 {
                continue;
            }
            let [low, high] = entry.id();
            let id = SessionId((u128::from(low) | u128::from(high) << 64).to_le_bytes());
            assert!(ids.insert(id), "twice in set {number}: {id}");
            let place = table.place(&id);
            assert_eq!(place.set, number);
            assert_eq!(set.find(&place), Some(way as u32), "the tag does not lead to it");
            let session = entry.load().snapshot();
            assert!(session.first_seen_ms <= session.last_seen_ms);
            assert!(session.requests > 0);
            all.push((id, session));
        }
    }
    all
}

/// Compares what is linked with what is taken.
pub(super) fn denylist(list: &Denylist) {
    let (cells, units) = list.linked();
    let stats = list.stats();
    assert_eq!(stats.entries, cells, "entries");
    assert_eq!(list.taken_cells(), cells, "cells");
    assert_eq!(stats.text_in_use, units * 16, "texts");
}
