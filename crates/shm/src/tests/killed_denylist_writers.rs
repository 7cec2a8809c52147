//! Denylist writers killed at any instruction: no entry is torn and no memory leaks.

use std::sync::atomic::{AtomicU64, Ordering};

use api_sessions_protocol::DenyEntry;

use super::child_process::{Random, deaths, torture};
use super::invariants;
use super::session_table::id;
use super::zone::Zone;
use crate::{DenyError, Denylist, EntryOrigin};

/// Sessions that are always denied, by entries that are constantly replaced.
const LASTING: u64 = 6;

#[repr(C)]
struct Shared {
    stop: AtomicU64,
    missed: AtomicU64,
    torn: AtomicU64,
}

/// Applications, reason and author all derive from one variant.
fn entry(number: u64, variant: u64) -> DenyEntry {
    let letter = char::from(b'a' + (variant % 26) as u8);
    let long = String::from(letter).repeat((variant % 90) as usize + 1);
    DenyEntry {
        session: id(number).to_string(),
        applications: vec!["all".into(), long.clone()],
        reason: Some(long.clone()),
        by: Some(long.chars().take(60).collect()),
        ..DenyEntry::default()
    }
}

/// An entry whose text did not fit has neither reason nor author.
fn is_consistent(entry: &DenyEntry) -> bool {
    let [all, long] = entry.applications.as_slice() else { return false };
    let by: String = long.chars().take(60).collect();
    let texts = (entry.reason.as_ref(), entry.by.as_ref());
    let same = long.bytes().all(|byte| long.as_bytes().first() == Some(&byte));
    all == "all" && same && (texts == (None, None) || texts == (Some(long), Some(&by)))
}

fn work(list: &Denylist, shared: &Shared, slot: u16, seed: u64) {
    let writer = list.join(slot, std::process::id());
    let mut random = Random(seed);
    while shared.stop.load(Ordering::Relaxed) == 0 {
        let variant = random.below(1000);
        // Busy is expected: the lock's owner may be a zombie.
        let _: Result<(), DenyError> = match random.below(30) {
            0..12 => writer.insert(&entry(random.below(LASTING), variant), 1),
            12..18 => writer.insert(&entry(100 + random.below(30), variant), 1),
            18..25 => writer.remove(&id(100 + random.below(30)), EntryOrigin::Local).map(drop),
            25..29 => {
                let document: Vec<_> =
                    (0..random.below(12)).map(|at| entry(200 + at, variant)).collect();
                writer.replace_from_cloud(&document).map(drop)
            }
            _ => {
                for number in 0..LASTING {
                    if !list.lookup(&id(number), b"all", 1) || list.lookup(&id(number), b"no", 1) {
                        shared.missed.store(1, Ordering::Relaxed);
                    }
                }
                list.list(1, &mut |entry, _| {
                    if !is_consistent(&entry) {
                        shared.torn.store(1, Ordering::Relaxed);
                    }
                });
                Ok(())
            }
        };
    }
}

#[test]
fn writers_may_die_at_any_instruction() {
    // A single lot of cells: it is sometimes full, and free cells are reused at once.
    let zone = Zone::new(16 << 10);
    let list = zone.attach_denylist().unwrap().0;
    let memory = Zone::new(size_of::<Shared>());
    // SAFETY: zeroed, large enough, aligned to a page, and atomics only.
    let shared = unsafe { memory.base().cast::<Shared>().as_ref() };
    let writer = list.join(9, std::process::id());
    (0..LASTING).for_each(|number| writer.insert(&entry(number, 1), 1).unwrap());

    torture(3, deaths(), &shared.stop, |slot, seed| work(&list, shared, slot, seed));

    assert_eq!(shared.missed.load(Ordering::Relaxed), 0, "a reader missed an entry");
    assert_eq!(shared.torn.load(Ordering::Relaxed), 0, "a reader saw a torn entry");
    for slot in 0..3 {
        list.join(slot, std::process::id());
    }
    // Takes over the lock if a dead writer left it locked.
    writer.replace_from_cloud(&[]).unwrap();
    invariants::denylist(&list);
    for number in 0..200 {
        writer.remove(&id(number), EntryOrigin::Local).unwrap();
    }
    invariants::denylist(&list);
    let stats = list.stats();
    println!("{stats:?}");
    assert_eq!((stats.entries, stats.text_in_use), (0, 0));
    assert!(stats.recovered > 0, "no kill hit a writer");
}
