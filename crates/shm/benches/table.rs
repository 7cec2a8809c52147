//! The session table compared with a tree and an LRU list under one lock, as in NGINX's `limit_req`; and
//! lookups in the denylist.
//!
//! `cargo bench -p api-sessions-shm --bench table [-- 1000 100000 1000000]`. In the steady
//! state every operation finds a random session and counts a request. Rounds of both alternate; medians
//! are printed. Two workers are two threads with a process slot each.
//!
//! The last column is the current cost of one random read of as much memory, where each read depends on
//! the last: a lower bound for any table with cold data.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    reason = "a test ends where something fails"
)]
#![allow(missing_docs, unused_crate_dependencies)]

#[path = "table/memory.rs"]
mod memory;
#[path = "table/rival.rs"]
mod rival;

use std::hint::black_box;
use std::thread;

use api_sessions_protocol::{DenyEntry, SessionId};
use api_sessions_shm::{Denylist, Region, RequestEnd, RequestStart, SessionTable, TableHandle};
use rival::Rival;

/// Targets.
const BAR_NS: f64 = 150.0;
const BAR_GROWTH: f64 = 3.0;
const BAR_LOOKUP_NS: f64 = 50.0;
const BAR_PER_MB: f64 = 7500.0;

struct Effort {
    rounds: usize,
    operations: u64,
    sizes: Vec<u64>,
    denied: u64,
}

impl Effort {
    /// Of the command line: sizes, or the usual ones; next to nothing without `--bench`, as
    /// `cargo test --benches` has it.
    fn new() -> Self {
        let sizes: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
        if !std::env::args().any(|arg| arg == "--bench") {
            return Self { rounds: 1, operations: 1000, sizes: vec![1000], denied: 100 };
        }
        let sizes = if sizes.is_empty() { vec![1_000, 100_000, 1_000_000] } else { sizes };
        Self { rounds: 9, operations: 400_000, sizes, denied: 100_000 }
    }
}

