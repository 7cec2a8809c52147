//! Sessions that do not change appear on exactly one page of a list, in order, whatever is stored between two
//! pages: newer records, delayed records, new sessions and new days.

use std::collections::BTreeSet;

use crate::support::{batch, clickhouse_only, clickhouse_store, record, session};
use api_sessions_cloud::store::StoreKind;
use api_sessions_cloud_api::ingest::batch::{Period, parse};
use api_sessions_store::clock::now_ms;
use api_sessions_store::{self, Batch, DAY_MS, Filter, SessionQuery, Sort, Store};
use proptest::prelude::*;
use serde_json::json;

/// A request of a session, some time before now.
#[derive(Debug, Clone)]
struct Request {
    session: u32,
    ago_ms: u64,
    attacked: bool,
    denied: bool,
}

/// A request of the last `days`; many share the same time.
fn request(sessions: std::ops::Range<u32>, days: u64) -> impl Strategy<Value = Request> {
    let ago = prop_oneof![3 => 0..5_000u64, 1 => (0..days).prop_map(|day| day * DAY_MS + 100)];
    (sessions, ago, proptest::bool::weighted(0.3), proptest::bool::weighted(0.2)).prop_map(
        |(session, ago_ms, attacked, denied)| Request { session, ago_ms, attacked, denied },
    )
}

fn requests(
    sessions: std::ops::Range<u32>,
    days: u64,
    most: usize,
) -> impl Strategy<Value = Vec<Request>> {
    prop::collection::vec(request(sessions, days), 0..most)
}

fn append(store: &dyn Store, now: u64, requests: &[Request], next_id: &mut u32) {
    let lines: Vec<_> = requests
        .iter()
        .map(|request| {
            *next_id += 1;
            let mut more = json!({"ts": now - request.ago_ms, "denied": request.denied});
            if request.attacked {
                more["attacks"] = json!(["sqli"]);
            }
            record(request.session, *next_id, more)
        })
        .collect();
    let period = Period { oldest: 0, now: now_ms() };
    let requests = parse(batch(&lines).as_bytes(), false, period).unwrap().requests;
    let (reply, answer) = crossbeam_channel::bounded(1);
    store.append(
        Batch { key: None, requests, cut: None },
        Box::new(move |result| drop(reply.send(result))),
    );
    answer.recv().unwrap().unwrap();
}

fn ids(store: &dyn Store, query: &SessionQuery) -> (Vec<String>, Option<String>) {
    let page = store.sessions(query).unwrap();
    (page.sessions.into_iter().map(|found| found.session).collect(), page.next)
}

/// Every list starts from the data the previous ones left.
fn check(store: &dyn Store, first: &[Request], between: &[Vec<Request>]) {
    let (now, mut next_id) = (now_ms(), 0);
    append(store, now, first, &mut next_id);
    for sort in
        [Sort::LastTs, Sort::FirstTs, Sort::Requests, Sort::Attacks, Sort::Denied, Sort::Duration]
    {
        for ascending in [false, true] {
            let filters = [
                Filter::default(),
                Filter { attack: Some("any".into()), ..Filter::default() },
                Filter { from: Some(now_ms() - 2_500), ..Filter::default() },
            ];
            let filter = filters[(sort as usize + usize::from(ascending)) % 3].clone();
            let all = SessionQuery { filter, sort, ascending, limit: 1_000, cursor: None };
            let (wanted, _) = ids(store, &all);
            let mut query = SessionQuery { limit: 3, ..all };
            let (mut found, mut next) = ids(store, &query);
            let mut between = between.iter();
            let mut changed = BTreeSet::new();
            while next.is_some() {
                if let Some(more) = between.next() {
                    append(store, now, more, &mut next_id);
                    changed.extend(more.iter().map(|request| session(request.session)));
                }
                query.cursor = next;
                let (page, after) = ids(store, &query);
                found.extend(page);
                next = after;
            }
            let unchanged = |ids: Vec<String>| -> Vec<String> {
                ids.into_iter().filter(|id| !changed.contains(id)).collect()
            };
            assert_eq!(unchanged(found), unchanged(wanted), "{query:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 30, ..ProptestConfig::default() })]
    #[test]
    fn pages_lost_sessions_that_did_not_change(
        first in requests(0..20, 2, 60),
        between in prop::collection::vec(requests(0..40, 9, 20), 0..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = runtime
            .block_on(api_sessions_cloud::store::open(&StoreKind::Sqlite, dir.path(), runtime.handle()))
            .unwrap();
        check(&*store, &first, &between);
    }
}

#[test]
fn clickhouse_pages_show_each_unchanged_session_once() {
    let Some(url) = clickhouse_only() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let kind =
        StoreKind::parse(&clickhouse_store(&url, &format!("paging_{:x}", now_ms()))).unwrap();
    let store = runtime
        .block_on(api_sessions_cloud::store::open(&kind, dir.path(), runtime.handle()))
        .unwrap();
    let of = |n: u32| Request {
        session: n * 7 % 20,
        ago_ms: u64::from(n * 137 % 5_000),
        attacked: n.is_multiple_of(3),
        denied: n.is_multiple_of(4),
    };
    let first: Vec<_> = (0..60).map(of).collect();
    let between: Vec<Vec<_>> = (1..5)
        .map(|n| {
            (0..20).map(|i| Request { session: (n * 20 + i) * 11 % 30, ..of(n * 31 + i) }).collect()
        })
        .collect();
    check(&*store, &first, &between);
}
