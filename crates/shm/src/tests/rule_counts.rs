//! The table of rule counts.

use crate::testing::rule_counts;

const NOW: u64 = 1_700_000_000_000;

#[test]
fn a_count_is_kept_under_its_key() {
    let counts = rule_counts(1 << 20);
    let handle = counts.join(0, std::process::id());
    for n in 0..100u64 {
        let key = counts.hash(1, &n.to_le_bytes());
        assert_eq!(counts.read(key), None);
        assert_eq!(handle.update(key, NOW, |words| words[6] += n), Some(()));
        handle.update(key, NOW, |words| words[0] += 1);
        assert_eq!(counts.read(key), Some([2 - 1, 0, 0, 0, 0, 0, n]));
    }
    assert_eq!(counts.stats().in_use, 100);
    assert_ne!(counts.hash(1, b"x"), counts.hash(2, b"x"));
    // To callers, 0 is a key like any other.
    handle.update(0, NOW, |words| words[1] = 7);
    assert_eq!(counts.read(0).map(|words| words[1]), Some(7));
}

#[test]
fn a_million_subjects_stay_in_the_zone_and_evictions_are_counted() {
    let counts = rule_counts(1 << 20);
    let handle = counts.join(0, std::process::id());
    let subjects = if cfg!(miri) { 300 } else { 1_000_000u64 };
    let hot = counts.hash(1, b"hot");
    for n in 0..subjects {
        let now = NOW + n * 5;
        handle.update(counts.hash(2, &n.to_le_bytes()), now, |words| words[0] = n);
        // The least recently used entry goes first, which this one never is.
        if n % 500 == 0 {
            handle.update(hot, now, |words| words[0] += 1);
        }
    }
    let stats = counts.stats();
    assert!(stats.in_use <= stats.capacity);
    assert_eq!(stats.created - stats.evicted, stats.in_use);
    assert_eq!(counts.read(hot).map(|words| words[0]), Some(subjects.div_ceil(500)));
}

/// Workers that are killed while they count.
#[cfg(not(miri))] // no fork(2)
mod killed {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::child_process::{Random, deaths, torture};
    use super::super::zone::Zone;
    use super::NOW;
    use crate::MIN_RULE_COUNTS_BYTES;

    const KEYS: u64 = 64;

    #[test]
    fn a_worker_killed_while_it_counts_blocks_nobody_and_breaks_no_entry() {
        let zone = Zone::new(MIN_RULE_COUNTS_BYTES + (64 << 10));
        let page = Zone::new(4096);
        // SAFETY: the page is mapped, zeroed, aligned, and used for this counter alone.
        let stop: &AtomicU64 = unsafe { page.base().cast().as_ref() };
        let counts = zone.attach_rule_counts().unwrap().0;
        let key = |n: u64| counts.hash(1, &n.to_le_bytes());
        torture(4, deaths() / 2, stop, |slot, seed| {
            let handle = counts.join(slot, std::process::id());
            let mut random = Random(seed);
            while stop.load(Ordering::Acquire) == 0 {
                // All words of an entry stay equal, wherever a worker is killed.
                let same = handle.update(key(random.below(KEYS)), NOW, |words| {
                    let same = words.iter().all(|word| *word == words[0]);
                    words.iter_mut().for_each(|word| *word += 1);
                    same
                });
                assert_ne!(same, Some(false));
            }
        });
        let handle = counts.join(0, std::process::id());
        for n in 0..KEYS {
            let words =
                handle.update(key(n), NOW, |words| *words).expect("no lock is held for good");
            assert!(words.iter().all(|word| *word == words[0]), "{words:?}");
        }
    }
}
