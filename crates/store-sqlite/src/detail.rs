//! Reads a session's parts: the row of a list and the counts of a detail.

use std::cmp::Reverse;
use std::collections::HashMap;

use rusqlite::Connection;

use super::codec::{Counts, Key, hex, unpack_counts};
use super::damaged::damaged;
use super::index::Index;
use super::live::Numbers;
use super::row::Resolve;
use super::segment::Segment;
use super::strings::Strings;
use api_sessions_store::limits::{MAX_DETAIL_VALUES, MAX_SUMMARY_VALUES};
use api_sessions_store::session_days::{Kind, OTHER_TEXT, SessionPart, detail};
use api_sessions_store::{SessionDay, SessionDetail};

/// Sessions with the parts of all segments, which come oldest first. `all_values`: not only those shown in a
/// list. Sessions that do not exist are left out.
pub(super) fn sessions(segments: &[Segment], keys: &[Key], all_values: bool) -> Vec<SessionDetail> {
    let mut found: HashMap<Key, (String, Vec<SessionPart>)> = HashMap::new();
    for segment in segments {
        for (key, name, part) in read_parts(segment, keys, all_values).unwrap_or_default() {
            found.entry(key).or_insert_with(|| (name, Vec::new())).1.push(part);
        }
    }
    keys.iter()
        .filter_map(|key| {
            let (name, parts) = found.remove(key)?;
            detail(&name, parts)
        })
        .collect()
}

/// The parts of sessions in one segment.
fn read_parts(
    segment: &Segment,
    keys: &[Key],
    all_values: bool,
) -> Option<Vec<(Key, String, SessionPart)>> {
    let ids = segment.find_all(keys.iter());
    if ids.is_empty() {
        return None;
    }
    let day = segment.id.day.to_string();
    let index = segment.index()?;
    let of_live = |id: u32| match &index {
        Index::Open(live) => {
            live.read().session(id).map(|session| (session.numbers, session.counts.clone()))
        }
        Index::Closed(_) => None,
    };
    segment.read(|connection| {
        let mut strings = Strings::new(connection);
        let moved = segment.moved();
        let mut names = connection.prepare_cached("SELECT name FROM session WHERE id = ?")?;
        let mut parts = Vec::with_capacity(ids.len());
        for (key, id) in &ids {
            let (numbers, counts) = match of_live(*id) {
                Some(known) => known,
                None => (read_numbers(connection, *id)?, read_counts(connection, *id)?),
            };
            let name: Option<String> = match moved.root(*id) {
                Some(root) => Some(segment.name_of_root(&root)),
                None => names.query_row([id], |row| row.get(0))?,
            };
            let part = part(&day, numbers, counts, &mut strings, all_values)?;
            parts.push((*key, name.unwrap_or_else(|| hex(key)), part));
        }
        Ok(parts)
    })
}

/// The key of a session of a closed segment.
pub(super) fn key(connection: &Connection, session: u32) -> rusqlite::Result<Key> {
    let mut statement = connection.prepare_cached("SELECT session FROM session WHERE id = ?")?;
    statement.query_row([session], |row| row.get(0))
}

/// The numbers of a session of a closed segment.
pub(super) fn read_numbers(connection: &Connection, id: u32) -> rusqlite::Result<Numbers> {
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

/// How often a session of a closed segment has each value.
pub(super) fn read_counts(connection: &Connection, id: u32) -> rusqlite::Result<Counts> {
    let bytes: Vec<u8> = connection
        .prepare_cached("SELECT counts FROM session_count WHERE session = ?")?
        .query_row([id], |row| row.get(0))?;
    unpack_counts(&bytes).ok_or_else(damaged)
}

/// A part with its texts: the most frequent values of each kind; for a list, only of the kinds that a list
/// shows.
fn part(
    day: &str,
    numbers: Numbers,
    mut counts: Counts,
    strings: &mut Strings<'_>,
    all_values: bool,
) -> rusqlite::Result<SessionPart> {
    if !all_values {
        let is_listed =
            |of: u8| Kind::ALL.iter().any(|(kind, _)| *kind as u8 == of && kind.is_listed());
        counts.retain(|(value, _)| is_listed(value.kind()));
    }
    let (mut values, mut endpoints) = (Vec::new(), 0);
    for of_kind in counts.chunk_by_mut(|a, b| a.0.kind() == b.0.kind()) {
        let Some(kind) = of_kind.first().map(|(value, _)| value.kind()) else { continue };
        let Some((kind, _)) = Kind::ALL.iter().find(|known| known.0 as u8 == kind) else {
            continue;
        };
        if *kind == Kind::Endpoint {
            endpoints = of_kind.len() as u64;
        }
        of_kind.sort_by_key(|(value, count)| (Reverse(*count), *value));
        // Segments may differ in their values, so more are kept than are finally shown.
        let most = 2 * if all_values { MAX_DETAIL_VALUES } else { MAX_SUMMARY_VALUES };
        let (shown, left) = of_kind.split_at(of_kind.len().min(most));
        for (value, count) in shown {
            let text = match kind {
                Kind::Status => value.string().to_string(),
                _ => strings.resolve(value.string())?,
            };
            values.push((*kind, text, u64::from(*count)));
        }
        if all_values && !left.is_empty() {
            let sum = left.iter().map(|(_, count)| u64::from(*count)).sum();
            values.push((*kind, OTHER_TEXT.to_owned(), sum));
        }
    }
    let mut text = |id: u32| match id {
        0 => Ok(None),
        id => strings.resolve(id).map(Some),
    };
    let newest = |text: Option<String>, ts| text.map(|text| (ts, text));
    Ok(SessionPart {
        day: SessionDay {
            day: day.to_owned(),
            first_ts: numbers.first,
            last_ts: numbers.last,
            requests: numbers.requests,
            attacks: numbers.attacks,
            denied: numbers.denied,
        },
        user: newest(text(numbers.user)?, numbers.user_ts),
        role: newest(text(numbers.role)?, numbers.role_ts),
        key: text(numbers.key)?.unwrap_or_default(),
        source: text(numbers.source)?.unwrap_or_default(),
        counts: values,
        endpoints,
    })
}
