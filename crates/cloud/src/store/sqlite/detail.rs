//! What a session's parts tell of it: the row of a list, and the counts of a detail.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

use super::body::Resolve;
use super::days::{DayFile, Key, Strings};
use super::facets::{Facets, OTHER};
use crate::store::parts::{DayPart, Kind, OTHER_TEXT, detail};
use crate::store::query::{MAX_LISTED, Part, SessionDetail};

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
                }
                .to_owned(),
                endpoints: facets.0.iter().filter(|entry| entry.0.0 == Kind::Endpoint as u8).count()
                    as u64,
                counts: texts(facets, &mut strings, all_values),
            })
        })
        .optional()
}

/// Strings of the counts; for a list only of the values that a list shows.
fn texts(facets: Facets, strings: &mut Strings<'_>, all: bool) -> Vec<(Kind, String, u64)> {
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
            let kind = Kind::ALL.iter().find(|entry| entry.0 as u8 == kind)?.0;
            let text =
                if string == OTHER { OTHER_TEXT.to_owned() } else { strings.resolve(string)? };
            Some((kind, text, count))
        })
        .collect()
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
