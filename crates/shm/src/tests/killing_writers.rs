//! Writers of the denylist killed at any instruction: no entry is torn, none leaks.

use std::sync::atomic::{AtomicU64, Ordering};

use api_sessions_protocol::DenyEntry;

use super::memory::Zone;
use super::process::{Random, deaths, torture};
use super::{check, sessions::id};
use crate::{DenyError, Denylist, EntryOrigin};

/// Sessions that are denied at any time, by entries that are replaced all the time.
const LASTING: u64 = 6;

#[repr(C)]
struct Shared {
    stop: AtomicU64,
    missed: AtomicU64,
    torn: AtomicU64,
}

/// Reason and author tell the mould of each other.
fn entry(number: u64, mould: u64) -> DenyEntry {
    let letter = char::from(b'a' + (mould % 26) as u8);
    let long = String::from(letter).repeat((mould % 90) as usize + 1);
    DenyEntry {
        session: id(number).to_string(),
        applications: vec!["all".into(), long.clone()],
        reason: Some(long.clone()),
        by: Some(long.chars().take(60).collect()),
        ..DenyEntry::default()
    }
}

/// Reason and author go together when there is no room for them.
fn is_whole(entry: &DenyEntry) -> bool {
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
        let mould = random.below(1000);
        // Busy is an answer: its holder may be a zombie.
        let _: Result<(), DenyError> = match random.below(30) {
            0..12 => writer.insert(&entry(random.below(LASTING), mould), 1),
            12..18 => writer.insert(&entry(100 + random.below(30), mould), 1),
            18..25 => writer.remove(&id(100 + random.below(30)), EntryOrigin::Local).map(drop),
            25..29 => {
                let document: Vec<_> =
                    (0..random.below(12)).map(|at| entry(200 + at, mould)).collect();
                writer.replace_from_cloud(&document).map(drop)
            }
            _ => {
                for number in 0..LASTING {
                    if !list.lookup(&id(number), b"all", 1) || list.lookup(&id(number), b"no", 1) {
                        shared.missed.store(1, Ordering::Relaxed);
                    }
                }
                list.list(1, &mut |entry, _| {
                    if !is_whole(&entry) {
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
    // One lot of cells: full at times, each cell reused at once.
    let zone = Zone::new(16 << 10);
    let list = zone.attach_denylist().unwrap().0;
    let memory = Zone::new(size_of::<Shared>());
    // SAFETY: zeroed, large enough, aligned to a page, and atomics only.
    let shared = unsafe { memory.base().cast::<Shared>().as_ref() };
    let writer = list.join(9, std::process::id());
    (0..LASTING).for_each(|number| writer.insert(&entry(number, 1), 1).unwrap());

    torture(3, deaths(), &shared.stop, |slot, seed| work(&list, shared, slot, seed));

    assert_eq!(shared.missed.load(Ordering::Relaxed), 0, "an entry was missed by a reader");
    assert_eq!(shared.torn.load(Ordering::Relaxed), 0, "an entry of two halves was seen");
    for slot in 0..3 {
        list.join(slot, std::process::id());
    }
    // Takes over from whoever died last, and finds room for all.
    writer.replace_from_cloud(&[]).unwrap();
    check::denylist(&list);
    for number in 0..200 {
        writer.remove(&id(number), EntryOrigin::Local).unwrap();
    }
    check::denylist(&list);
    let stats = list.stats();
    println!("{stats:?}");
    assert_eq!((stats.entries, stats.text_in_use), (0, 0));
    assert!(stats.recovered > 0, "no kill hit a writer");
}
