//! Filters on sessions as bit masks: which conditions a part of a session meets.

use rusqlite::{Connection, OptionalExtension};

use super::codec::Facet;
use super::live::Live;
use super::part::Part;
use api_sessions_store::Day;
use api_sessions_store::query::{ANY_ATTACK, Filter, contains_ignore_case};
use api_sessions_store::session_days::Kind;

/// Filters of a query.
pub(super) struct Predicates {
    values: Vec<(Kind, Values)>,
    from: u64,
    to: u64,
    denied: Option<bool>,
    /// All conditions, one bit each: value filters from bit 0 up, then the conditions below.
    all: u32,
}

/// Conditions that depend on a session's totals: it began before the period ends, it ended after the period
/// begins, it has malicious requests, it has denied requests.
const BEGINS: u32 = 1 << 28;
const ENDS: u32 = 1 << 29;
const ATTACKED: u32 = 1 << 30;
const DENIED: u32 = 1 << 31;

enum Values {
    Is(String),
    Status(u16, u16),
    Holds(Vec<String>),
}

/// For each value filter, in order: the values in one segment of which a session must have at least one.
pub(super) type Wanted = Vec<Vec<Facet>>;

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
            (Kind::Country, &filter.country),
            (Kind::Asn, &filter.asn),
            (Kind::Organisation, &filter.organisation),
        ] {
            if let Some(value) = value {
                values.push((kind, Values::Is(value.clone())));
            }
        }
        if let Some(status) = filter.status {
            let (first, last) = status.range();
            values.push((Kind::Status, Values::Status(first, last)));
        }
        let attacked = filter.attack.as_deref() == Some(ANY_ATTACK);
        if let Some(attack) = filter.attack.clone().filter(|_| !attacked) {
            values.push((Kind::Attack, Values::Is(attack)));
        }
        if let Some(endpoint) = &filter.endpoint {
            // `/users/42` finds `/users/{int}` too.
            let texts =
                vec![endpoint.clone(), api_sessions_store::path_template::endpoint(endpoint)];
            values.push((Kind::Endpoint, Values::Holds(texts)));
        }
        let mut all = (1 << values.len()) - 1;
        for (is_asked, bit) in [
            (filter.from.is_some() || filter.to.is_some(), BEGINS | ENDS),
            (attacked, ATTACKED),
            (filter.denied == Some(true), DENIED),
        ] {
            all |= if is_asked { bit } else { 0 };
        }
        let (from, to) = (filter.from.unwrap_or(0), filter.to.unwrap_or(u64::MAX));
        Predicates { values, from, to, denied: filter.denied, all }
    }

    /// Whether there are value filters.
    pub(super) fn has_values(&self) -> bool {
        !self.values.is_empty()
    }

    /// The bits of all value filters.
    pub(super) fn all_values(&self) -> u32 {
        (1 << self.values.len()) - 1
    }

    /// The other conditions that a part meets, one bit each. A session is in the period if it was active in
    /// it, or before and after it on the same day. For periods longer than that day, one part is enough.
    pub(super) fn met(&self, part: &Part) -> u32 {
        let (begins, ends) = (part.first <= self.to, part.last >= self.from);
        let alone = Day::of(self.from) != Day::of(self.to);
        let bit = |is_met: bool, bit: u32| if is_met { bit } else { 0 };
        bit(begins && (ends || !alone), BEGINS)
            | bit(ends && (begins || !alone), ENDS)
            | bit(part.attacks > 0, ATTACKED)
            | bit(part.denied > 0, DENIED)
    }

    /// Whether a session whose parts meet these conditions between them matches.
    pub(super) fn matches(&self, session: &Part) -> bool {
        session.met & self.all == self.all && (self.denied != Some(false) || session.denied == 0)
    }

    /// Resolves value filters for an open segment.
    pub(super) fn of_live(&self, live: &Live) -> Wanted {
        let of = |(kind, values): &(Kind, Values)| {
            let facet = |string: u32| Facet::new(*kind, string);
            let mut wanted: Vec<Facet> = match values {
                Values::Is(text) => {
                    live.strings.get(&**text).map(|id| forms(*kind, *id)).unwrap_or_default()
                }
                Values::Status(first, last) => {
                    (*first..=*last).map(|status| facet(u32::from(status))).collect()
                }
                Values::Holds(parts) => live
                    .endpoints
                    .iter()
                    .filter(|(_, text)| holds_one(text, parts))
                    .map(|(id, _)| facet(*id))
                    .collect(),
            };
            wanted.sort_unstable();
            wanted
        };
        self.values.iter().map(of).collect()
    }

    /// Resolves value filters for a closed segment.
    pub(super) fn of_file(&self, connection: &Connection) -> rusqlite::Result<Wanted> {
        let of = |(kind, values): &(Kind, Values)| {
            let facet = |string: u32| Facet::new(*kind, string);
            Ok(match values {
                Values::Is(text) => connection
                    .prepare_cached("SELECT id FROM string WHERE text = ?")?
                    .query_row([text], |row| row.get(0))
                    .optional()?
                    .map_or_else(Vec::new, |id| forms(*kind, id)),
                Values::Status(first, last) => {
                    (*first..=*last).map(|status| facet(u32::from(status))).collect()
                }
                Values::Holds(parts) => {
                    let mut found = Vec::new();
                    let mut statement = connection.prepare_cached(
                        "SELECT string.id, text FROM session_value JOIN string ON string.id = value
                         WHERE kind = ?",
                    )?;
                    let mut rows = statement.query([Kind::Endpoint as u8])?;
                    while let Some(row) = rows.next()? {
                        if holds_one(row.get_ref(1)?.as_str().unwrap_or_default(), parts) {
                            found.push(facet(row.get(0)?));
                        }
                    }
                    found.sort_unstable();
                    found
                }
            })
        };
        self.values.iter().map(of).collect()
    }
}

/// The values, sorted, that a filter by a value of `kind` finds: of JA4, the stable form too.
fn forms(kind: Kind, string: u32) -> Vec<Facet> {
    let stable = (kind == Kind::Ja4).then_some(Kind::Ja4Stable);
    stable.into_iter().chain([kind]).map(|kind| Facet::new(kind, string)).collect()
}

fn holds_one(text: &str, parts: &[String]) -> bool {
    parts.iter().any(|part| contains_ignore_case(text, part))
}
