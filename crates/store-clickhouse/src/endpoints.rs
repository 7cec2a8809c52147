//! Endpoints and their counts.

use std::collections::BTreeMap;

use api_sessions_protocol::Source;
use api_sessions_store::limits::MAX_ENDPOINT_STATS;
use serde::Deserialize;

use super::connection::Connection;
use super::filter;
use super::joined::Requests;
use super::sql::Sql;
use api_sessions_store::endpoints::{Distribution, EndpointQuery, EndpointStats};
use api_sessions_store::{Filter, StoreError};

/// Values with their counts, as returned by `sumMap`.
type Counts = (Vec<u64>, Vec<u64>);

#[derive(Deserialize)]
struct Row {
    application: String,
    method: String,
    endpoint: String,
    first_ts: u64,
    last_ts: u64,
    requests: u64,
    all_attacks: u64,
    all_denied: u64,
    sessions: u64,
    successful_sessions: u64,
    users: u64,
    statuses: Counts,
    /// In the order of [`Source::ALL`].
    sources: Vec<u64>,
    times: Counts,
    sizes: Counts,
}

/// SQL for [`Distribution::rounded`] of a column.
fn rounded(column: &str) -> String {
    let width = format!("greatest(1, intDiv(roundToExp2({column}), 16))");
    format!("intDiv({column}, {width}) * {width}")
}

pub(super) async fn read(
    connection: &Connection,
    query: &EndpointQuery,
) -> Result<Vec<EndpointStats>, StoreError> {
    let filter = Filter {
        from: query.from,
        to: query.to,
        application: query.application.clone(),
        ..Filter::default()
    };
    let counts = |values: &str| format!("sumMap([toUInt64({values})], [toUInt64(1)])");
    let requests = Requests::of_days(connection, &filter::days(&filter)).await?;
    let session = requests.session();
    let sources = Source::ALL.map(|source| format!("countIf(source = '{}')", source.as_str()));
    let sql = Sql::new(format!(
        "SELECT application, method, endpoint, min(ts) AS first_ts, max(ts) AS last_ts, \
         count() AS requests, sum(is_attack) AS all_attacks, sum(is_denied) AS all_denied, \
         uniqExact(whole) AS sessions, least(2, uniqExactIf(whole, intDiv(status, 100) = 2)) AS successful_sessions, \
         uniqExactIf(name, has_name) AS users, {} AS statuses, {} AS times, {} AS sizes, \
         [{}] AS sources \
         FROM (SELECT ifNull(app, '') AS application, method, endpoint, ts, {session} AS whole, status, source, \
         ifNull(user, '') AS name, isNotNull(user) AS has_name, \
         toUInt64(notEmpty(attacks)) AS is_attack, toUInt64(denied) AS is_denied, {} AS time, {} AS size",
        counts("status"),
        counts("time"),
        counts("size"),
        sources.join(", "),
        rounded("time_ms"),
        rounded("response_bytes"),
    ))
    .then(requests.each_once())
    .add(" AND ", [])
    .then(filter::on_request(&filter))
    .add(
        &format!(
            ") GROUP BY application, method, endpoint \
             ORDER BY requests DESC, application, method, endpoint LIMIT {MAX_ENDPOINT_STATS}"
        ),
        [],
    );
    let rows: Vec<Row> = connection.rows(sql).await?;
    Ok(rows.into_iter().map(EndpointStats::from).collect())
}

impl From<Row> for EndpointStats {
    fn from(row: Row) -> EndpointStats {
        let distribution = |(values, counts): Counts| {
            Distribution(values.into_iter().zip(counts).collect::<BTreeMap<_, _>>())
        };
        let (statuses, counts) = row.statuses;
        let statuses = statuses.into_iter().filter_map(|status| u16::try_from(status).ok());
        EndpointStats {
            application: row.application,
            method: row.method,
            endpoint: row.endpoint,
            first_ts: row.first_ts,
            last_ts: row.last_ts,
            requests: row.requests,
            attacks: row.all_attacks,
            denied: row.all_denied,
            sessions: row.sessions,
            successful_sessions: row.successful_sessions,
            users: row.users,
            statuses: statuses.zip(counts).collect(),
            sources: Source::ALL
                .iter()
                .zip(row.sources)
                .filter(|(_, count)| *count > 0)
                .map(|(source, count)| (source.as_str().to_owned(), count))
                .collect(),
            time_ms: distribution(row.times),
            response_bytes: distribution(row.sizes),
        }
    }
}
