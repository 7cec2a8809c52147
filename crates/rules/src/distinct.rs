//! Number of distinct values in a sliding window.
//!
//! The first 8 values are in the entry itself: 32 bits of their hash and the slice in which each was last
//! seen (TIME/254), so that a subject with few values needs one entry. Further values are in pages, which are
//! entries with 13 values of 24 bits each: first one page, then levels of 2, 4, 8 and 16 pages, selected by
//! the hash of a value. A value is searched in its page of each level and added to the first one with room,
//! so that no value moves or is counted twice. All pages together hold 403 values.
//!
//! | entry | content |
//! | --- | --- |
//! | word 0 | slice of the last change (32 bits), and of the last change of a page (32) |
//! | 1 to 4 | 8 fingerprints of 32 bits |
//! | 5 | their 8 stamps |
//! | 6 | upper bound of the number of values, including expired ones |
//!
//! | page | content |
//! | --- | --- |
//! | words | slice of the last change (32 bits), then 13 times a stamp (8) and a fingerprint (24) |

use crate::window::Counted;
use crate::{Counts, Over, Words};

/// Values in an entry.
const OWN: usize = 8;
/// Values in a page.
const PAGE: usize = 13;
/// Levels of pages: 1, 2, 4, 8, 16.
const LEVELS: u32 = 5;
/// Slices of a window. Stamps repeat after one more.
const SLICES: u64 = 254;
const STAMPS: u64 = SLICES + 1;

/// Layout of a rule's sliding set of values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Distinct {
    over: Over,
    slice_ms: u64,
}

/// A time as a slice and the time within it.
#[derive(Clone, Copy)]
struct Now {
    slice: u32,
    into_ms: u64,
}

/// Result of looking up a value in an entry.
enum Own {
    /// The entry has the value.
    Known { most: u64 },
    /// The value was added.
    Added { most: u64 },
    /// The value may be in a page.
    Elsewhere { room: bool, pages: bool },
}

impl Distinct {
    pub(crate) fn new(over: Over) -> Self {
        Self { over, slice_ms: over.window_ms.div_ceil(SLICES).max(1) }
    }

    /// Adds a value, given by its hash. `None`: the entry is locked.
    pub(crate) fn add(
        self,
        counts: &impl Counts,
        key: u64,
        now_ms: u64,
        hash: u64,
    ) -> Option<Counted> {
        let now = self.now(now_ms);
        let most =
            match counts.update(key, now_ms, |words| self.add_own(words, now, hash, false))? {
                Own::Known { most } | Own::Added { most } => most,
                Own::Elsewhere { room, pages } => {
                    let known = pages && self.is_in_pages(counts, key, now_ms, hash);
                    if !known && room {
                        match counts
                            .update(key, now_ms, |words| self.add_own(words, now, hash, true))?
                        {
                            Own::Known { most } | Own::Added { most } => most,
                            Own::Elsewhere { .. } => self.over.threshold + 1,
                        }
                    } else {
                        if !known {
                            self.add_to_page(counts, key, now_ms, hash);
                        }
                        counts.update(key, now_ms, |words| {
                            set_high(&mut words[0], now.slice);
                            words[6] += u64::from(!known);
                            words[6]
                        })?
                    }
                }
            };
        if most <= self.over.threshold {
            return Some(Counted { count: most, fires: false });
        }
        // The upper bound includes expired values.
        let words = counts.read(key).unwrap_or_default();
        let count = self.count(counts, key, &words, now);
        counts.update(key, now_ms, |words| words[6] = count);
        Some(Counted { count, fires: count > self.over.threshold })
    }

    /// Number of values at `now_ms`.
    pub(crate) fn count_at(self, counts: &impl Counts, key: u64, now_ms: u64) -> u64 {
        let Some(words) = counts.read(key) else { return 0 };
        self.count(counts, key, &words, self.now(now_ms))
    }

    fn now(self, now_ms: u64) -> Now {
        Now { slice: (now_ms / self.slice_ms) as u32, into_ms: now_ms % self.slice_ms }
    }

