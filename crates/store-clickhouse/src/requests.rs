//! Requests of a session in order, and one request by its id.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::connection::Connection;
use super::filter;
use super::identity::{self, Sessions};
use super::joined::Requests;
use super::row::{COLUMNS, Row};
use super::sql::{Sql, Value};
use api_sessions_store::query::{Paged, RequestQuery};
use api_sessions_store::{Filter, Page, StoreError, StoredRequest, UserPart, cursor};

/// A request, and the session that it belongs to.
#[derive(Deserialize)]
struct Whole {
    #[serde(flatten)]
    row: Row,
    whole: String,
}

pub(super) async fn page(
    connection: &Connection,
    query: &RequestQuery,
) -> Result<Page<StoredRequest>, StoreError> {
    let root = identity::root(connection, &query.session).await?;
    let requests = Requests::of_sessions(connection, std::slice::from_ref(&root)).await?;
    let mut sql = Sql::new(format!("SELECT {COLUMNS}"))
        .then(requests.each_once())
        .add(" AND ", [])
        .then(filter::on_request(&query.filter));
    if let Some(position) = query.verify_cursor("clickhouse")? {
        let (ts, batch, line) = read_position(&position).ok_or_else(cursor::invalid)?;
        let beyond = if query.descending { "<" } else { ">" };
        let place = [ts.into(), Value::Text(batch), line.into()];
        sql = sql.add(&format!(" AND (ts, batch, line) {beyond} (?, ?, ?)"), place);
    }
    let order = if query.descending { "ts DESC, batch DESC, line DESC" } else { "ts, batch, line" };
    // One more than the page size, to detect another page.
    sql = sql.add(&format!(" ORDER BY {order} LIMIT {}", query.limit + 1), []);
    let mut rows: Vec<Row> = connection.rows(sql).await?;
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let next = rows.last().filter(|_| more).map(|row| {
        let position = [&row.ts.to_string(), &row.batch, &row.line.to_string()];
        query.sign_cursor("clickhouse", &position.map(String::as_str))
    });
    rows.iter_mut().for_each(|row| row.session.clone_from(&root));
    let items = rows.into_iter().map(StoredRequest::from).collect();
    Ok(Page { items, next, incomplete: Vec::new() })
}

/// The newest requests of each session that match, with one statement for all sessions.
pub(super) async fn newest(
    connection: &Connection,
    sessions: &[String],
    filter: &Filter,
    limit: usize,
) -> Result<Vec<Page<StoredRequest>>, StoreError> {
    let mut of: HashMap<&str, Vec<StoredRequest>> = HashMap::new();
    if !sessions.is_empty() {
        let requests = Requests::of_sessions(connection, sessions).await?;
        let whole = requests.session();
        let sql = Sql::new(format!("SELECT {COLUMNS}, {whole} AS whole"))
            .then(requests.each_once())
            .add(" AND ", [])
            .then(filter::on_request(filter))
            .add(&format!(" ORDER BY ts DESC, batch DESC, line DESC LIMIT {limit} BY whole"), []);
        let rows: Vec<Whole> = connection.rows(sql).await?;
        for Whole { mut row, whole } in rows {
            let Some(session) = sessions.iter().find(|session| **session == whole) else {
                continue;
            };
            row.session = whole;
            of.entry(session).or_default().push(StoredRequest::from(row));
        }
    }
    let page = |session: &String| Page {
        items: of.remove(session.as_str()).unwrap_or_default(),
        next: None,
        incomplete: Vec::new(),
    };
    Ok(sessions.iter().map(page).collect())
}

#[derive(Deserialize)]
struct Part {
    whole: String,
    of_user: String,
    part_requests: u64,
    part_attacks: u64,
    part_denied: u64,
    part_first: u64,
    part_last: u64,
    part_ips: BTreeSet<String>,
}

/// What users did in the newest requests of sessions, with one statement for all.
pub(super) async fn user_parts(
    connection: &Connection,
    sessions: &[String],
    limit: usize,
) -> Result<Vec<UserPart>, StoreError> {
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    let requests = Requests::of_sessions(connection, sessions).await?;
    let whole = requests.session();
    let sql = Sql::new(format!(
        "SELECT whole, assumeNotNull(user) AS of_user, count() AS part_requests, \
         countIf(notEmpty(attacks)) AS part_attacks, sum(denied) AS part_denied, \
         min(ts) AS part_first, max(ts) AS part_last, groupUniqArray(ip) AS part_ips \
         FROM (SELECT {whole} AS whole, user, attacks, denied, ts, ip"
    ))
    .then(requests.each_once())
    .add(&format!(" ORDER BY ts DESC, batch DESC, line DESC LIMIT {limit} BY whole)"), [])
    .add(" WHERE isNotNull(user) GROUP BY whole, of_user ORDER BY of_user", []);
    let rows: Vec<Part> = connection.rows(sql).await?;
    let place: HashMap<&str, usize> =
        sessions.iter().enumerate().map(|(at, session)| (session.as_str(), at)).collect();
    let mut parts: Vec<UserPart> = rows
        .into_iter()
        .map(|row| UserPart {
            session: row.whole,
            user: row.of_user,
            requests: row.part_requests,
            attacks: row.part_attacks,
            denied: row.part_denied,
            first_ts: row.part_first,
            last_ts: row.part_last,
            ips: row.part_ips,
        })
        .collect();
    parts.sort_by_key(|part| place.get(part.session.as_str()).copied());
    Ok(parts)
}

fn read_position(position: &[String]) -> Option<(u64, String, u64)> {
    match position {
        [ts, batch, line] => Some((ts.parse().ok()?, batch.clone(), line.parse().ok()?)),
        _ => None,
    }
}

pub(super) async fn by_id(
    connection: &Connection,
    id: &str,
) -> Result<Option<StoredRequest>, StoreError> {
    let table = &connection.tables.request;
    // Duplicate rows of a request are identical, so `FINAL` is not needed.
    let sql = Sql::new(format!("SELECT {COLUMNS}, content FROM {table} WHERE id = "))
        .add("? ORDER BY day DESC, ts LIMIT 1", [id.into()]);
    let rows: Vec<Row> = connection.rows(sql).await?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    let sessions = Sessions::load(connection, [&*row.session].into_iter()).await?;
    if let Some(root) = sessions.of(&row.session, row.arrived) {
        row.session = root.to_owned();
    }
    Ok(Some(StoredRequest::from(row)))
}
