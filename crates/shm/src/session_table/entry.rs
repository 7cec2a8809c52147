//! The sixteen words of a session.
//!
//! | words | contents |
//! | --- | --- |
//! | 0, 1 | id |
//! | 2 | first seen (48 bits), source (8), flags (8) |
//! | 3 | last seen (48 bits), length of the user (8), of the role (8) |
//! | 4 | requests |
//! | 5, 6 | client and server errors; attacks and denied (32 bits each) |
//! | 7 | application |
//! | 8, 9 | bytes in, bytes out |
//! | 10, 11 | last address |
//! | 12 | user's hash |
//! | 13 to 15 | user, then role |
//!
//! Counting a request writes only the first cache line unless the address changes. The words are updated
//! in place: copying all of them in and out would dominate the cost of an operation.

use std::sync::atomic::{AtomicU64, Ordering};

use api_sessions_protocol::Source;

use super::layout::{Entry, WORDS};
use super::request::Change;
use super::snapshot::{SessionCounters, Snapshot};
use crate::hash::words as halves;
use crate::limits::{CLOCK_SKEW_MS, TEXT_BYTES};

const TIME_BITS: u32 = 48;
const TIME_MAX: u64 = (1 << TIME_BITS) - 1;
/// Position of the flags in word 2.
const FLAGS_AT: u32 = 56;
/// Bits of the source in word 2.
const SOURCE_MASK: u64 = 0xff << TIME_BITS;
const CONFIRMED: u8 = 1;
const TEXT_CUT: u8 = 2;

/// First word of the address. This word and all after it are valid only together: a writer that dies between them would
/// leave half an address or user.
const ADDRESS: usize = 10;

/// What counts as one client: an IPv4 address, or the /64 of an IPv6 address, which usually belongs to a single client.
#[inline]
pub(super) fn network(ip: &[u8; 16]) -> u64 {
    network_of(halves(ip))
}

#[inline]
fn network_of([low, high]: [u64; 2]) -> u64 {
    // The first eight bytes of an IPv4 address are zero.
    if low == 0 { high } else { low }
}

/// A copy of a session's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words([u64; WORDS]);

impl Words {
    pub(super) fn new(id: [u64; 2], session: &Snapshot) -> Self {
        let mut words = [0; WORDS];
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let flags = flag(session.confirmed, CONFIRMED) | flag(session.text_cut, TEXT_CUT);
        let time = |time_ms: u64, high: u8, higher: u8| {
            time_ms.min(TIME_MAX) | u64::from(high) << TIME_BITS | u64::from(higher) << 56
        };
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let [ip_low, ip_high] = halves(&session.ip);
        let [a, b, c] = text_words(&session.text);
        words.copy_from_slice(&[
            id[0],
            id[1],
            time(session.first_seen_ms, source_to_byte(session.source), flags),
            time(session.last_seen_ms, session.user_len, session.role_len),
            session.requests,
            pair(session.client_errors, session.server_errors),
            pair(session.attacks, session.denied),
            session.application_hash,
            session.bytes_in,
            session.bytes_out,
            ip_low,
            ip_high,
            session.user_hash,
            a,
            b,
            c,
        ]);
        Self(words)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let words = &self.0;
        let flags = (words[2] >> FLAGS_AT) as u8;
        Snapshot {
            first_seen_ms: words[2] & TIME_MAX,
            last_seen_ms: words[3] & TIME_MAX,
            requests: words[4],
            client_errors: words[5] as u32,
            server_errors: (words[5] >> 32) as u32,
            attacks: words[6] as u32,
            denied: (words[6] >> 32) as u32,
            application_hash: words[7],
            bytes_in: words[8],
            bytes_out: words[9],
            ip: (u128::from(words[10]) | u128::from(words[11]) << 64).to_le_bytes(),
            user_hash: words[12],
            source: source_from_byte((words[2] >> TIME_BITS) as u8),
            confirmed: flags & CONFIRMED != 0,
            text_cut: flags & TEXT_CUT != 0,
            text: text_from([words[13], words[14], words[15]]),
            user_len: (words[3] >> TIME_BITS) as u8,
            role_len: (words[3] >> 56) as u8,
        }
    }
}

