//! Number of requests in each five minutes, drawn by the Console.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use api_sessions_store::{ACTIVITY_MS, Activity, FIRST_ERROR, NewRequest};

/// Counts the requests of a day, in the transaction that stores them.
pub(super) fn store(
    transaction: &Transaction<'_>,
    requests: &[NewRequest],
) -> rusqlite::Result<()> {
    let mut stretches: BTreeMap<u64, [i64; 4]> = BTreeMap::new();
    for NewRequest { record, .. } in requests {
        let counts = stretches.entry(record.ts / ACTIVITY_MS * ACTIVITY_MS).or_default();
        let is_counted =
            [true, !record.attacks.is_empty(), record.denied, record.status >= FIRST_ERROR];
        counts.iter_mut().zip(is_counted).for_each(|(count, is)| *count += i64::from(is));
    }
    let mut statement = transaction.prepare_cached(
        "INSERT INTO activity (ts, requests, attacks, denied, errors) VALUES (?, ?, ?, ?, ?) ON CONFLICT (ts) DO UPDATE SET
         requests = requests + excluded.requests, attacks = attacks + excluded.attacks,
         denied = denied + excluded.denied, errors = errors + excluded.errors",
    )?;
    for (ts, [requests, attacks, denied, errors]) in stretches {
        statement.execute(params![ts as i64, requests, attacks, denied, errors])?;
    }
    Ok(())
}

/// The counts of a day between two times.
pub(super) fn read(connection: &Connection, from: u64, to: u64) -> rusqlite::Result<Vec<Activity>> {
    let number = |ts: u64| i64::try_from(ts).unwrap_or(i64::MAX);
    let first = number(from / ACTIVITY_MS * ACTIVITY_MS);
    let statement = |errors: &str| {
        let sql = format!(
            "SELECT ts, requests, attacks, denied, {errors} FROM activity
             WHERE ts BETWEEN ? AND ? ORDER BY ts"
        );
        connection.prepare_cached(&sql)
    };
    // Segments closed by a version that did not count errors lack the column.
    statement("errors")
        .or_else(|_| statement("0"))?
        .query_map(params![first, number(to)], |row| {
            Ok(Activity {
                ts: row.get::<_, i64>(0)? as u64,
                requests: row.get::<_, i64>(1)? as u64,
                attacks: row.get::<_, i64>(2)? as u64,
                denied: row.get::<_, i64>(3)? as u64,
                errors: row.get::<_, i64>(4)? as u64,
            })
        })?
        .collect()
}
