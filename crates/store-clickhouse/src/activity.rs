//! Activity over time, and operations on whole days.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::connection::Connection;
use super::filter::{self};
use super::joined::Requests;
use super::schema::DAY_TABLES;
use super::sql::{Sql, Value};
use crate::limits::MAX_DATE_MS;
use api_sessions_store::{ACTIVITY_MS, Activity, Day, DayHealth, FIRST_ERROR, Filter, StoreError};

#[derive(Deserialize)]
struct Stretch {
    stretch: u64,
    requests: u64,
    stretch_attacks: u64,
    stretch_denied: u64,
    stretch_errors: u64,
}

pub(super) async fn read(
    connection: &Connection,
    from: u64,
    to: u64,
) -> Result<Vec<Activity>, StoreError> {
    let table = &connection.tables.request;
    let first = from / ACTIVITY_MS * ACTIVITY_MS;
    let sql = Sql::new(format!(
        "SELECT intDiv(ts, {ACTIVITY_MS}) * {ACTIVITY_MS} AS stretch, count() AS requests, \
         countIf(attacked) AS stretch_attacks, sum(was_denied) AS stretch_denied, \
         countIf(answer >= {FIRST_ERROR}) AS stretch_errors \
         FROM (SELECT ts, notEmpty(attacks) AS attacked, denied AS was_denied, status AS answer FROM {table} FINAL WHERE "
    ))
    .add(
        "day >= toDate(?) AND day <= toDate(?) AND ts >= ?) GROUP BY stretch HAVING stretch <= ? ORDER BY stretch",
        [
            Value::Text(Day::of(first).to_string()),
            Value::Text(Day::of(to.saturating_add(ACTIVITY_MS).min(MAX_DATE_MS)).to_string()),
            first.into(),
            to.min(MAX_DATE_MS).into(),
        ],
    );
    let rows: Vec<Stretch> = connection.rows(sql).await?;
    let activity = |row: Stretch| Activity {
        ts: row.stretch,
        requests: row.requests,
        attacks: row.stretch_attacks,
        denied: row.stretch_denied,
        errors: row.stretch_errors,
    };
    Ok(rows.into_iter().map(activity).collect())
}

#[derive(Deserialize)]
struct Active {
    stretch: u64,
    sessions: u64,
}

/// Sessions with requests in each interval of `step`, and in the whole period.
pub(super) async fn sessions(
    connection: &Connection,
    from: u64,
    to: u64,
    step: u64,
) -> Result<(Vec<(u64, u64)>, u64), StoreError> {
    let (from, to) = (from.min(MAX_DATE_MS), to.min(MAX_DATE_MS));
    let filter = Filter { from: Some(from), to: Some(to), ..Filter::default() };
    let requests = Requests::of_days(connection, &filter::days(&filter)).await?;
    let session = requests.session();
    let count = |stretch: &str| {
        Sql::new(format!("SELECT {stretch} AS stretch, uniqExact({session}) AS sessions"))
            .then(requests.any())
            .add(" AND ", [])
            .then(filter::on_request(&filter))
            .add(" GROUP BY stretch ORDER BY stretch", [])
    };
    let (of_each, whole): (Vec<Active>, Vec<Active>) = tokio::try_join!(
        connection.rows(count(&format!("intDiv(ts, {step}) * {step}"))),
        connection.rows(count("toUInt64(0)"))
    )?;
    let of_each = of_each.into_iter().map(|row| (row.stretch, row.sessions)).collect();
    Ok((of_each, whole.first().map_or(0, |row| row.sessions)))
}

#[derive(Deserialize)]
struct OldDay {
    name: String,
}

/// Deletes old days on each server separately. An unreachable server keeps its own until the next run.
pub(super) async fn drop_before(
    connection: &Connection,
    first: Day,
) -> Result<Vec<Day>, StoreError> {
    let mut dropped = BTreeSet::new();
    for server in connection.servers() {
        for table in DAY_TABLES {
            let own = connection.tables.of_each_server(table);
            let sql =
                Sql::new(format!("SELECT DISTINCT toString(day) AS name FROM {own} WHERE day < "))
                    .add("toDate(?)", [Value::Text(first.to_string())]);
            let old: Vec<OldDay> = match server.rows(sql).await {
                Ok(old) => old,
                Err(error) if connection.cluster.is_some() => {
                    tracing::warn!("old days stay for now: {error}");
                    break;
                }
                Err(error) => return Err(error),
            };
            for day in old {
                server.run(Sql::new(connection.tables.drop_day(table, &day.name))).await?;
                if table == "request" {
                    dropped.insert(day.name);
                }
            }
        }
    }
    Ok(dropped.iter().filter_map(|day| Day::parse(day)).collect())
}

#[derive(Deserialize)]
struct Partition {
    name: String,
    bytes: u64,
}

/// Days with their size on disk, summed over all servers that answer.
pub(super) async fn days(connection: &Connection) -> Result<Vec<DayHealth>, StoreError> {
    let mut bytes: BTreeMap<String, u64> = BTreeMap::new();
    let mut error = None;
    let mut has_answer = false;
    for server in connection.servers() {
        let sql = Sql::new(format!(
            "SELECT partition AS name, sum(bytes_on_disk) AS bytes FROM system.parts WHERE {} \
             GROUP BY name ORDER BY name",
            connection.tables.parts_of_request()
        ));
        match server.rows::<Partition>(sql).await {
            Ok(rows) => {
                has_answer = true;
                for row in rows {
                    *bytes.entry(row.name.trim_matches('\'').to_owned()).or_default() += row.bytes;
                }
            }
            Err(failed) => error = Some(failed),
        }
    }
    match error {
        Some(error) if !has_answer => Err(error),
        _ => {
            let day = |(day, bytes)| DayHealth { day, bytes, error: None };
            Ok(bytes.into_iter().map(day).collect())
        }
    }
}