impl Entry {
    #[inline]
    pub(super) fn is(&self, id: [u64; 2]) -> bool {
        self.0[0].load(Ordering::Relaxed) == id[0] && self.0[1].load(Ordering::Relaxed) == id[1]
    }

    #[cfg(test)]
    pub(crate) fn id(&self) -> [u64; 2] {
        [self.0[0].load(Ordering::Relaxed), self.0[1].load(Ordering::Relaxed)]
    }

    /// The [`network`] of the last client.
    pub(super) fn network(&self) -> u64 {
        network_of([
            self.0[ADDRESS].load(Ordering::Relaxed),
            self.0[ADDRESS + 1].load(Ordering::Relaxed),
        ])
    }

    #[inline]
    pub(super) fn last_seen_ms(&self) -> u64 {
        self.0[3].load(Ordering::Relaxed) & TIME_MAX
    }

    #[inline]
    pub(crate) fn load(&self) -> Words {
        Words(std::array::from_fn(|word| self.0[word].load(Ordering::Relaxed)))
    }

    /// Stores the words of `new` that differ from `old`, the current ones.
    #[inline]
    pub(super) fn store_changed(&self, old: &Words, new: &Words) {
        for ((word, old), new) in self.0.iter().zip(&old.0).zip(&new.0) {
            if old != new {
                word.store(*new, Ordering::Relaxed);
            }
        }
    }

    /// Starts a session with no requests yet.
    #[inline]
    pub(super) fn begin(&self, id: [u64; 2], now_ms: u64) {
        let time = now_ms.min(TIME_MAX);
        let words = [id[0], id[1], time, time];
        let zeros = std::iter::repeat(0);
        let store = |(word, new): (&AtomicU64, u64)| word.store(new, Ordering::Relaxed);
        self.0.iter().zip(words.into_iter().chain(zeros)).for_each(store);
    }

    /// Adds a request to the words that are valid independently of each other: a writer that dies between them leaves a
    /// session whose last request is partly counted, which needs no repair. [`Entry::identified`] covers the other
    /// words. Returns the counters, and whether the session is confirmed.
    #[inline(always)]
    pub(super) fn add(&self, now_ms: u64, change: &Change<'_>) -> (SessionCounters, bool) {
        let get = |word: usize| self.0[word].load(Ordering::Relaxed);
        let put = |word: usize, old: u64, new: u64| {
            if old != new {
                self.0[word].store(new, Ordering::Relaxed);
            }
        };
        let [about, seen, requests, application] = [get(2), get(3), get(4), get(7)];
        // A session evicted while this request ran starts over with it.
        let counts = change.end.is_none_or(|end| end.count || requests == 0);
        let requests = requests.wrapping_add(u64::from(counts));
        self.0[4].store(requests, Ordering::Relaxed);
        let last = later(seen & TIME_MAX, now_ms).min(TIME_MAX);
        self.0[3].store(seen & !TIME_MAX | last, Ordering::Relaxed);
        let confirmed = requests > 1 || change.end.is_some_and(|end| end.confirmed);
        let source = u64::from(source_to_byte(change.start.source)) << TIME_BITS;
        let flag = u64::from(CONFIRMED) << FLAGS_AT;
        let now = about & !SOURCE_MASK | source | if confirmed { flag } else { 0 };
        put(2, about, now);
        put(7, application, change.start.application_hash);
        let mut attacks = get(6);
        if let Some(end) = change.end {
            let errors = get(5);
            let is = |class: u16| u32::from(end.status / 100 == class);
            put(5, errors, add_pair(errors, is(4), is(5)));
            let more = add_pair(attacks, end.attacks, u32::from(end.denied));
            put(6, attacks, more);
            attacks = more;
            let [bytes_in, bytes_out] = [get(8), get(9)];
            put(8, bytes_in, bytes_in.saturating_add(end.bytes_in));
            put(9, bytes_out, bytes_out.saturating_add(end.bytes_out));
        }
        let counters =
            SessionCounters { first_seen_ms: about & TIME_MAX, requests, attacks: attacks as u32 };
        (counters, now & flag != 0)
    }

