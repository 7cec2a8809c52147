//! Totals and values of sessions.

use std::collections::HashMap;

use serde::Deserialize;

use super::connection::Connection;
use super::filter;
use super::joined::Requests;
use super::sql::Sql;
use api_sessions_store::limits::{MAX_DETAIL_VALUES, MAX_SUMMARY_VALUES};
use api_sessions_store::session_days::{Kind, OTHER_TEXT, SessionPart, detail};
use api_sessions_store::{Filter, SessionDay};
use api_sessions_store::{SessionDetail, StoreError};

#[derive(Deserialize)]
struct PartRow {
    whole: String,
    part_day: String,
    first_ts: u64,
    last_ts: u64,
    part_requests: u64,
    part_attacks: u64,
    part_denied: u64,
    last_user: String,
    last_role: String,
    last_key: String,
    last_source: String,
}

#[derive(Deserialize)]
struct CountRow {
    whole: String,
    part_day: String,
    kind: String,
    /// Values with their counts, most frequent first.
    top: Vec<(u64, String)>,
    /// Total over all values, including those not in `top`.
    total: u64,
    /// Number of distinct values.
    found: u64,
}

/// Details of sessions on the days that `within` can match. `all_values` includes values beyond those shown in a list.
pub(super) async fn read(
    connection: &Connection,
    sessions: &[String],
    within: &Filter,
    all_values: bool,
) -> Result<Vec<SessionDetail>, StoreError> {
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    let requests = Requests::of_sessions(connection, sessions).await?;
    let session = requests.session();
    let from = || requests.each_once().add(" AND ", []).then(filter::days(within));
    let place = "(ts, batch, line)";
    // No alias has the name of a column, since old servers confuse the two.
    let parts = Sql::new(format!(
        "SELECT {session} AS whole, toString(day) AS part_day, min(ts) AS first_ts, max(ts) AS last_ts, \
         count() AS part_requests, countIf(notEmpty(attacks)) AS part_attacks, sum(denied) AS part_denied, \
         argMaxIf(assumeNotNull(user), {place}, isNotNull(user)) AS last_user, \
         argMaxIf(assumeNotNull(role), {place}, isNotNull(role)) AS last_role, \
         argMax(key, {place}) AS last_key, argMax(source, {place}) AS last_source"
    ));
    let parts = parts.then(from()).add(" GROUP BY whole, day", []);

    let listed = if all_values { MAX_DETAIL_VALUES } else { MAX_SUMMARY_VALUES };
    let values = "arrayJoin(arrayConcat(arrayMap(a -> ('attack', a, 1), attacks), arrayFilter(x -> x.3 = 1, [\
        ('application', ifNull(app, ''), isNotNull(app)), ('host', ifNull(host, ''), isNotNull(host)), \
        ('ip', ip, 1), ('user', ifNull(user, ''), isNotNull(user)), ('role', ifNull(role, ''), isNotNull(role)), \
        ('status', toString(status), 1), ('method', method, 1), ('endpoint', endpoint, 1), \
        ('ua', ifNull(ua, ''), isNotNull(ua)), ('ja4', ifNull(ja4, ''), isNotNull(ja4)), \
        ('ja4_stable', ifNull(ja4_stable, ''), isNotNull(ja4_stable)), \
        ('country', ifNull(country, ''), isNotNull(country)), ('asn', ifNull(asn, ''), isNotNull(asn)), \
        ('organisation', ifNull(organisation, ''), isNotNull(organisation)), ('key', key, 1)]))) AS value";
    let counts = Sql::new(format!(
        "SELECT whole, toString(day) AS part_day, kind, \
         arraySlice(arrayReverseSort(groupArray((c, v))), 1, {listed}) AS top, sum(c) AS total, count() AS found \
         FROM (SELECT whole, day, value.1 AS kind, value.2 AS v, count() AS c \
         FROM (SELECT {session} AS whole, day, {values}"
    ))
    .then(from())
    .add(") GROUP BY whole, day, kind, v) GROUP BY whole, day, kind", []);
    let (mut parts, counts): (Vec<PartRow>, Vec<CountRow>) =
        tokio::try_join!(connection.rows(parts), connection.rows(counts))?;

    let mut by_part: HashMap<(String, String), Vec<CountRow>> = HashMap::new();
    for row in counts {
        by_part.entry((row.whole.clone(), row.part_day.clone())).or_default().push(row);
    }
    let mut of_session: HashMap<&str, Vec<SessionPart>> = HashMap::new();
    parts.sort_by(|a, b| a.part_day.cmp(&b.part_day));
    for part in &parts {
        let counts =
            by_part.remove(&(part.whole.clone(), part.part_day.clone())).unwrap_or_default();
        of_session.entry(&part.whole).or_default().push(day_part(part, counts, all_values));
    }
    Ok(sessions
        .iter()
        .filter_map(|session| detail(session, of_session.remove(session.as_str())?))
        .collect())
}

fn day_part(row: &PartRow, counts: Vec<CountRow>, all_values: bool) -> SessionPart {
    // There is one part per day, so any time within the day gives the right order.
    let some = |text: &str| (!text.is_empty()).then(|| (row.last_ts, text.to_owned()));
    let mut endpoints = 0;
    let mut values = Vec::new();
    for count in counts {
        let Some(kind) = Kind::ALL.iter().find(|(_, name)| *name == count.kind) else { continue };
        if kind.0 == Kind::Endpoint {
            endpoints = count.found;
        }
        let shown: u64 = count.top.iter().map(|(count, _)| count).sum();
        values.extend(count.top.into_iter().map(|(count, value)| (kind.0, value, count)));
        if all_values && count.total > shown {
            values.push((kind.0, OTHER_TEXT.to_owned(), count.total - shown));
        }
    }
    SessionPart {
        day: SessionDay {
            day: row.part_day.clone(),
            first_ts: row.first_ts,
            last_ts: row.last_ts,
            requests: row.part_requests,
            attacks: row.part_attacks,
            denied: row.part_denied,
        },
        user: some(&row.last_user),
        role: some(&row.last_role),
        key: row.last_key.clone(),
        source: row.last_source.clone(),
        counts: values,
        endpoints,
    }
}