    /// Whether a value that was seen `back` slices ago may be in the window.
    fn is_alive(self, back: u64, now: Now) -> bool {
        back <= SLICES
            && back * self.slice_ms + now.into_ms < self.over.window_ms + self.slice_ms - 1
    }

    /// Number of slices since `slice`; 0 if the clock is behind it.
    fn since(now: Now, slice: u32) -> u64 {
        let passed = now.slice.wrapping_sub(slice) as i32;
        // A slice far in the future means that the clock was set back; the content has expired.
        if passed < -(SLICES as i32) { STAMPS } else { u64::from(passed.max(0).unsigned_abs()) }
    }

    /// `despite_pages`: no page has the value.
    fn add_own(self, words: &mut Words, now: Now, hash: u64, despite_pages: bool) -> Own {
        let passed = Self::since(now, words[0] as u32);
        // A new entry has no values, whatever its slice.
        let mut stamps = words[5].to_le_bytes();
        let at_slice = if passed == 0 { words[0] as u32 } else { now.slice };
        self.forget(&mut stamps, words[0] as u32, passed, now);
        let fingerprint = (hash >> 32) as u32;
        let stamp = stamp(at_slice);
        let pages =
            words[0] >> 32 != 0 && self.is_alive(Self::since(now, (words[0] >> 32) as u32), now);
        if stamps == [0; OWN] && !pages {
            words[6] = 0;
        }
        set_low(&mut words[0], at_slice);
        let held = |at: usize| (words[1 + at / 2] >> (32 * (at % 2))) as u32;
        let known = (0..OWN).find(|at| stamps[*at] != 0 && held(*at) == fingerprint);
        let free = stamps.iter().position(|stamp| *stamp == 0);
        let result = match (known, free) {
            (Some(at), _) => {
                stamps[at] = stamp;
                Own::Known { most: words[6] }
            }
            (None, Some(at)) if !pages || despite_pages => {
                let shift = 32 * (at % 2);
                let word = &mut words[1 + at / 2];
                *word = *word & !(u64::from(u32::MAX) << shift) | u64::from(fingerprint) << shift;
                stamps[at] = stamp;
                words[6] += 1;
                Own::Added { most: words[6] }
            }
            (None, free) => Own::Elsewhere { room: free.is_some(), pages },
        };
        words[5] = u64::from_le_bytes(stamps);
        result
    }

    /// Clears expired stamps.
    fn forget(self, stamps: &mut [u8], changed: u32, passed: u64, now: Now) {
        for held in stamps.iter_mut().filter(|held| **held != 0) {
            let back = passed.saturating_add(behind(changed, *held));
            if !self.is_alive(back, now) {
                *held = 0;
            }
        }
    }

    fn is_in_pages(self, counts: &impl Counts, key: u64, now_ms: u64, hash: u64) -> bool {
        for level in 0..LEVELS {
            let page = page_key(key, level, hash);
            let Some(words) = counts.read(page) else { return false };
            let now = self.now(now_ms);
            if self.find(&words, now, hash).is_some() {
                let refreshed = counts.update(page, now_ms, |words| {
                    let at = self.find(words, now, hash)?;
                    self.put(words, now, at, hash);
                    Some(())
                });
                return refreshed.flatten().is_some();
            }
        }
        false
    }

    /// Adds a value that no page has. If all of its pages are full, it replaces a value of the last one.
    fn add_to_page(self, counts: &impl Counts, key: u64, now_ms: u64, hash: u64) {
        let now = self.now(now_ms);
        for level in 0..LEVELS {
            let added = counts.update(page_key(key, level, hash), now_ms, |words| {
                let page = self.page(words, now);
                let free = page.stamps.iter().position(|stamp| *stamp == 0);
                let last = (level + 1 == LEVELS).then_some(hash as usize % PAGE);
                let Some(at) = free.or(last) else { return false };
                self.put(words, now, at, hash);
                true
            });
            if added != Some(false) {
                return;
            }
        }
    }

    fn find(self, words: &Words, now: Now, hash: u64) -> Option<usize> {
        let page = self.page(words, now);
        (0..PAGE).find(|at| page.stamps[*at] != 0 && page.fingerprints[*at] == fingerprint(hash))
    }

