//! What a session's parts tell of it: the row of a list, and the counts of a detail.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::codec::{Counts, Facet, Key, hex};
use super::index::Index;
use super::live::Numbers;
use super::part;
use super::row::Resolve;
use super::segment::Segment;
use super::strings::Strings;
use crate::session_days::{Kind, MAX_VALUES, OTHER_TEXT, SessionDayCounts, detail};
use crate::{Day, MAX_LISTED, SessionDay, SessionDetail};

/// The part of a session in one segment.
struct SessionPart {
    name: String,
    numbers: Numbers,
    key: String,
    source: String,
    user: Option<String>,
    role: Option<String>,
    /// Values with their kinds and counts; no more of a kind than are shown.
    values: Vec<(Kind, String, u64)>,
    /// Values that are not in `values`: how many, and their counts.
    others: BTreeMap<u8, (u64, u64)>,
}

/// A session from all its segments, which come oldest first; `all_values`: not only what a list shows.
pub(super) fn session(segments: &[Segment], key: &Key, all_values: bool) -> Option<SessionDetail> {
    let mut days: BTreeMap<Day, Vec<SessionPart>> = BTreeMap::new();
    for segment in segments {
        if let Some(part) = read_part(segment, key, all_values) {
            days.entry(segment.id.day).or_default().push(part);
        }
    }
    let name = days.values().flatten().next()?.name.clone();
    let parts = days.into_iter().map(|(day, parts)| merge(day, parts, all_values)).collect();
    detail(&name, parts)
}

fn read_part(segment: &Segment, key: &Key, all_values: bool) -> Option<SessionPart> {
    let id = segment.find(key)?;
    let of_live = match segment.index()? {
        Index::Open(live) => {
            let live = live.read();
            let session = live.session(id)?;
            Some((session.numbers, session.counts.clone()))
        }
        Index::Closed(_) => None,
    };
    segment.read(|connection| {
        let (numbers, counts) = match of_live {
            Some(known) => known,
            None => (read_numbers(connection, id)?, part::counts(connection, id)?),
        };
        let mut strings = Strings::new(connection);
        let mut text = |id: u32| match id {
            0 => Ok(None),
            id => strings.resolve(id).map(Some),
        };
        let name: Option<String> = connection
            .prepare_cached("SELECT name FROM session WHERE id = ?")?
            .query_row([id], |row| row.get(0))?;
        let (key_text, source) = (text(numbers.key)?, text(numbers.source)?);
        let (user, role) = (text(numbers.user)?, text(numbers.role)?);
        let (values, others) = texts(counts, &mut strings, all_values)?;
        Ok(SessionPart {
            name: name.unwrap_or_else(|| hex(key)),
            numbers,
            key: key_text.unwrap_or_default(),
            source: source.unwrap_or_default(),
            user,
            role,
            values,
            others,
        })
    })
}

fn read_numbers(connection: &Connection, id: u32) -> rusqlite::Result<Numbers> {
    connection
        .prepare_cached(
            "SELECT first_ts, last_ts, requests, attacks, denied, user_ts, role_ts,
                    key, source, user, role FROM session WHERE id = ?",
        )?
        .query_row([id], |row| {
            let number = |at| row.get::<_, i64>(at).map(|n| n as u64);
            Ok(Numbers {
                first: number(0)?,
                last: number(1)?,
                requests: number(2)?,
                attacks: number(3)?,
                denied: number(4)?,
                user_ts: number(5)?,
                role_ts: number(6)?,
                key: row.get(7)?,
                source: row.get(8)?,
                user: row.get(9)?,
                role: row.get(10)?,
            })
        })
}

/// Most values of a kind in an answer.
fn most(all_values: bool) -> usize {
    if all_values { MAX_VALUES } else { MAX_LISTED }
}

type Texts = (Vec<(Kind, String, u64)>, BTreeMap<u8, (u64, u64)>);

