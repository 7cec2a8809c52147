//! Number of requests in each five minutes, drawn by the Console.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use api_sessions_store::{ACTIVITY_MS, Activity, NewRequest};

/// Counts the requests of a day, in the transaction that stores them.
pub(super) fn store(
    transaction: &Transaction<'_>,
    requests: &[NewRequest],
) -> rusqlite::Result<()> {
    let mut stretches: BTreeMap<u64, (i64, i64, i64)> = BTreeMap::new();
    for NewRequest { record, .. } in requests {
        let counts = stretches.entry(record.ts / ACTIVITY_MS * ACTIVITY_MS).or_default();
        counts.0 += 1;
        counts.1 += i64::from(!record.attacks.is_empty());
        counts.2 += i64::from(record.denied);
    }
    let mut statement = transaction.prepare_cached(
        "INSERT INTO activity VALUES (?, ?, ?, ?) ON CONFLICT (ts) DO UPDATE SET
         requests = requests + excluded.requests, attacks = attacks + excluded.attacks,
         denied = denied + excluded.denied",
    )?;
    for (ts, (requests, attacks, denied)) in stretches {
        statement.execute(params![ts as i64, requests, attacks, denied])?;
    }
    Ok(())
}

/// The counts of a day between two times.
pub(super) fn read(connection: &Connection, from: u64, to: u64) -> rusqlite::Result<Vec<Activity>> {
    let number = |ts: u64| i64::try_from(ts).unwrap_or(i64::MAX);
    let first = number(from / ACTIVITY_MS * ACTIVITY_MS);
    connection
        .prepare_cached(
            "SELECT ts, requests, attacks, denied FROM activity WHERE ts BETWEEN ? AND ? ORDER BY ts",
        )?
        .query_map(params![first, number(to)], |row| {
            Ok(Activity {
                ts: row.get::<_, i64>(0)? as u64,
                requests: row.get::<_, i64>(1)? as u64,
                attacks: row.get::<_, i64>(2)? as u64,
                denied: row.get::<_, i64>(3)? as u64,
            })
        })?
        .collect()
}
