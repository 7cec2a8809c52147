//! A count or a sum in a sliding window, stored in one entry.
//!
//! The window consists of slices: 24 counters of 16 bits, of which those count that may hold something of the
//! last TIME. So nothing of the last TIME is missed, and nothing older than TIME plus one slice (TIME/23)
//! counts. A sum is kept in units of 1/32768 of its threshold; the remainder is carried over.
//!
//! If a threshold is at most 12, the times of the last 12 requests decide whether it is exceeded, with a
//! resolution of TIME/60000 (at least a millisecond). They use 12 of the counters; the other 12 are slices of
//! TIME/11, which show by how much the threshold is exceeded.
//!
//! | word | content |
//! | --- | --- |
//! | 0 | number of the newest slice (32 bits); remainder of a sum, or the newest time (32) |
//! | 1 to 6 | 24 counters of 16 bits |

use crate::{Over, Words};

const SLOTS: usize = 24;
/// Number of times that are kept, and of the slices next to them.
const TIMES: usize = 12;
/// Largest threshold that is decided by times.
const MAX_EXACT: u64 = TIMES as u64;
/// Resolution of times: steps per window.
const TIME_STEPS: u64 = 60_000;
/// Units of a sum's threshold.
const UNITS: u64 = 1 << 15;

/// Layout of a rule's sliding window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    over: Over,
    /// Whether times decide.
    exact: bool,
    /// Length of a slice, milliseconds.
    slice_ms: u64,
    /// Amount per unit of a counter.
    unit: u64,
    /// Resolution of times, milliseconds.
    step_ms: u64,
}

/// Result of counting a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The count, including this request.
    pub(crate) count: u64,
    /// Whether the count exceeds the threshold.
    pub(crate) fires: bool,
}

impl Window {
    /// `of_requests`: each request adds at most one.
    pub(crate) fn new(over: Over, of_requests: bool) -> Self {
        let exact = of_requests && over.threshold <= MAX_EXACT;
        let slices = if exact { SLOTS - TIMES } else { SLOTS } as u64;
        Self {
            over,
            exact,
            slice_ms: over.window_ms.div_ceil(slices - 1).max(1),
            unit: over.threshold / UNITS + 1,
            step_ms: over.window_ms.div_ceil(TIME_STEPS).max(1),
        }
    }

    /// Adds to the count. An amount of 0 adds nothing and does not fire.
    pub(crate) fn add(self, words: &mut Words, now_ms: u64, amount: u64) -> Counted {
        let mut slots = Slots::load(words);
        let now = self.advance(&mut slots, now_ms);
        let slices = self.slices();
        let first = SLOTS - slices;
        let rest = if self.exact { 0 } else { u64::from(slots.low) };
        let total = rest.saturating_add(amount);
        let (whole, rest) = (total / self.unit, total % self.unit);
        let newest = first + slots.slice as usize % slices;
        if let Some(slot) = slots.counters.get_mut(newest) {
            *slot = slot.saturating_add(u16::try_from(whole).unwrap_or(u16::MAX));
        }
        let mut alive = 0;
        if self.exact {
            alive = self.add_time(&mut slots, now, amount);
        } else {
            slots.low = rest as u32;
        }
        slots.store(words);
        let sum = self.sum(&slots, now);
        if self.exact {
            let fires = amount > 0 && alive > self.over.threshold;
            // Slices may hold slightly more than the window, and there are at most 12 times.
            let count = if alive > MAX_EXACT || fires { sum.max(alive) } else { alive };
            return Counted { count, fires };
        }
        Counted { count: sum, fires: amount > 0 && sum > self.over.threshold }
    }

    /// The count at `now_ms`, without adding a request.
    pub(crate) fn count(self, words: &Words, now_ms: u64) -> Counted {
        let mut slots = Slots::load(words);
        let now = self.advance(&mut slots, now_ms);
        let sum = self.sum(&slots, now);
        if self.exact {
            let alive = self.alive(&slots, now);
            // 12 times cannot distinguish 13 requests from 12, so the slices decide.
            let over = alive > self.over.threshold
                || alive == MAX_EXACT && alive == self.over.threshold && sum > alive;
            return Counted { count: if over { sum.max(alive) } else { alive }, fires: over };
        }
        Counted { count: sum, fires: sum > self.over.threshold }
    }

    fn slices(self) -> usize {
        if self.exact { SLOTS - TIMES } else { SLOTS }
    }

