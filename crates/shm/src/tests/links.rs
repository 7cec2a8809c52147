//! The table of links.

use std::collections::HashMap;

use api_sessions_protocol::SessionId;
use proptest::prelude::*;

use crate::testing::{links, proptest_config};
use crate::{Link, LinkFlags, LinkKey};

const NOW: u32 = 1_700_000_000;

fn session(n: u8) -> SessionId {
    SessionId([n; 16])
}

fn key(links: &crate::Links, n: u32) -> LinkKey {
    links.key(b"cookie", &n.to_le_bytes())
}

#[test]
fn a_flood_of_values_that_nobody_brings_back_evicted_links_in_use() {
    let table = links(1 << 20);
    let handle = table.join(0, std::process::id());
    let used = if cfg!(miri) { 20 } else { 2000 };
    for n in 0..used {
        let key = key(&table, n);
        handle.update(key, NOW, |_| Some(Link::new(session(1), NOW)));
        assert!(handle.returned(key, NOW).is_some());
        assert!(handle.returned(key, NOW).is_none());
    }
    let flood = if cfg!(miri) { 200 } else { 300_000 };
    for n in used..used + flood {
        handle.update(key(&table, n), NOW + 1, |_| Some(Link::new(session(2), NOW + 1)));
    }
    for n in 0..used {
        let link = table.get(key(&table, n), NOW + 2).expect("still there");
        assert_eq!(link.session, session(1));
    }
    let stats = table.stats();
    assert_eq!(stats.evicted_live, 0);
    assert!(stats.in_use <= stats.capacity);
}

#[test]
fn what_expires_is_absent_and_makes_room_first() {
    let table = links(1 << 20);
    let handle = table.join(0, std::process::id());
    let key = key(&table, 1);
    handle.update(key, NOW, |_| Some(Link::new(session(1), NOW)));
    assert!(table.get(key, NOW + 86_400).is_some());
    assert!(table.get(key, NOW + 86_401).is_none());
    handle.update(key, NOW + 90_000, |link| {
        assert_eq!(link, None);
        Some(Link::new(session(2), NOW + 90_000))
    });
    assert_eq!(table.get(key, NOW + 90_000).map(|link| link.session), Some(session(2)));
}

#[test]
fn a_link_survives_the_next_process() {
    let table = links(1 << 20);
    let first = table.join(3, std::process::id());
    let key = key(&table, 1);
    let written = Link {
        flags: LinkFlags::RETURNED.with(LinkFlags::DEMOTED),
        pending: 2,
        returned: 255,
        ..Link::new(session(9), NOW)
    };
    first.update(key, NOW, |_| Some(written));
    let second = table.join(3, std::process::id());
    assert_eq!(second.links().get(key, NOW), Some(written));
    assert_eq!(table.stats().demoted, 1);
}

#[cfg(not(miri))]
#[test]
fn workers_killed_in_the_middle_of_linking_leave_whole_links() {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::child_process::{Random, deaths, torture};
    use super::zone::Zone;

    let zone = Zone::new(1 << 18);
    let table = zone.attach_links(86_400).unwrap().0;
    let memory = Zone::new(64);
    // SAFETY: zeroed, large enough, aligned to a page, and an atomic.
    let stop = unsafe { memory.base().cast::<AtomicU64>().as_ref() };
    // The session of a link derives from its key, which reveals a torn link.
    let of = |n: u32| SessionId(u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    let work = |slot: u16, seed: u64| {
        let handle = table.join(slot, std::process::id());
        let mut random = Random(seed);
        while stop.load(Ordering::Acquire) == 0 {
            let n = random.below(50_000) as u32;
            let key = key(&table, n);
            handle.update(key, NOW, |_| Some(Link::new(of(n), NOW)));
            if let Some(link) = table.get(key, NOW) {
                assert_eq!(link.session, of(n));
            }
        }
    };
    torture(4, deaths().min(400), stop, work);
    let found = (0..50_000).filter_map(|n| Some((n, table.get(key(&table, n), NOW)?)));
    let mut count = 0;
    for (n, link) in found {
        assert_eq!(link.session, of(n));
        count += 1;
    }
    assert!(count > 1000, "{count}");
}

proptest! {
    #![proptest_config(proptest_config())]

    /// It behaves like a map as long as there is room.
    #[test]
    fn links_are_a_map(steps in proptest::collection::vec((0..40u32, any::<u8>(), any::<bool>()), 1..200)) {
        let table = links(1 << 20);
        let handle = table.join(0, std::process::id());
        let mut model = HashMap::new();
        for (n, to, demote) in steps {
            let flags = if demote { LinkFlags::DEMOTED } else { LinkFlags::default() };
            let link = Link { flags, ..Link::new(session(to), NOW) };
            let before = model.insert(n, link);
            handle.update(key(&table, n), NOW, |known| {
                assert_eq!(known, before);
                Some(link)
            });
        }
        for n in 0..40 {
            prop_assert_eq!(table.get(key(&table, n), NOW), model.get(&n).copied());
        }
    }
}