    /// A page without its expired values.
    fn page(self, words: &Words, now: Now) -> Page {
        let mut page = Page::load(words);
        let passed = Self::since(now, page.changed);
        self.forget(&mut page.stamps, page.changed, passed, now);
        page
    }

    fn put(self, words: &mut Words, now: Now, at: usize, hash: u64) {
        let mut page = self.page(words, now);
        // Keeps the slice if the clock is behind it.
        if Self::since(now, page.changed) != 0 || page.stamps == [0; PAGE] {
            page.changed = now.slice;
        }
        page.fingerprints[at] = fingerprint(hash);
        page.stamps[at] = stamp(page.changed);
        page.store(words);
    }

    fn count(self, counts: &impl Counts, key: u64, words: &Words, now: Now) -> u64 {
        let mut stamps = words[5].to_le_bytes();
        self.forget(&mut stamps, words[0] as u32, Self::since(now, words[0] as u32), now);
        let mut found = alive(&stamps);
        if words[0] >> 32 == 0 {
            return found;
        }
        // A page only exists if those above it are full, or were.
        let mut there = [true; 1 << LEVELS];
        for level in 0..LEVELS {
            for number in 0..1usize << level {
                let node = (1 << level) + number;
                let above = node == 1
                    || there[(1 << (level.max(1) - 1)) + number % (1 << (level.max(1) - 1))];
                let page = above.then(|| counts.read(numbered_page_key(key, level, number as u64)));
                there[node] = match page.flatten() {
                    Some(words) => {
                        found += alive(&self.page(&words, now).stamps);
                        true
                    }
                    None => false,
                };
            }
        }
        found
    }
}

fn alive(stamps: &[u8]) -> u64 {
    stamps.iter().filter(|stamp| **stamp != 0).count() as u64
}

/// The stamp of a slice: 1 to 255.
fn stamp(slice: u32) -> u8 {
    (u64::from(slice) % STAMPS) as u8 + 1
}

/// Age of a stamp at the last change, slices.
fn behind(changed: u32, stamp: u8) -> u64 {
    (u64::from(changed) % STAMPS + STAMPS - u64::from(stamp - 1)) % STAMPS
}

fn page_key(key: u64, level: u32, hash: u64) -> u64 {
    numbered_page_key(key, level, hash >> 24 & ((1 << level) - 1))
}

fn numbered_page_key(key: u64, level: u32, number: u64) -> u64 {
    // The key is a keyed hash already, so any permutation will do.
    let mixed = (key ^ (1 << level | number).wrapping_mul(0x9fb2_1c65_1e98_df25)).rotate_left(23);
    mixed.wrapping_mul(0xd6e8_feb8_6659_fd93) ^ mixed >> 31
}

fn set_low(word: &mut u64, low: u32) {
    *word = *word >> 32 << 32 | u64::from(low);
}

fn set_high(word: &mut u64, high: u32) {
    // 0 means never.
    *word = *word & u64::from(u32::MAX) | u64::from(high.max(1)) << 32;
}

struct Page {
    changed: u32,
    fingerprints: [u32; PAGE],
    stamps: [u8; PAGE],
}

impl Page {
    fn load(words: &Words) -> Self {
        let half = |at: usize| {
            let word = words.get(at / 2).copied().unwrap_or_default();
            (word >> (32 * (at % 2))) as u32
        };
        Self {
            changed: half(0),
            fingerprints: std::array::from_fn(|at| half(at + 1) >> 8),
            stamps: std::array::from_fn(|at| half(at + 1) as u8),
        }
    }

    fn store(&self, words: &mut Words) {
        let values = self.fingerprints.iter().zip(&self.stamps);
        let mut halves = values.map(|(value, stamp)| value << 8 | u32::from(*stamp));
        for (at, word) in words.iter_mut().enumerate() {
            let low = if at == 0 { self.changed } else { halves.next().unwrap_or_default() };
            *word = u64::from(low) | u64::from(halves.next().unwrap_or_default()) << 32;
        }
    }
}

/// 24 bits of a value's hash.
fn fingerprint(hash: u64) -> u32 {
    hash as u32 & 0xff_ffff
}
