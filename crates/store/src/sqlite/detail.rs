//! What a session's parts tell of it: the row of a list, and the counts of a detail.

use std::sync::Arc;

use rusqlite::Connection;

use super::body::Resolve;
use super::days::{DayFile, Strings, find_part};
use super::facets::{self, Count, OTHER};
use super::numbers;
use crate::session_days::{Kind, OTHER_TEXT, SessionDayCounts, detail};
use crate::{MAX_LISTED, SessionDay, SessionDetail};

/// Reads the part of `session` from one day.
pub(super) fn read_part(
    connection: &Connection,
    file: &DayFile,
    session: &str,
    all_values: bool,
) -> rusqlite::Result<Option<SessionDayCounts>> {
    let Some(part) = find_part(connection, session)? else { return Ok(None) };
    let Some(numbers) = numbers::of_part(connection, part)? else { return Ok(None) };
    let mut strings = Strings::new(connection);
    let mut word = |id: u64| (id != 0).then(|| strings.resolve(id as i64)).flatten();
    let (user, role, key) = (word(numbers.user), word(numbers.role), word(numbers.key));
    let counts = facets::of_part(connection, part)?;
    let start = file.day.start();
    Ok(Some(SessionDayCounts {
        part: SessionDay {
            day: file.day.to_string(),
            first_ts: start + numbers.first,
            last_ts: start + numbers.last,
            requests: numbers.requests,
            attacks: numbers.attacks,
            denied: numbers.denied,
        },
        user,
        role,
        key: key.unwrap_or_default(),
        source: match numbers.source {
            0 => "key",
            1 => "builtin",
            2 => "ip_ua",
            4 => "ip_ua_ja4",
            5 => "link",
            6 => "client",
            _ => "ip",
        }
        .to_owned(),
        endpoints: counts.iter().filter(|count| count.0 == Kind::Endpoint as u8).count() as u64,
        counts: texts(counts, &mut strings, all_values),
    }))
}

/// Strings of the counts; for a list only of the values that a list shows.
fn texts(mut wanted: Vec<Count>, strings: &mut Strings<'_>, all: bool) -> Vec<(Kind, String, u64)> {
    let listed = [Kind::Ip, Kind::Host, Kind::Application, Kind::Attack, Kind::Endpoint];
    let listed = listed.map(|kind| kind as u8);
    if !all {
        wanted.retain(|(kind, string, _)| listed.contains(kind) && *string != OTHER);
        wanted.sort_by_key(|(kind, _, count)| (*kind, std::cmp::Reverse(*count)));
        let (mut kind, mut of_kind) = (0, 0);
        wanted.retain(|count| {
            if std::mem::replace(&mut kind, count.0) != count.0 {
                of_kind = 0;
            }
            of_kind += 1;
            of_kind <= MAX_LISTED
        });
    }
    wanted
        .into_iter()
        .filter_map(|(kind, string, count)| {
            let kind = Kind::ALL.iter().find(|entry| entry.0 as u8 == kind)?.0;
            let text = match string {
                OTHER => OTHER_TEXT.to_owned(),
                string => strings.resolve(string as i64)?,
            };
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
