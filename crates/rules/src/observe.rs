//! Counting requests by rules.

use crate::distinct::Distinct;
use crate::reaction::Reaction;
use crate::subject::write_endpoint;
use crate::window::{Counted, Window};
use crate::{Answer, Count, Counts, Facts, Rate, Rule};

/// Buffers, reused across requests.
#[derive(Debug, Default)]
pub struct Scratch {
    subject: Vec<u8>,
    value: Vec<u8>,
}

/// Result of applying a rule to a request in its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// Not counted: a condition does not hold, or there is no subject or value.
    NotCounted,
    /// Unknown whether it counts ([`Answer::Unknown`]).
    Unknown,
    /// Not counted because the entry is locked.
    Busy,
    /// Counted.
    Counted {
        /// The subject's count in the window, including this request.
        count: u64,
        /// Whether the count exceeds the threshold.
        fires: bool,
    },
}

impl From<Counted> for Observation {
    fn from(counted: Counted) -> Self {
        Self::Counted { count: counted.count, fires: counted.fires }
    }
}

/// Seed of the hashes of distinct values.
const VALUES: u64 = 0x6469_7374_696e_6374;
/// Makes the key of a subject's rate differ from that of its count.
const RATES: u64 = 0x7261_7465_7261_7465;

impl Rule {
    /// Counts a request in the rule's scope ([`crate::Scopes`]) at `now_ms` (milliseconds since 1970).
    pub fn observe(
        &self,
        counts: &impl Counts,
        facts: &impl Facts,
        now_ms: u64,
        scratch: &mut Scratch,
    ) -> Observation {
        match self.holds(facts) {
            Answer::Yes => {}
            Answer::No => return Observation::NotCounted,
            Answer::Unknown => return Observation::Unknown,
        }
        if !self.per.write(facts, &mut scratch.subject) {
            return Observation::NotCounted;
        }
        let key = counts.hash(self.id(), &scratch.subject);
        if self.count.is_distinct() {
            let mut hash = None;
            if !self.value_hash(counts, facts, &mut scratch.value, &mut hash) {
                return Observation::Unknown;
            }
            let Some(hash) = hash else { return Observation::NotCounted };
            let distinct = Distinct::new(self.over);
            return distinct.add(counts, key, now_ms, hash).map_or(Observation::Busy, Into::into);
        }
        let amount = match &self.count {
            Count::Attacks => facts.attacks(),
            Count::BytesIn => facts.bytes_in(),
            Count::BytesOut => facts.bytes_out(),
            Count::TimeMs => facts.time_ms(),
            _ => 1,
        };
        if amount == 0 {
            return Observation::NotCounted;
        }
        let window = Window::new(self.over, self.count.is_of_requests());
        let counted = counts.update(key, now_ms, |words| window.add(words, now_ms, amount));
        counted.map_or(Observation::Busy, Into::into)
    }

    /// Whether all conditions hold for a request.
    pub fn holds(&self, facts: &impl Facts) -> Answer {
        let mut all = Answer::Yes;
        for condition in &self.when {
            match condition.holds(facts) {
                Answer::No => return Answer::No,
                Answer::Unknown => all = Answer::Unknown,
                Answer::Yes => {}
            }
        }
        all
    }

    /// Sets `hash` to the hash of the value that is counted. Returns false if the value is unknown.
    fn value_hash(
        &self,
        counts: &impl Counts,
        facts: &impl Facts,
        buffer: &mut Vec<u8>,
        hash: &mut Option<u64>,
    ) -> bool {
        let mut of = |value: Option<&[u8]>| *hash = value.map(|value| counts.hash(VALUES, value));
        match &self.count {
            Count::Distinct(point) => return facts.read(point, &mut of),
            Count::DistinctPath => of(Some(facts.path())),
            Count::DistinctUser => of(facts.user()),
            Count::DistinctSession => of(Some(facts.session())),
            _ => {
                buffer.clear();
                write_endpoint(facts, buffer);
                of(Some(buffer));
            }
        }
        true
    }

    /// The count of a request's subject at `now_ms`, before the request is finished: only uses the facts that
    /// form the subject. `None`: the request has no subject.
    pub fn current(
        &self,
        counts: &impl Counts,
        facts: &impl Facts,
        now_ms: u64,
        scratch: &mut Scratch,
    ) -> Option<u64> {
        if !self.per.write(facts, &mut scratch.subject) {
            return None;
        }
        let key = counts.hash(self.id(), &scratch.subject);
        if self.count.is_distinct() {
            return Some(Distinct::new(self.over).count_at(counts, key, now_ms));
        }
        let window = Window::new(self.over, self.count.is_of_requests());
        Some(counts.read(key).map_or(0, |words| window.count(&words, now_ms).count))
    }

    /// Takes a request from the rule's rate at `now_ms`, if the subject is over the threshold.
    ///
    /// # Errors
    /// The rate is exhausted: the subject's count, and the milliseconds until the next request is allowed.
    pub fn limit(
        &self,
        counts: &impl Counts,
        facts: &impl Facts,
        now_ms: u64,
        scratch: &mut Scratch,
    ) -> Result<(), (u64, u64)> {
        let rate: Option<Rate> = self.reaction(|reaction| match reaction {
            Reaction::Limit(rate) => Some(*rate),
            _ => None,
        });
        let Some(rate) = rate else { return Ok(()) };
        let count = self.current(counts, facts, now_ms, scratch).unwrap_or_default();
        if count <= self.over.threshold {
            return Ok(());
        }
        let key = counts.hash(self.id() ^ RATES, &scratch.subject);
        let taken = counts.update(key, now_ms, |words| rate.take(words, now_ms));
        taken.unwrap_or(Ok(())).map_err(|wait_ms| (count, wait_ms))
    }
}
