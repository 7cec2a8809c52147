//! What a session's parts tell of it: the row of a list, and the counts of a detail.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

use super::body::Resolve;
use super::days::{DayFile, Key, Strings};
use super::facets::{Facets, Kind, OTHER};
use crate::store::query::{
    Counted, MAX_ENDPOINTS, MAX_LISTED, Part, SessionDetail, SessionSummary,
};

/// What is shown for values beyond the limit of values kept.
const OTHER_TEXT: &str = "(other)";

/// One day part, as far as its day knows.
pub(super) struct DayPart {
    part: Part,
    user: Option<String>,
    role: Option<String>,
    key: String,
    source: &'static str,
    counts: Vec<(u8, String, u64)>,
    /// How many endpoints it has.
    endpoints: u64,
}

/// Reads the part of `session` from one day.
pub(super) fn read_part(
    connection: &Connection,
    file: &DayFile,
    session: &str,
    all_values: bool,
) -> rusqlite::Result<Option<DayPart>> {
    let mut strings = Strings::new(connection);
    connection
        .prepare_cached(
            "SELECT first_ts, last_ts, requests, attacks, denied, user, role, key, source, facets
             FROM part JOIN part_detail ON part_detail.id = part.id WHERE session = ?",
        )?
        .query_row([Key(session)], |row| {
            let mut optional = |at: usize| -> rusqlite::Result<Option<String>> {
                let id: Option<i64> = row.get(at)?;
                Ok(id.and_then(|id| strings.resolve(id)))
            };
            let (user, role) = (optional(5)?, optional(6)?);
            let key = optional(7)?.unwrap_or_default();
            let facets = match row.get_ref(9)? {
                ValueRef::Blob(bytes) => Facets::read(bytes),
                _ => Facets::default(),
            };
            Ok(DayPart {
                part: Part {
                    day: file.day.to_string(),
                    first_ts: row.get::<_, i64>(0)? as u64,
                    last_ts: row.get::<_, i64>(1)? as u64,
                    requests: row.get::<_, i64>(2)? as u64,
                    attacks: row.get::<_, i64>(3)? as u64,
                    denied: row.get::<_, i64>(4)? as u64,
                },
                user,
                role,
                key,
                source: match row.get(8)? {
                    0i64 => "key",
                    1 => "builtin",
                    2 => "ip_ua",
                    _ => "ip",
                },
                endpoints: facets.0.iter().filter(|entry| entry.0.0 == Kind::Endpoint as u8).count()
                    as u64,
                counts: texts(facets, &mut strings, all_values),
            })
        })
        .optional()
}

/// Strings of the counts; for a list only of the values that a list shows.
fn texts(facets: Facets, strings: &mut Strings<'_>, all: bool) -> Vec<(u8, String, u64)> {
    let listed = [Kind::Ip, Kind::Host, Kind::Application, Kind::Attack, Kind::Endpoint];
    let listed = listed.map(|kind| kind as u8);
    let mut wanted = facets.0;
    if !all {
        wanted.retain(|((kind, string), _)| listed.contains(kind) && *string != OTHER);
        wanted.sort_by_key(|((kind, _), count)| (*kind, std::cmp::Reverse(*count)));
        let (mut kind, mut of_kind) = (0, 0);
        wanted.retain(|entry| {
            if std::mem::replace(&mut kind, entry.0.0) != entry.0.0 {
                of_kind = 0;
            }
            of_kind += 1;
            of_kind <= MAX_LISTED
        });
    }
    wanted
        .into_iter()
        .filter_map(|((kind, string), count)| {
            let text =
                if string == OTHER { OTHER_TEXT.to_owned() } else { strings.resolve(string)? };
            Some((kind, text, count))
        })
        .collect()
}

/// Puts the parts of a session together; `None`: there are none.
pub(super) fn detail(session: &str, parts: Vec<DayPart>) -> Option<SessionDetail> {
    let mut summary = SessionSummary {
        session: session.to_owned(),
        first_ts: u64::MAX,
        ..SessionSummary::default()
    };
    let mut counts: HashMap<(u8, String), u64> = HashMap::new();
    let mut listed = Vec::with_capacity(parts.len());
    let mut endpoint_count = 0;
    // Oldest first: the newest user, role and key are what stays.
    for part in parts {
        summary.first_ts = summary.first_ts.min(part.part.first_ts);
        summary.last_ts = summary.last_ts.max(part.part.last_ts);
        summary.requests += part.part.requests;
        summary.attacks += part.part.attacks;
        summary.denied += part.part.denied;
        summary.user = part.user.or(summary.user);
        summary.role = part.role.or(summary.role);
        summary.key = part.key;
        summary.source = part.source.to_owned();
        summary.days.push(part.part.day.clone());
        endpoint_count = endpoint_count.max(part.endpoints);
        for (kind, text, count) in part.counts {
            *counts.entry((kind, text)).or_default() += count;
        }
        listed.push(part.part);
    }
    if listed.is_empty() {
        return None;
    }
    let mut by: BTreeMap<String, Vec<Counted>> =
        Kind::ALL.iter().map(|(_, name)| ((*name).to_owned(), Vec::new())).collect();
    for ((kind, value), count) in counts {
        let name = Kind::ALL.iter().find(|entry| entry.0 as u8 == kind).map(|entry| entry.1);
        if let Some(values) = name.and_then(|name| by.get_mut(name)) {
            let share = count as f64 / summary.requests.max(1) as f64;
            values.push(Counted { value, count, share });
        }
    }
    for values in by.values_mut() {
        values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    }
    let first = |name: &str| -> Vec<String> {
        by.get(name)
            .into_iter()
            .flatten()
            .filter(|counted| counted.value != OTHER_TEXT)
            .take(MAX_LISTED)
            .map(|counted| counted.value.clone())
            .collect()
    };
    summary.ips = first("ip");
    summary.hosts = first("host");
    summary.applications = first("application");
    summary.attack_types = first("attack");
    let endpoints = by.get("endpoint").map(Vec::as_slice).unwrap_or_default();
    summary.endpoints = endpoints.iter().take(MAX_ENDPOINTS).cloned().collect();
    summary.endpoint_count = endpoint_count.max(endpoints.len() as u64);
    Some(SessionDetail { summary, parts: listed, by })
}

/// A session from all its days.
pub(super) fn session(
    days: &[Arc<DayFile>],
    session: &str,
    all_values: bool,
) -> Option<SessionDetail> {
    let parts = days
        .iter()
        .filter_map(|file| {
            file.read(|connection| read_part(connection, file, session, all_values)).flatten()
        })
        .collect();
    detail(session, parts)
}
