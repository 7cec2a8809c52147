//! The robust lock, its recovery and its readers, in every interleaving that C11 allows.
//!
//! `robust_lock.rs` is compiled once more, with loom's atomics. A death is a thread that stops between two
//! steps. The thread that joined it sets a flag that proves the death, as `waitpid` and the reuse of its
//! slot do in NGINX.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    reason = "a test ends where something fails"
)]
#![allow(dead_code, unreachable_pub)]

#[path = "../src/robust_lock.rs"]
mod robust_lock;

/// What `robust_lock.rs` imports from its parent.
mod atomics {
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{AtomicU32, Ordering, fence};
}

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;
use robust_lock::{Acquired, RobustLock, WaitPolicy};

const DOOMED: u32 = 1;

/// A session of two words that are valid only together, and of a counter.
struct Zone {
    lock: RobustLock,
    halves: [AtomicU32; 2],
    count: AtomicU32,
    is_over: AtomicBool,
}

struct Waits<'a> {
    zone: &'a Zone,
    left: u32,
}

impl WaitPolicy for Waits<'_> {
    fn wait(&mut self) -> bool {
        thread::yield_now();
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }

    fn is_dead(&mut self, owner: u32) -> bool {
        owner == DOOMED && self.zone.is_over.load(Ordering::Acquire)
    }
}

impl Zone {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            lock: RobustLock::new(),
            halves: [AtomicU32::new(0), AtomicU32::new(0)],
            count: AtomicU32::new(0),
            is_over: AtomicBool::new(false),
        })
    }

    fn acquire(&self, owner: u32, waits: u32) -> Option<Acquired> {
        let got = self.lock.acquire(owner, &mut Waits { zone: self, left: waits })?;
        if let Acquired::OwnerDied { multi_word } = got {
            if multi_word != 0 {
                self.halves.iter().for_each(|half| half.store(0, Ordering::Relaxed));
            }
            self.lock.make_consistent();
        }
        Some(got)
    }

    /// One update, as in `Set::hit`; the writer dies before step number `last`.
    fn update(&self, owner: u32, value: u32, last: u32) {
        if last == 0 || self.acquire(owner, u32::MAX).is_none() {
            return;
        }
        let one = || self.lock.begin_change();
        let two = || self.lock.begin_multi_word(1);
        let three = || self.halves[0].store(value, Ordering::Relaxed);
        let four = || self.halves[1].store(value, Ordering::Relaxed);
        let five = || self.lock.end_multi_word();
        let six = || {
            let count = self.count.load(Ordering::Relaxed);
            self.count.store(count + 1, Ordering::Relaxed);
        };
        let seven = || self.lock.end_change();
        let eight = || self.lock.release();
        let steps: [&dyn Fn(); 8] = [&one, &two, &three, &four, &five, &six, &seven, &eight];
        steps.iter().take(last as usize - 1).for_each(|step| step());
    }

    /// One update without a note, as in `Set::insert`.
    fn change(&self, owner: u32, value: u32) {
        if self.acquire(owner, u32::MAX).is_some() {
            self.lock.begin_change();
            self.halves.iter().for_each(|half| half.store(value, Ordering::Relaxed));
            self.lock.end_change();
            self.lock.release();
        }
    }

    /// Reads without the lock. `None`: a change is in progress.
    fn read(&self) -> Option<(u32, u32)> {
        let load = |half: &AtomicU32| half.load(Ordering::Relaxed);
        self.lock.read(1, || (load(&self.halves[0]), load(&self.halves[1])))
    }
}

/// All steps: the writer survives.
const ALL: u32 = 9;

#[test]
fn updates_exclude_each_other() {
    loom::model(|| {
        let zone = Zone::new();
        let other = zone.clone();
        let thread = thread::spawn(move || other.update(2, 2, ALL));
        zone.update(3, 3, ALL);
        thread.join().unwrap();
        assert_eq!(zone.count.load(Ordering::Relaxed), 2);
        let (one, two) = zone.read().unwrap();
        assert_eq!(one, two);
    });
}