    /// Makes the slice of `now_ms` the newest and clears those in between. Returns the time to use: the time
    /// of the newest slice if the clock is behind it.
    fn advance(self, slots: &mut Slots, now_ms: u64) -> u64 {
        let slices = self.slices();
        let newest = slots.slice;
        let slice = (now_ms / self.slice_ms) as u32;
        let ahead = slice.wrapping_sub(newest) as i32;
        if ahead < 0 && ahead > -(slices as i32) {
            // The times that workers have cached differ slightly.
            return (now_ms / self.slice_ms + u64::from(ahead.unsigned_abs())) * self.slice_ms;
        }
        let first = SLOTS - slices;
        for step in 0..(ahead.unsigned_abs() as usize).min(slices) {
            let at = first + (slice as usize).wrapping_sub(step) % slices;
            if let Some(slot) = slots.counters.get_mut(at) {
                *slot = 0;
            }
        }
        if ahead.unsigned_abs() as usize >= slices {
            slots.low = 0;
            slots.counters = [0; SLOTS];
        }
        slots.slice = slice;
        now_ms
    }

    /// Sum of the slices that may hold something of the window.
    fn sum(self, slots: &Slots, now: u64) -> u64 {
        let slices = self.slices();
        let first = SLOTS - slices;
        let into = now % self.slice_ms;
        let mut units = 0u64;
        for back in 0..slices as u64 {
            // The newest request of the slice may be that old.
            if back * self.slice_ms + into >= self.over.window_ms + self.slice_ms - 1 {
                break;
            }
            let at = first + (u64::from(slots.slice).wrapping_sub(back)) as usize % slices;
            units += u64::from(slots.counters.get(at).copied().unwrap_or_default());
        }
        let rest = if self.exact { 0 } else { u64::from(slots.low) };
        units.saturating_mul(self.unit).saturating_add(rest)
    }

    /// Adds a time, newest first, and returns how many are in the window.
    fn add_time(self, slots: &mut Slots, now: u64, amount: u64) -> u64 {
        let time = (now / self.step_ms) as u32;
        let before = self.alive(slots, now);
        if amount == 0 {
            return before;
        }
        let newest = slots.low;
        let is_behind = before > 0 && (time.wrapping_sub(newest) as i32) < 0;
        let time = if is_behind { newest } else { time };
        // Removes times that are out of the window, since their stamps repeat.
        for (at, slot) in slots.counters.iter_mut().take(TIMES).enumerate() {
            if at as u64 >= before {
                *slot = 0;
            }
        }
        slots.counters.copy_within(0..TIMES - 1, 1);
        if let Some(slot) = slots.counters.first_mut() {
            *slot = stamp(time);
        }
        slots.low = time;
        before + 1
    }

    /// Number of times in the window.
    fn alive(self, slots: &Slots, now: u64) -> u64 {
        let time = (now / self.step_ms) as u32;
        // Time since the newest one.
        let passed = u64::from(time.wrapping_sub(slots.low)) * self.step_ms;
        let passed = if (time.wrapping_sub(slots.low) as i32) < 0 { 0 } else { passed };
        let newest = u64::from(slots.low % STAMPS);
        let into = now % self.step_ms;
        let mut alive = 0;
        for slot in slots.counters.iter().take(TIMES) {
            if *slot == 0 {
                break;
            }
            let stamp = u64::from(*slot - 1);
            let back = (newest + u64::from(STAMPS) - stamp) % u64::from(STAMPS);
            if back * self.step_ms + passed + into >= self.over.window_ms + self.step_ms - 1 {
                break;
            }
            alive += 1;
        }
        alive
    }
}

/// Number of distinct stamps; 0 means none.
const STAMPS: u32 = u16::MAX as u32;

fn stamp(time: u32) -> u16 {
    (time % STAMPS) as u16 + 1
}

/// An unpacked entry.
struct Slots {
    slice: u32,
    low: u32,
    counters: [u16; SLOTS],
}

impl Slots {
    fn load(words: &Words) -> Self {
        let [first, rest @ ..] = words;
        let mut counters = [0; SLOTS];
        for (four, word) in counters.chunks_exact_mut(4).zip(rest) {
            for (at, counter) in four.iter_mut().enumerate() {
                *counter = (word >> (16 * at)) as u16;
            }
        }
        Self { slice: *first as u32, low: (first >> 32) as u32, counters }
    }

    fn store(&self, words: &mut Words) {
        let [first, rest @ ..] = words;
        *first = u64::from(self.slice) | u64::from(self.low) << 32;
        for (four, word) in self.counters.chunks_exact(4).zip(rest) {
            *word = four
                .iter()
                .enumerate()
                .fold(0, |word, (at, counter)| word | u64::from(*counter) << (16 * at));
        }
    }
}
