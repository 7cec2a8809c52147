//! Requests of all sessions in the order they started.

use super::connection::Connection;
use super::identity::Sessions;
use super::row::{COLUMNS, Row};
use super::sql::{Sql, Value};
use api_sessions_store::replay::{CHUNK, SLICE, Visit, slices};
use api_sessions_store::{Day, ReplayQuery, StoreError, StoredRequest};

/// Calls `visit` with the requests of a period.
pub(super) async fn run(
    connection: &Connection,
    query: &ReplayQuery,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    let activity = super::activity::read(connection, query.from, query.to).await?;
    for (first, last) in slices(query, &activity, SLICE) {
        let mut after: Option<(u64, String, u32)> = None;
        loop {
            let rows = page(connection, query.with_rules, (first, last), after.as_ref()).await?;
            let is_last = rows.len() < CHUNK;
            after = rows.last().map(|row| (row.ts, row.batch.clone(), row.line));
            let sessions = Sessions::load(connection, rows.iter().map(|row| &*row.session)).await?;
            for mut row in rows {
                if let Some(root) = sessions.of(&row.session, row.arrived) {
                    row.session = root.to_owned();
                }
                if visit(StoredRequest::from(row)).is_break() {
                    return Ok(());
                }
            }
            if is_last {
                break;
            }
        }
    }
    Ok(())
}

async fn page(
    connection: &Connection,
    with_rules: bool,
    (first, last): (u64, u64),
    after: Option<&(u64, String, u32)>,
) -> Result<Vec<Row>, StoreError> {
    let table = &connection.tables.request;
    let mut sql = Sql::new(format!("SELECT {COLUMNS} FROM {table} FINAL WHERE ")).add(
        "day >= toDate(?) AND day <= toDate(?) AND ts >= ? AND ts <= ?",
        [
            Value::Text(Day::of(first).to_string()),
            Value::Text(Day::of(last).to_string()),
            first.into(),
            last.into(),
        ],
    );
    if with_rules {
        sql = sql.add(" AND length(rules) > 2", []);
    }
    if let Some((ts, batch, line)) = after {
        let place = [(*ts).into(), batch.into(), u64::from(*line).into()];
        sql = sql.add(" AND (ts, batch, line) > (?, ?, ?)", place);
    }
    connection.rows(sql.add(&format!(" ORDER BY ts, batch, line LIMIT {CHUNK}"), [])).await
}
