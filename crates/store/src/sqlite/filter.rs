//! Filters over the parts of a day: which parts meet which filter, as bit sets.

use rusqlite::Connection;

use super::candidate::Candidate;
use super::postings;
use crate::query::{ANY_ATTACK, Filter, contains_ignore_case};
use crate::session_days::Kind;

/// Filters of a question, a bit each.
pub(super) struct Predicates {
    values: Vec<(Kind, Values)>,
    period: bool,
    attacked: bool,
    denied: Option<bool>,
    all: u32,
}

enum Values {
    Is(String),
    AnyOf(Vec<String>),
    Holds(Vec<String>),
}

impl Predicates {
    pub(super) fn new(filter: &Filter) -> Predicates {
        let mut values = Vec::new();
        for (kind, value) in [
            (Kind::Application, &filter.application),
            (Kind::Host, &filter.host),
            (Kind::Ip, &filter.ip),
            (Kind::User, &filter.user),
            (Kind::Role, &filter.role),
            (Kind::Method, &filter.method),
            (Kind::Ja4, &filter.ja4),
        ] {
            if let Some(value) = value {
                values.push((kind, Values::Is(value.clone())));
            }
        }
        if let Some(status) = filter.status {
            let (first, last) = status.range();
            let texts = (first..=last).map(|status| status.to_string()).collect();
            values.push((Kind::Status, Values::AnyOf(texts)));
        }
        let attacked = filter.attack.as_deref() == Some(ANY_ATTACK);
        if let Some(attack) = filter.attack.clone().filter(|_| !attacked) {
            values.push((Kind::Attack, Values::Is(attack)));
        }
        if let Some(endpoint) = &filter.endpoint {
            // `/users/42` finds `/users/{int}` too.
            let texts = vec![endpoint.clone(), crate::path_template::endpoint(endpoint)];
            values.push((Kind::Endpoint, Values::Holds(texts)));
        }
        let period = filter.from.is_some() || filter.to.is_some();
        let bits = values.len() + usize::from(period) + usize::from(attacked);
        Predicates { values, period, attacked, denied: filter.denied, all: (1u32 << bits) - 1 }
    }

    /// Bits of the filters that a part meets by its own numbers.
    pub(super) fn met_by_part(&self, filter: &Filter, part: &Candidate) -> u32 {
        let mut bit = 1u32 << self.values.len();
        let mut met = 0;
        if self.period {
            if filter.from.is_none_or(|from| part.last_ts as u64 >= from)
                && filter.to.is_none_or(|to| part.first_ts as u64 <= to)
            {
                met |= bit;
            }
            bit <<= 1;
        }
        if self.attacked && part.attacks > 0 {
            met |= bit;
        }
        met
    }

    /// Whether a session may be looked for whose parts that meet some filter by value meet `met`: what its
    /// other parts can add are filters by their own numbers.
    pub(super) fn may_be_met(&self, met: u32) -> bool {
        let by_value = (1u32 << self.values.len()) - 1;
        met & by_value == by_value
    }

    /// Whether a session that meets `met` is looked for.
    pub(super) fn all_met(&self, met: u32, denied: i64) -> bool {
        met == self.all && self.denied.is_none_or(|want| want == (denied > 0))
    }
}

/// Parts of a day that meet each filter by value, a set of bits for each.
pub(super) struct Sets(Vec<Vec<u64>>);

/// Up to this many parts are looked up; a scan of all takes as long as a few hundred rows.
pub(super) const FEW: usize = 1_000;

fn holds(words: &[u64], part: i64) -> bool {
    let at = usize::try_from(part).unwrap_or_default();
    words.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0)
}

impl Sets {
    /// Finds the parts that meet each filter by value.
    pub(super) fn load(connection: &Connection, predicates: &Predicates) -> rusqlite::Result<Sets> {
        let mut sets = Vec::new();
        for (kind, values) in &predicates.values {
            let mut words = Vec::new();
            for string in strings(connection, *kind, values)? {
                postings::read(connection, *kind as u8, string, |first, bits| {
                    let end = first + bits.len();
                    if words.len() < end {
                        words.resize(end, 0);
                    }
                    let row = words.iter_mut().skip(first);
                    row.zip(bits).for_each(|(word, bits)| *word |= bits);
                })?;
            }
            sets.push(words);
        }
        Ok(Sets(sets))
    }

    /// Bits of the filters that a part meets.
    pub(super) fn met(&self, part: i64) -> u32 {
        self.0.iter().enumerate().fold(0, |met, (n, set)| met | u32::from(holds(set, part)) << n)
    }

    /// Whether `met` has all filters by value.
    pub(super) fn all_met(&self, met: u32) -> bool {
        met == (1u32 << self.0.len()) - 1
    }

    /// The parts that meet at least one filter, if there are filters and few such parts. A part
    /// that meets none cannot help its session.
    pub(super) fn few(&self) -> Option<Vec<i64>> {
        let ones = |word: &u64| word.count_ones() as usize;
        let count: usize = self.0.iter().flatten().map(ones).sum();
        if self.0.is_empty() || count > FEW {
            return None;
        }
        let mut all = vec![0; self.0.iter().map(Vec::len).max().unwrap_or_default()];
        for set in &self.0 {
            all.iter_mut().zip(set).for_each(|(all, set)| *all |= set);
        }
        Some(postings::ones(&all).map(|part| part as i64).collect())
    }
}

fn strings(connection: &Connection, kind: Kind, values: &Values) -> rusqlite::Result<Vec<i64>> {
    let mut found = Vec::new();
    let mut find = |text: &str| -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached("SELECT id FROM string WHERE text = ?")?;
        let mut rows = statement.query([text])?;
        if let Some(row) = rows.next()? {
            found.push(row.get(0)?);
        }
        Ok(())
    };
    match values {
        Values::Is(text) => find(text)?,
        Values::AnyOf(texts) => texts.iter().try_for_each(|text| find(text))?,
        Values::Holds(parts) => {
            let mut statement = connection.prepare_cached(
                "SELECT string.id, text FROM facet JOIN string ON string.id = facet.string
                 WHERE kind = ?",
            )?;
            let mut rows = statement.query([kind as u8])?;
            while let Some(row) = rows.next()? {
                let text = row.get_ref(1)?.as_str().unwrap_or_default();
                if parts.iter().any(|part| contains_ignore_case(text, part)) {
                    found.push(row.get(0)?);
                }
            }
        }
    }
    Ok(found)
}