/// A session's id: as even as the keyed hash that it is.
fn id(session: u64) -> SessionId {
    let mix = |mut x: u64| {
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let [one, two] = [mix(session + 1), mix(session ^ 0x9e37_79b9_7f4a_7c15)];
    SessionId((u128::from(one) << 64 | u128::from(two)).to_ne_bytes())
}

/// Nanoseconds of CPU of one of `operations` calls of `operation`, each with a random one of `sessions`.
fn time(sessions: u64, operations: u64, seed: u64, mut operation: impl FnMut(SessionId)) -> f64 {
    let mut random = seed | 1;
    let start = cpu_ns();
    for _ in 0..operations {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        operation(id(((u128::from(random) * u128::from(sessions)) >> 64) as u64));
    }
    (cpu_ns() - start) as f64 / operations as f64
}

/// CPU time of this thread: what others do on the machine is not in it.
fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that is ours to write.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The mean over `workers` threads that run at once.
fn together(workers: u64, run: impl Fn(u64) -> f64 + Sync) -> f64 {
    thread::scope(|scope| {
        let run = &run;
        let all: Vec<_> = (0..workers).map(|worker| scope.spawn(move || run(worker))).collect();
        all.into_iter().map(|thread| thread.join().expect("a worker")).sum::<f64>()
    }) / workers as f64
}

fn join(table: SessionTable, slot: u64) -> TableHandle {
    table.join(slot as u16, std::process::id())
}

fn region(bytes: usize) -> Region {
    // SAFETY: shared, zeroed, never unmapped, and used by one structure only.
    unsafe { Region::new(memory::shared(bytes), bytes) }
}

fn sessions(effort: &Effort) {
    println!(
        "sessions   workers   table ns   tree+LRU ns   ratio   count+outcome ns   one read ns"
    );
    let mut alone = Vec::new();
    let mut last = 0.0;
    for &sessions in &effort.sizes {
        // 60 % of the room, as is advised; few sets fill up.
        let bytes = (1 << 20) + (sessions as usize * 2048 / 15) * 10 / 6;
        let table = SessionTable::attach(region(bytes), u64::MAX).expect("zone").0;
        let rival = Rival::new(sessions as usize);
        let worker = join(table, 0);
        for session in 0..sessions {
            worker.count(id(session), 1, &RequestStart::default());
            rival.count(&id(session));
        }
        let memory = memory::read_ns(bytes, effort.operations);
        let stats = table.stats();
        assert!(stats.evicted_provisional * 100 < sessions.max(10_000), "{stats:?}");
        for workers in [1, 2] {
            let (mut ours, mut theirs, mut both) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..effort.rounds as u64 {
                let seed = |slot: u64| (round * 2 + slot + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                ours.push(together(workers, |slot| {
                    let worker = join(table, slot);
                    let count = |id| {
                        black_box(worker.count(id, 2, &RequestStart::default()));
                    };
                    time(sessions, effort.operations, seed(slot), count)
                }));
                theirs.push(together(workers, |slot| {
                    time(sessions, effort.operations, seed(slot), |id| {
                        black_box(rival.count(&id));
                    })
                }));
                both.push(together(workers, |slot| {
                    let worker = join(table, slot);
                    let outcome = RequestEnd {
                        status: 200,
                        bytes_in: 400,
                        bytes_out: 4000,
                        ..RequestEnd::default()
                    };
                    time(sessions, effort.operations, seed(slot), |id| {
                        black_box(worker.count(id, 2, &RequestStart::default()));
                        black_box(worker.record_outcome(id, 2, &outcome));
                    })
                }));
            }
            let (ours, theirs, both) = (median(ours), median(theirs), median(both));
            println!(
                "{sessions:>8}   {workers:>7}   {ours:>8.0}   {theirs:>11.0}   {:>5.2}   {both:>15.0}   {memory:>11.0}",
                ours / theirs
            );
            if workers == 1 {
                alone.push(ours);
            }
            last = ours;
        }
    }
    let growth = alone.last().copied().unwrap_or(1.0) / alone.first().copied().unwrap_or(1.0);
    bar("operation, most sessions, two workers, ns", last, BAR_NS);
    bar("cost growth from fewest to most sessions", growth, BAR_GROWTH);
}

fn capacity() {
    let bytes = 16 << 20;
    let table = SessionTable::attach(region(bytes), u64::MAX).expect("zone").0;
    let per_mb = table.stats().capacity as f64 / 16.0;
    let verdict = if per_mb >= BAR_PER_MB { "held" } else { "MISSED" };
    println!("sessions a MB in 16 MB: {per_mb:.0} (bar: at least {BAR_PER_MB:.0}, {verdict})");
}

fn denylist(effort: &Effort) {
    let bytes = 8 << 20;
    let list = Denylist::attach(region(bytes)).expect("region").0;
    let lookups = |sessions: u64, offset: u64| {
        let time = |round| {
            time(sessions, effort.operations, round, |mut session| {
                session.0[0] ^= offset as u8;
                black_box(list.lookup(&session, b"shop", 1));
            })
        };
        median((1..=effort.rounds as u64).map(time).collect())
    };
    bar("denylist lookup, empty list, ns", lookups(effort.denied, 0), BAR_LOOKUP_NS);
    let writer = list.join(0, std::process::id());
    let entry =
        |session: u64| DenyEntry { session: id(session).to_string(), ..DenyEntry::default() };
    for session in 0..effort.denied {
        writer.insert(&entry(session), 1).expect("room");
    }
    println!("denylist of {} in 8 MB, room for {}", list.stats().entries, list.stats().capacity);
    bar("denylist lookup, not listed, ns", lookups(effort.denied, 1), BAR_LOOKUP_NS);
    bar(
        "denylist lookup, 1000 of them listed, ns",
        lookups(1000.min(effort.denied), 0),
        BAR_LOOKUP_NS,
    );
    println!("denylist lookup, all of them listed, ns: {:.0}", lookups(effort.denied, 0));
}

fn bar(what: &str, value: f64, bar: f64) {
    let verdict = if value < bar { "held" } else { "MISSED" };
    println!("{what}: {value:.1} (bar: {bar}, {verdict})");
}

fn main() {
    let effort = Effort::new();
    sessions(&effort);
    capacity();
    denylist(&effort);
}
