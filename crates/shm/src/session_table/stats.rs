//! The table's metrics.

use crate::metrics::metrics;

/// Requests of one worker that have been open for a while, by what keeps them open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenCounts {
    /// On connections that switched protocols.
    pub upgraded: u64,
    /// With a response that has begun.
    pub streaming: u64,
    /// All others.
    pub other: u64,
}

/// Bits of each count in one word; enough for more connections than a worker can have.
const OPEN_BITS: u32 = 21;

impl OpenCounts {
    pub(super) fn to_word(self) -> u64 {
        let most = (1 << OPEN_BITS) - 1;
        let counts = [self.upgraded, self.streaming, self.other];
        counts.iter().fold(0, |word, count| word << OPEN_BITS | (*count).min(most))
    }

    pub(super) fn from_word(word: u64) -> Self {
        let count = |place: u32| word >> (place * OPEN_BITS) & ((1 << OPEN_BITS) - 1);
        Self { upgraded: count(2), streaming: count(1), other: count(0) }
    }
}

metrics! {
    /// The table's state, summed over all workers since the zone was created. The death of a worker may leave a counter
    /// off by one.
    pub struct TableStats event_loop(TableCounters);

    gauge in_use "sessions_in_use": "Sessions in the table." reported;
    gauge capacity "sessions_capacity": "Sessions there is room for." reported;
    event_loop created "sessions_created_total": "Sessions that were created.";
    event_loop evicted_idle "evicted_idle_total": "Idle sessions that made room.";
    event_loop evicted_provisional "evicted_provisional_total": "Sessions of one request that made room.";
    event_loop evicted_live "evicted_live_total": "Sessions in use that made room: the zone is too small." reported;
    event_loop lock_busy "lock_busy_total": "Requests not counted since a lock was held for too long.";
    event_loop lock_recoveries "lock_recoveries_total": "Sets emptied after a process died while it held them.";
    event_loop malicious "requests_malicious_total": "Malicious requests.";
    event_loop detected "requests_detected_total": "Malicious requests flagged by the built-in detectors.";
    event_loop denied "requests_denied_total": "Requests of denied sessions.";
    event_loop cut "requests_cut_total": "Requests that were under way when their session was denied, and were cut.";
    gauge open_upgraded "requests_open_upgraded": "Requests open for more than 10 s on connections that switched protocols (WebSocket).";
    gauge open_streaming "requests_open_streaming": "Requests open for more than 10 s whose response has begun (downloads, events).";
    gauge open_other "requests_open_other": "Other requests open for more than 10 s.";
    event_loop duplicate_cookies "duplicate_cookies_total": "Requests whose session was found by a cookie that was there more than once.";
    event_loop unread_type "bodies_unread_type_total": "Bodies that begin as JSON and that a key or parameter did not read for their type.";
    event_loop unread_encoding "bodies_unread_encoding_total": "Bodies that a key or parameter did not read for their content encoding.";
    event_loop unread_size "bodies_unread_size_total": "Bodies that a key or parameter did not find in the part that is looked at.";
    counter unread_syntax "bodies_unread_syntax_total": "Bodies that a key or parameter read as JSON, and that are not one JSON text.";
    event_loop undetected_size "detect_unread_size_total": "Bodies that detectors saw only the first api_sessions_detect_body_size bytes of.";
    event_loop undetected_encoding "detect_unread_encoding_total": "Bodies that detectors did not read for their content encoding.";
    event_loop undetected_values "detect_unread_values_total": "Requests with more values than detectors look at, or longer ones.";
    event_loop undetected_steps "detect_unread_steps_total": "Requests with a value that a detector gave up on: it took more steps than its length allows.";
    event_loop reentries "reentries_total": "Values that were asked for while they were being computed, and came out empty: a point or an application that reads a variable of the module.";
    event_loop undone "sessions_undone_total": "Sessions removed because their only request belongs to another session.";
    event_loop lost "sessions_lost_total": "Sessions removed because a process died while it changed them.";
}

impl TableStats {
    pub(super) fn sum<'a>(capacity: u64, workers: impl Iterator<Item = &'a TableCounters>) -> Self {
        let mut sum = Self { capacity, ..Self::default() };
        workers.for_each(|counters| sum.add_event_loop(counters));
        let evicted = sum.evicted_idle + sum.evicted_live + sum.evicted_provisional;
        let removed = evicted + sum.undone + sum.lost;
        sum.in_use = sum.created.saturating_sub(removed).min(capacity);
        sum
    }

    pub(super) fn add_open(&mut self, open: OpenCounts) {
        self.open_upgraded += open.upgraded;
        self.open_streaming += open.streaming;
        self.open_other += open.other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_open_requests_fit_in_a_word() {
        let counts = OpenCounts { upgraded: 1, streaming: (1 << OPEN_BITS) - 1, other: 3 };
        assert_eq!(OpenCounts::from_word(counts.to_word()), counts);
        let many = OpenCounts { upgraded: u64::MAX, ..counts };
        let most = OpenCounts { upgraded: (1 << OPEN_BITS) - 1, ..counts };
        assert_eq!(OpenCounts::from_word(many.to_word()), most);
    }
}