    /// The current words, and the words with the request's address and user, which are valid only together. `None`:
    /// nothing changes.
    #[inline(always)]
    pub(super) fn identified(&self, change: &Change<'_>) -> Option<(Words, Words)> {
        let [low, high] = halves(&change.start.ip);
        let get = |word: usize| self.0[word].load(Ordering::Relaxed);
        let same = (get(ADDRESS) ^ low) | (get(ADDRESS + 1) ^ high) == 0;
        let knows_user = change
            .end
            .is_some_and(|end| end.user_hash != 0 || !end.user.is_empty() || !end.role.is_empty());
        if same && !knows_user { None } else { self.identify(change) }
    }

    /// Out of line, since requests from a known address do not need it.
    #[inline(never)]
    fn identify(&self, change: &Change<'_>) -> Option<(Words, Words)> {
        let old = self.load();
        let mut session = old.snapshot();
        session.identify(change.start, change.end);
        let new = Words::new([old.0[0], old.0[1]], &session);
        (new != old).then_some((old, new))
    }
}

#[inline]
fn later(last_seen_ms: u64, now_ms: u64) -> u64 {
    if now_ms >= last_seen_ms || last_seen_ms - now_ms > CLOCK_SKEW_MS {
        now_ms
    } else {
        last_seen_ms
    }
}

/// Adds to the two saturating counters of a word.
#[inline]
fn add_pair(pair: u64, low: u32, high: u32) -> u64 {
    let [old_low, old_high] = [pair as u32, (pair >> 32) as u32];
    u64::from(old_low.saturating_add(low)) | u64::from(old_high.saturating_add(high)) << 32
}

fn text_words(text: &[u8; TEXT_BYTES]) -> [u64; 3] {
    let mut words = [0; 3];
    for (word, bytes) in words.iter_mut().zip(text.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

fn text_from(words: [u64; 3]) -> [u8; TEXT_BYTES] {
    let mut text = [0; TEXT_BYTES];
    for (bytes, word) in text.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    text
}

fn source_to_byte(source: Source) -> u8 {
    match source {
        Source::Ip => 0,
        Source::IpUa => 1,
        Source::Builtin => 2,
        Source::Key => 3,
        Source::IpUaJa4 => 4,
        Source::Link => 5,
        Source::Client => 6,
    }
}

fn source_from_byte(byte: u8) -> Source {
    match byte {
        1 => Source::IpUa,
        2 => Source::Builtin,
        3 => Source::Key,
        4 => Source::IpUaJa4,
        5 => Source::Link,
        6 => Source::Client,
        _ => Source::Ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_survives_its_words() {
        for source in [
            Source::Ip,
            Source::IpUa,
            Source::Builtin,
            Source::Key,
            Source::IpUaJa4,
            Source::Link,
            Source::Client,
        ] {
            let session = Snapshot {
                first_seen_ms: TIME_MAX - 1,
                last_seen_ms: TIME_MAX,
                requests: u64::MAX,
                client_errors: 1,
                server_errors: 2,
                attacks: 3,
                denied: u32::MAX,
                bytes_in: 5,
                bytes_out: 6,
                ip: *b"0123456789abcdef",
                user_hash: 7,
                application_hash: 8,
                source,
                confirmed: true,
                text_cut: true,
                text: *b"anna@example.com--admin-",
                user_len: 18,
                role_len: 5,
            };
            assert_eq!(Words::new([1, 2], &session).snapshot(), session);
        }
    }
}
