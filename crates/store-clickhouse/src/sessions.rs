//! The list of sessions: rows are grouped into day parts by session and day, then into sessions.

use std::collections::HashMap;

use serde::Deserialize;

use super::connection::Connection;
use super::joined::Requests;
use super::sql::{Sql, Value};
use super::{detail, filter, identity};
use api_sessions_store::limits::MAX_EXACT_TOTAL;
use api_sessions_store::query::{ANY_ATTACK, Filter, Paged, SessionQuery, Sort};
use api_sessions_store::{SessionPage, StoreError, cursor};

/// Sort position of the last item on the previous page.
struct After {
    value: i64,
    session: String,
}

#[derive(Deserialize)]
struct Found {
    whole: String,
    value: i64,
}

#[derive(Deserialize)]
struct Total {
    total: u64,
}

pub(super) async fn page(
    connection: &Connection,
    query: &SessionQuery,
) -> Result<SessionPage, StoreError> {
    let after = match query.verify_cursor("clickhouse")? {
        None => None,
        Some(position) => Some(read_position(&position).ok_or_else(cursor::invalid)?),
    };
    let sessions = sessions(connection, &query.filter).await?;
    let most = MAX_EXACT_TOTAL + 1;
    let total = Sql::new("SELECT count() AS total FROM (SELECT 1 FROM (")
        .then(sessions.clone())
        .add(&format!(") LIMIT {most})"), []);

    let (order, beyond) = if query.ascending { ("ASC", ">") } else { ("DESC", "<") };
    let value = match query.sort {
        Sort::LastTs => "last_ts",
        Sort::FirstTs => "first_ts",
        Sort::Requests => "requests",
        Sort::Attacks => "attacks",
        Sort::Denied => "denied",
        Sort::Duration => "(last_ts - first_ts)",
    };
    let mut sql = Sql::new(format!("SELECT whole, toInt64({value}) AS value FROM ("))
        .then(sessions)
        .add(") WHERE 1", []);
    if let Some(after) = &after {
        let place = [after.value.into(), after.value.into(), Value::from(&after.session)];
        sql = sql.add(&format!(" AND (value {beyond} ? OR (value = ? AND whole > ?))"), place);
    }
    // One more than the page size, to detect another page.
    let limit = query.limit + 1;
    sql = sql.add(&format!(" ORDER BY value {order}, whole ASC LIMIT {limit}"), []);
    let (total, mut found): (Vec<Total>, Vec<Found>) =
        tokio::try_join!(connection.rows(total), connection.rows(sql))?;
    let total =
        total.first().ok_or_else(|| StoreError::Unavailable("clickhouse: no total".into()))?;
    let more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| query.sign_cursor("clickhouse", &[&last.value.to_string(), &last.whole]));
    let ids: Vec<String> = found.into_iter().map(|found| found.whole).collect();
    let details = detail::read(connection, &ids, &query.filter, false).await?;
    let mut by_id: HashMap<String, _> = details
        .into_iter()
        .map(|detail| (detail.summary.session.clone(), detail.summary))
        .collect();
    let sessions = ids.iter().filter_map(|id| by_id.remove(id)).collect();
    Ok(SessionPage {
        total: total.total.min(MAX_EXACT_TOTAL),
        total_is_lower_bound: total.total > MAX_EXACT_TOTAL,
        sessions,
        next,
        incomplete: Vec::new(),
    })
}

fn read_position(position: &[String]) -> Option<After> {
    match position {
        [value, session] => Some(After { value: value.parse().ok()?, session: session.clone() }),
        _ => None,
    }
}

/// The matching sessions, one row each, with their counts.
async fn sessions(connection: &Connection, wanted: &Filter) -> Result<Sql, StoreError> {
    let days = filter::days(wanted);
    let requests = match &wanted.session {
        Some(session) => {
            Requests::of_sessions(connection, &[identity::root(connection, session).await?]).await?
        }
        None => Requests::of_days(connection, &days).await?,
    };
    let session = requests.session();
    let mut conditions = filter::by_value(wanted);
    conditions.extend(wanted.endpoint.as_deref().map(filter::endpoint));
    // Day parts: a session's totals on one day.
    let mut parts = Sql::new(format!(
        "SELECT {session} AS whole, min(ts) AS part_first, max(ts) AS part_last, count() AS part_requests, \
         countIf(notEmpty(attacks)) AS part_attacks, sum(denied) AS part_denied"
    ));
    for (n, condition) in conditions.iter().enumerate() {
        parts = parts.add(", max(", []).then(condition.clone()).add(&format!(") AS met_{n}"), []);
    }
    parts = parts.then(requests.each_once()).add(" AND ", []).then(days.clone());
    // Group only sessions that may match. In a cluster, `GLOBAL` determines their ids once for all shards.
    for condition in &conditions {
        parts = parts
            .add(&format!(" AND {session} GLOBAL IN (SELECT {session}"), [])
            .then(requests.any())
            .add(" AND ", [])
            .then(days.clone())
            .add(" AND ", [])
            .then(condition.clone())
            .add(")", []);
    }
    parts = parts.add(" GROUP BY whole, day", []);

    let mut sql = Sql::new(
        "SELECT whole, min(part_first) AS first_ts, max(part_last) AS last_ts, \
         sum(part_requests) AS requests, sum(part_attacks) AS attacks, sum(part_denied) AS denied FROM (",
    )
    .then(parts)
    .add(") GROUP BY whole HAVING 1", []);
    for n in 0..conditions.len() {
        sql = sql.add(&format!(" AND max(met_{n}) = 1"), []);
    }
    if wanted.from.is_some() || wanted.to.is_some() {
        let (from, to) = (wanted.from.unwrap_or(0), wanted.to.unwrap_or(i64::MAX as u64));
        let period = [from.into(), to.into()];
        sql = sql.add(" AND max(part_last >= ? AND part_first <= ?) = 1", period);
    }
    if wanted.attack.as_deref() == Some(ANY_ATTACK) {
        sql = sql.add(" AND max(part_attacks) > 0", []);
    }
    Ok(match wanted.denied {
        Some(true) => sql.add(" AND sum(part_denied) > 0", []),
        Some(false) => sql.add(" AND sum(part_denied) = 0", []),
        None => sql,
    })
}