#[test]
fn readers_see_a_complete_change_or_nothing() {
    loom::model(|| {
        let zone = Zone::new();
        let writer = zone.clone();
        let thread = thread::spawn(move || {
            writer.change(2, 7);
            writer.change(2, 8);
        });
        if let Some((one, two)) = zone.read() {
            assert_eq!(one, two);
        }
        thread.join().unwrap();
        assert_eq!(zone.read(), Some((8, 8)));
    });
}

#[test]
fn a_death_at_any_step_is_repaired_once() {
    for last in 1..=ALL {
        loom::model(move || {
            let zone = Zone::new();
            zone.update(2, 5, ALL);
            let doomed = zone.clone();
            thread::spawn(move || doomed.update(DOOMED, 9, last)).join().unwrap();
            // From here on each thread may learn of the death.
            let heir = zone.clone();
            let heir = thread::spawn(move || {
                heir.is_over.store(true, Ordering::Release);
                let got = heir.acquire(3, u32::MAX).unwrap();
                heir.lock.release();
                got
            });
            let seen = zone.read();
            let got = zone.acquire(4, 3);
            if got.is_some() {
                zone.lock.release();
            }
            let heirs = [Some(heir.join().unwrap()), got];
            let repairs = |got: &Option<Acquired>| matches!(got, Some(Acquired::OwnerDied { .. }));
            // It held the lock unless it died before its first step or after its last.
            let expected = usize::from((1..ALL).contains(&last));
            assert_eq!(heirs.iter().filter(|got| repairs(got)).count(), expected);
            for (one, two) in seen.into_iter().chain(zone.read()) {
                assert_eq!(one, two);
                assert!([0, 5, 9].contains(&one));
            }
            assert!(zone.read().is_some(), "the sequence counter is even again");
            assert_eq!(zone.lock.owner(), 0);
        });
    }
}

#[test]
fn readers_during_a_repair_see_a_complete_change_or_nothing() {
    for last in 1..=ALL {
        loom::model(move || {
            let zone = Zone::new();
            zone.update(2, 5, ALL);
            let doomed = zone.clone();
            thread::spawn(move || doomed.update(DOOMED, 9, last)).join().unwrap();
            zone.is_over.store(true, Ordering::Release);
            let heir = zone.clone();
            let heir = thread::spawn(move || heir.update(3, 6, ALL));
            if let Some((one, two)) = zone.read() {
                assert_eq!(one, two);
            }
            heir.join().unwrap();
            assert_eq!(zone.read(), Some((6, 6)));
        });
    }
}

/// A process that registers and then acquires the lock must not count as dead for one that sees the lock
/// word but, with weakly ordered memory, not yet the registration.
#[test]
fn a_living_owner_does_not_count_as_dead() {
    struct Lives<'a>(&'a AtomicU32, u32);
    impl WaitPolicy for Lives<'_> {
        fn wait(&mut self) -> bool {
            thread::yield_now();
            self.1 -= 1;
            self.1 > 0
        }

        fn is_dead(&mut self, owner: u32) -> bool {
            owner == DOOMED && self.0.load(Ordering::Acquire) == 0
        }
    }
    loom::model(|| {
        let life = Arc::new(AtomicU32::new(0));
        let zone = Zone::new();
        let (other_life, other) = (life.clone(), zone.clone());
        let thread = thread::spawn(move || {
            other_life.store(1, Ordering::Release);
            if other.lock.acquire(DOOMED, &mut Lives(&other_life, 3)).is_some() {
                other.lock.release();
            }
        });
        let got = zone.lock.acquire(2, &mut Lives(&life, 3));
        assert!(!matches!(got, Some(Acquired::OwnerDied { .. })));
        if got.is_some() {
            zone.lock.release();
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_wait_for_an_owner_not_known_to_be_dead_ends() {
    loom::model(|| {
        let zone = Zone::new();
        let doomed = zone.clone();
        thread::spawn(move || doomed.update(DOOMED, 9, 3)).join().unwrap();
        assert_eq!(zone.acquire(2, 3), None);
        assert_eq!(zone.read(), None);
    });
}
