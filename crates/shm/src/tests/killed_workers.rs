//! Workers killed at any instruction: the others continue, and counts stay correct.

use std::sync::atomic::{AtomicU64, Ordering};

use super::child_process::{Random, deaths, torture};
use super::invariants;
use super::session_table::id;
use super::zone::Zone;
use crate::limits::CLOCK_SKEW_MS;
use crate::{RequestEnd, RequestStart, SessionTable, Snapshot};
use api_sessions_protocol::SessionId;

const SLOTS: u16 = 4;
const SETS: usize = 4;
/// Sessions whose requests are recorded, three per set.
const LEDGER: usize = 3 * SETS;

/// What the workers did, in memory that outlives them: requests begun and requests counted per slot and session, and
/// whether a worker read an inconsistent session.
#[repr(C)]
struct Ledger {
    begun: [[AtomicU64; LEDGER]; SLOTS as usize],
    counted: [[AtomicU64; LEDGER]; SLOTS as usize],
    stop: AtomicU64,
    torn: AtomicU64,
}

/// Address, user and hash derive from one number, which reveals a mixture of two.
fn is_consistent(session: &Snapshot) -> bool {
    let same = |bytes: &[u8]| bytes.windows(2).all(|pair| pair[0] == pair[1]);
    let user = session.user();
    same(&session.ip)
        && same(user)
        && user.first().map_or(0, |byte| u64::from(*byte)) == session.user_hash
        && user.len() == usize::from(user.first().map_or(0, |byte| byte % 8 + 5))
        && session.first_seen_ms <= session.last_seen_ms
        && session.requests > 0
}

/// Sessions whose address and user never change, so that no death removes them.
fn is_steady(session: usize) -> bool {
    session.is_multiple_of(2)
}

fn work(table: &SessionTable, ledger: &Ledger, ids: &[SessionId], slot: u16, seed: u64) {
    let worker = table.join(slot, std::process::id());
    let mut random = Random(seed);
    let (begun, counted) = (&ledger.begun[usize::from(slot)], &ledger.counted[usize::from(slot)]);
    while ledger.stop.load(Ordering::Relaxed) == 0 {
        // The cached times of workers differ, by less than what counts as setting the clock.
        let now = 1_000_000 + random.below(CLOCK_SKEW_MS);
        let session = random.below(LEDGER as u64) as usize;
        let number = 1 + random.below(200) as u8;
        let number = if is_steady(session) { 1 + session as u8 } else { number };
        let arrival = RequestStart { ip: [number; 16], ..RequestStart::default() };
        let user = [number; 16];
        let outcome = RequestEnd {
            arrival,
            count: true,
            user: &user[..usize::from(number % 8 + 5)],
            user_hash: u64::from(number),
            status: 404,
            ..RequestEnd::default()
        };
        match random.below(8) {
            0..6 => {
                begun[session].fetch_add(1, Ordering::Relaxed);
                let seen = if random.below(2) == 0 {
                    worker.count(ids[session], now, &arrival)
                } else {
                    worker.record_outcome(ids[session], now, &outcome)
                };
                counted[session].fetch_add(u64::from(seen.is_some()), Ordering::Relaxed);
            }
            6 => {
                // Short sessions that fill the rest of the sets.
                let passing = id(1 << 40 | random.below(9 * SETS as u64));
                worker.count(passing, now, &arrival);
                worker.undo_count(passing);
            }
            _ => {}
        }
        let seen = table.get(ids[session], now);
        if seen.is_some_and(|session| !is_consistent(&session)) {
            ledger.torn.store(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn workers_may_die_at_any_instruction() {
    let deaths = deaths();
    let zone = Zone::of_sets(SETS);
    let table = zone.attach(u64::MAX).unwrap().0;
    let memory = Zone::new(size_of::<Ledger>());
    // SAFETY: zeroed, large enough, aligned to a page, and atomics only.
    let ledger = unsafe { memory.base().cast::<Ledger>().as_ref() };
    let in_set = |set: u32| (0..).map(id).filter(move |id| table.slot(id).set == set).take(3);
    let ids: Vec<SessionId> = (0..SETS as u32).flat_map(in_set).collect();

    torture(SLOTS, deaths, &ledger.stop, |slot, seed| work(&table, ledger, &ids, slot, seed));

    assert_eq!(ledger.torn.load(Ordering::Relaxed), 0, "a torn session was read");
    // The next process in each slot releases the set that the last one left locked.
    let workers: Vec<_> = (0..SLOTS).map(|slot| table.join(slot, std::process::id())).collect();
    let busy = table.stats().lock_busy;
    for number in 0..1000 {
        workers[0].count(id(1 << 41 | number), 9_000_000, &RequestStart::default()).unwrap();
        workers[0].undo_count(id(1 << 41 | number));
    }
    let stats = table.stats();
    assert_eq!(stats.lock_busy, busy);
    let all = invariants::sessions(&table);

    let mut short = 0;
    for (session, id) in ids.iter().enumerate() {
        let sum = |of: &[[AtomicU64; LEDGER]]| -> u64 {
            of.iter().map(|slot| slot[session].load(Ordering::Relaxed)).sum()
        };
        let found = all.iter().find(|(other, _)| other == id).map(|(_, session)| *session);
        let requests = found.map_or(0, |session| session.requests);
        assert!(requests <= sum(&ledger.begun), "{requests} counted of {}", sum(&ledger.begun));
        assert!(found.is_none_or(|session| is_consistent(&session)));
        let is_short = requests < sum(&ledger.counted);
        assert!(!(is_short && is_steady(session)), "{requests} of {}", sum(&ledger.counted));
        short += u64::from(is_short);
    }
    // A session lacks requests only if it was removed. Removals are counted, unless the worker that repaired the set
    // was killed before it counted.
    println!("{deaths} deaths, {short} of {LEDGER} ledger sessions short: {stats:?}");
    assert!(short <= stats.lost + (deaths as u64).div_ceil(100), "{short} {stats:?}");
    assert!(stats.lock_recoveries > 0, "no kill hit a critical section: {stats:?}");
    assert!(stats.lost <= stats.lock_recoveries);
    assert_eq!(stats.evicted_idle, 0);
    assert!(stats.in_use.abs_diff(all.len() as u64) <= deaths as u64);
}

#[test]
fn memory_without_sessions_is_not_touched() {
    let zone = Zone::new(512 << 20);
    let table = zone.attach(1).unwrap().0;
    assert!(zone.resident_pages() <= 1);
    let worker = table.join(1000, 1);
    worker.count(id(1), 1, &RequestStart::default()).unwrap();
    table.join(1000, 2);
    table.stats();
    // Header, slots and one set.
    let pages = crate::session_table::MIN_BYTES.div_ceil(4096);
    assert!(zone.resident_pages() <= pages + 2, "{}", zone.resident_pages());

    let zone = Zone::new(8 << 20);
    let list = zone.attach_denylist().unwrap().0;
    assert!(!list.lookup(&id(1), b"", 1));
    assert!(zone.resident_pages() <= 1);
}