/// Strings of the counts, of each kind those that occur most; for a list only of the kinds that a list shows.
fn texts(
    mut counts: Counts,
    strings: &mut Strings<'_>,
    all_values: bool,
) -> rusqlite::Result<Texts> {
    let listed = [Kind::Ip, Kind::Host, Kind::Application, Kind::Attack, Kind::Endpoint];
    if !all_values {
        counts.retain(|(value, _)| listed.iter().any(|kind| *kind as u8 == value.kind()));
    }
    let (mut values, mut others) = (Vec::new(), BTreeMap::new());
    for of_kind in counts.chunk_by_mut(|a, b| a.0.kind() == b.0.kind()) {
        of_kind.sort_by_key(|(value, count)| (std::cmp::Reverse(*count), *value));
        // Two segments of a day may have different ones: more than are shown in the end.
        let (shown, left) = of_kind.split_at(of_kind.len().min(2 * most(all_values)));
        for (value, count) in shown {
            let Some((kind, _)) = Kind::ALL.iter().find(|(kind, _)| *kind as u8 == value.kind())
            else {
                continue;
            };
            values.push((*kind, text_of(*kind, *value, strings)?, u64::from(*count)));
        }
        if let Some((value, _)) = left.first() {
            let sum = left.iter().map(|(_, count)| u64::from(*count)).sum();
            others.insert(value.kind(), (left.len() as u64, sum));
        }
    }
    Ok((values, others))
}

fn text_of(kind: Kind, value: Facet, strings: &mut Strings<'_>) -> rusqlite::Result<String> {
    match kind {
        Kind::Status => Ok(value.string().to_string()),
        _ => strings.resolve(value.string()),
    }
}

/// Puts the parts of a day together.
fn merge(day: Day, parts: Vec<SessionPart>, all_values: bool) -> SessionDayCounts {
    let mut sum = Numbers::default();
    let mut merged = SessionDayCounts {
        part: SessionDay {
            day: day.to_string(),
            first_ts: 0,
            last_ts: 0,
            requests: 0,
            attacks: 0,
            denied: 0,
        },
        user: None,
        role: None,
        key: String::new(),
        source: String::new(),
        counts: Vec::new(),
        endpoints: 0,
    };
    let mut counts: BTreeMap<(Kind, String), u64> = BTreeMap::new();
    let mut others: BTreeMap<u8, (u64, u64)> = BTreeMap::new();
    for part in parts {
        let n = part.numbers;
        sum.first = sum.first.min(n.first);
        sum.requests += n.requests;
        sum.attacks += n.attacks;
        sum.denied += n.denied;
        if n.last >= sum.last {
            sum.last = n.last;
            (merged.key, merged.source) = (part.key, part.source);
        }
        if part.user.is_some() && n.user_ts >= sum.user_ts {
            (merged.user, sum.user_ts) = (part.user, n.user_ts);
        }
        if part.role.is_some() && n.role_ts >= sum.role_ts {
            (merged.role, sum.role_ts) = (part.role, n.role_ts);
        }
        for (kind, text, count) in part.values {
            *counts.entry((kind, text)).or_default() += count;
        }
        for (kind, (values, count)) in part.others {
            let other = others.entry(kind).or_default();
            *other = (other.0 + values, other.1 + count);
        }
    }
    merged.part.first_ts = sum.first;
    merged.part.last_ts = sum.last;
    merged.part.requests = sum.requests;
    merged.part.attacks = sum.attacks;
    merged.part.denied = sum.denied;
    let mut counts: Vec<(Kind, String, u64)> =
        counts.into_iter().map(|((kind, text), count)| (kind, text, count)).collect();
    for of_kind in counts.chunk_by_mut(|a, b| a.0 == b.0) {
        let Some(kind) = of_kind.first().map(|value| value.0) else { continue };
        of_kind.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.1.cmp(&b.1)));
        let (shown, left) = of_kind.split_at(of_kind.len().min(most(all_values)));
        merged.counts.extend_from_slice(shown);
        let (mut values, mut count) = others.get(&(kind as u8)).copied().unwrap_or_default();
        values += left.len() as u64;
        count += left.iter().map(|value| value.2).sum::<u64>();
        if kind == Kind::Endpoint {
            merged.endpoints = shown.len() as u64 + values;
        }
        if all_values && count > 0 {
            merged.counts.push((kind, OTHER_TEXT.to_owned(), count));
        }
    }
    merged
}
