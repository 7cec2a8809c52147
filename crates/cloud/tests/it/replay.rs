//! Reading all requests in the order they started.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::support::{batch, clickhouse, clickhouse_store, record, session};
use api_sessions_cloud::store::StoreKind;
use api_sessions_cloud_api::ingest::batch::{Period, parse};
use api_sessions_store::clock::now_ms;
use api_sessions_store::{Batch, ReplayQuery, Store};
use api_sessions_store_sqlite::SqliteStore;
use serde_json::{Value, json};

const DAY: u64 = 86_400_000;

/// A store with small segments, or the ClickHouse of this run.
fn open(runtime: &tokio::runtime::Runtime, dir: &std::path::Path) -> Arc<dyn Store> {
    match clickhouse() {
        None => Arc::new(SqliteStore::open_with_limits(dir, 40, 500, 10_000).unwrap()),
        Some(url) => {
            let name = format!("replay_{:x}", now_ms());
            let kind = StoreKind::parse(&clickhouse_store(&url, &name)).unwrap();
            let opened = api_sessions_cloud::store::open(&kind, dir, runtime.handle());
            runtime.block_on(opened).unwrap()
        }
    }
}

fn append(store: &dyn Store, key: usize, lines: &[Value]) {
    let period = Period { oldest: 0, now: now_ms() };
    let requests = parse(batch(lines).as_bytes(), false, period).unwrap().requests;
    let (reply, answer) = crossbeam_channel::bounded(1);
    let batch = Batch { key: Some(key.to_string()), requests, cut: None };
    store.append(batch, Box::new(move |result| drop(reply.send(result))));
    answer.recv().unwrap().unwrap();
}

#[test]
fn requests_of_all_sessions_are_read_in_the_order_they_started() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = open(&runtime, dir.path());
    let now = now_ms();
    // Over three days; what a node kept back arrives hours late, so that segments overlap.
    let mut lines: Vec<(u64, Value)> = (0..600u32)
        .map(|n| {
            let ts = now - 3 * DAY + u64::from(n) * 400_000;
            let more = json!({"ts": ts, "user": "ann", "path": "/orders/7"});
            let late = if n % 7 == 0 { 20_000_000 } else { 0 };
            (ts + late, record(n % 23, n, more))
        })
        .collect();
    lines.sort_by_key(|(arrives, _)| *arrives);
    let lines: Vec<Value> = lines.into_iter().map(|(_, line)| line).collect();
    for (key, lines) in lines.chunks(30).enumerate() {
        append(&*store, key, lines);
    }

    let read = |from: u64, to: u64, most: usize| {
        let mut found = Vec::new();
        let query = ReplayQuery { from, to, with_rules: false };
        let missing = store
            .replay(&query, &mut |request| {
                assert_eq!(
                    (&*request.endpoint, request.record.user.as_deref()),
                    ("/orders/{int}", Some("ann"))
                );
                found.push((
                    request.record.ts,
                    request.record.id.to_string(),
                    request.record.session.to_string(),
                ));
                if found.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        assert_eq!(missing, Vec::<String>::new());
        found
    };
    let expected = |range: std::ops::Range<u32>| -> Vec<_> {
        range
            .map(|n| {
                let ts = now - 3 * DAY + u64::from(n) * 400_000;
                (ts, format!("{n:032x}"), session(n % 23))
            })
            .collect()
    };
    assert_eq!(read(0, now, usize::MAX), expected(0..600));
    let at = |n: u64| now - 3 * DAY + n * 400_000;
    assert_eq!(read(at(100), at(399), usize::MAX), expected(100..400));
    assert_eq!(read(at(100) + 1, at(400) - 1, usize::MAX), expected(101..400));
    assert_eq!(read(0, now, 5), expected(0..5), "it goes on after the end");
    assert!(read(now + 1, now + DAY, usize::MAX).is_empty());
}
