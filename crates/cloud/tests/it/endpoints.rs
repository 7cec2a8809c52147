//! Endpoints: both engines against a model that reads all records again, and the API.

use std::collections::{BTreeMap, BTreeSet};

use api_sessions_cloud::store::StoreKind;
use api_sessions_cloud_api::ingest::batch::{Period, parse};
use api_sessions_store::clock::now_ms;
use api_sessions_store::endpoints::{Distribution, EndpointQuery, EndpointStats};
use api_sessions_store::{Batch, DAY_MS, NewRequest, Records, Store};
use api_sessions_store_sqlite::SqliteStore;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Value, json};

use crate::support::{Cloud, batch, clickhouse_only, embedded_store_only, record, session};

/// A request: session, ms before now, and a number from which its other values come.
type Request = (u32, u64, u32);

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let ago = prop_oneof![0..20_000u64, 0..3 * DAY_MS];
    prop::collection::vec((0..9u32, ago, any::<u32>()), 1..40)
}

fn line(now: u64, id: u32, (n, ago, other): Request) -> Value {
    let pick = |of: &[&str], shift: u32| json!(of[(other >> shift) as usize % of.len()]);
    let status = [200, 204, 302, 404, 500][(other >> 7) as usize % 5];
    let mut more = json!({
        "ts": now - ago,
        "path": pick(&["/users/7", "/users/8", "/login"], 3),
        "method": pick(&["GET", "POST", ""], 5),
        "status": status,
        "denied": other % 13 == 0,
        "source": pick(&["key", "ip", "ip_ua_ja4"], 9),
        "time_ms": u64::from(other >> 11) * 5,
        "response_bytes": u64::from(other) << (other % 9),
    });
    if other.is_multiple_of(3) {
        more["app"] = pick(&["shop", "blog"], 12);
    }
    if other.is_multiple_of(4) {
        more["user"] = pick(&["ann", "bob"], 14);
    }
    if other.is_multiple_of(7) {
        more["attacks"] = json!(["sqli"]);
    }
    record(n, id, more)
}

/// As the documentation says: five binary digits stay.
fn rounded(value: u64) -> u64 {
    (0..64).map(|n| value >> n << n).find(|cut| cut >> cut.trailing_zeros().min(63) < 32).unwrap()
}

fn model(all: &[NewRequest], query: &EndpointQuery) -> Vec<EndpointStats> {
    let mut groups: BTreeMap<(&str, &str, &str), Vec<&NewRequest>> = BTreeMap::new();
    for new in all {
        let (record, application) = (&new.record, new.record.app.as_deref().unwrap_or_default());
        if query.from.is_none_or(|from| record.ts >= from)
            && query.to.is_none_or(|to| record.ts <= to)
            && query.application.as_deref().is_none_or(|wanted| wanted == application)
        {
            let name = (application, &*record.method, new.endpoint.as_str());
            groups.entry(name).or_default().push(new);
        }
    }
    let mut found: Vec<EndpointStats> = Vec::new();
    for ((application, method, endpoint), group) in groups {
        let records = || group.iter().map(|new| &new.record);
        let count = |of: &dyn Fn(&api_sessions_protocol::Record<'_>) -> bool| {
            records().filter(|record| of(record)).count() as u64
        };
        let sessions = |is_success: bool| {
            records()
                .filter(|record| !is_success || record.status / 100 == 2)
                .map(|record| &record.session)
                .collect::<BTreeSet<_>>()
                .len() as u64
        };
        fn counted<K: Ord>(values: impl Iterator<Item = K>) -> BTreeMap<K, u64> {
            let mut counts = BTreeMap::new();
            values.for_each(|value| *counts.entry(value).or_default() += 1);
            counts
        }
        found.push(EndpointStats {
            application: application.into(),
            method: method.into(),
            endpoint: endpoint.into(),
            first_ts: records().map(|record| record.ts).min().unwrap(),
            last_ts: records().map(|record| record.ts).max().unwrap(),
            requests: group.len() as u64,
            attacks: count(&|record| !record.attacks.is_empty()),
            denied: count(&|record| record.denied),
            sessions: sessions(false),
            successful_sessions: sessions(true).min(2),
            users: records()
                .filter_map(|record| record.user.as_ref())
                .collect::<BTreeSet<_>>()
                .len() as u64,
            statuses: counted(records().map(|record| record.status)),
            sources: counted(records().map(|record| record.source.as_str().to_owned())),
            time_ms: Distribution(counted(records().map(|record| rounded(record.time_ms)))),
            response_bytes: Distribution(counted(
                records().map(|record| rounded(record.response_bytes)),
            )),
        });
    }
    found.sort_by_key(|one| std::cmp::Reverse(one.requests));
    found
}

/// Asks after each batch, so that all states of the files are met.
fn check(
    engine: &dyn Store,
    all: &mut Vec<NewRequest>,
    batches: &[Vec<Request>],
    periods: &[(u64, u64)],
) {
    let now = now_ms();
    for of_batch in batches {
        let ids = all.len() as u32..;
        let lines: Vec<_> = of_batch.iter().zip(ids).map(|(one, id)| line(now, id, *one)).collect();
        let period = Period { oldest: 0, now: now_ms() };
        let requests = parse(batch(&lines).as_bytes(), false, period).unwrap().requests;
        all.extend(requests.iter().cloned());
        let (reply, answer) = crossbeam_channel::bounded(1);
        let batch = Batch { key: None, requests, cut: None };
        engine.append(batch, Box::new(move |result| drop(reply.send(result))));
        answer.recv().unwrap().unwrap();
        let at = |ago: &u64| Some(now - ago);
        let mut queries = vec![
            EndpointQuery::default(),
            EndpointQuery { application: Some("shop".into()), ..EndpointQuery::default() },
        ];
        queries.extend(periods.iter().map(|(from, to)| EndpointQuery {
            from: at(from),
            to: at(to).filter(|_| !to.is_multiple_of(3)),
            application: None,
        }));
        for query in queries {
            let found = engine.endpoints(&query).unwrap();
            assert_eq!(found.endpoints, model(all, &query), "{query:?}");
            assert!(found.incomplete.is_empty());
        }
    }
}

fn periods() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0..3 * DAY_MS, 0..2 * DAY_MS), 3)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 100, ..ProptestConfig::default() })]
    #[test]
    fn endpoints_of_open_and_closed_segments_are_those_of_a_model(
        batches in prop::collection::vec(requests(), 1..8),
        periods in periods(),
        size in prop::sample::select(vec![1, 10, 60, 1_000]),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let open = || SqliteStore::open_with_limits(dir.path(), size, 500, 10_000).unwrap();
        let mut all = Vec::new();
        let (first, rest) = batches.split_at(batches.len() / 2);
        check(&open(), &mut all, first, &periods);
        check(&open(), &mut all, rest, &periods);
    }
}

#[test]
fn endpoints_in_clickhouse_are_those_of_a_model() {
    let Some(url) = clickhouse_only() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let dir = tempfile::tempdir().unwrap();
    let kind = StoreKind::parse(&format!("clickhouse:{url}/endpoints_{:x}", now_ms())).unwrap();
    let engine = runtime
        .block_on(api_sessions_cloud::store::open(&kind, dir.path(), runtime.handle()))
        .unwrap();
    let batches = prop::collection::vec(requests(), 4).new_tree(&mut runner).unwrap().current();
    let periods = periods().new_tree(&mut runner).unwrap().current();
    check(&*engine, &mut Vec::new(), &batches, &periods);
}

#[test]
fn a_segment_closed_by_a_version_without_counts_of_endpoints_is_counted() {
    if !embedded_store_only() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let open = || SqliteStore::open_with_limits(dir.path(), 1, 500, 10_000).unwrap();
    let mut all = Vec::new();
    check(&open(), &mut all, &[vec![(1, 5, 77), (2, 6, 78)], vec![(3, 4, 99)]], &[]);
    let (mut dropped, stored) = (0, all.len());
    for file in crate::support::day_files(dir.path()) {
        let connection = rusqlite::Connection::open(file).unwrap();
        dropped += usize::from(connection.execute_batch("DROP TABLE endpoint_count").is_ok());
    }
    assert!(dropped > 0);
    let found = open().endpoints(&EndpointQuery::default()).unwrap().endpoints;
    assert_eq!(found.iter().map(|one| one.requests).sum::<u64>(), stored as u64);
    assert_eq!(found, model(&all, &EndpointQuery::default()));
}

#[test]
fn the_api_lists_endpoints_and_sets_probes_apart() {
    let cloud = Cloud::start();
    let of = |n: u32, id: u32, method: &str, path: &str, status: u16| {
        let times = if id == 1 { 900 } else { 10 };
        record(
            n,
            id,
            json!({"method": method, "path": path, "status": status, "app": "shop",
            "user": format!("u{n}"), "time_ms": times, "source": "key"}),
        )
    };
    cloud.post(&[
        of(1, 1, "GET", "/users/1/orders/2", 200),
        of(2, 2, "GET", "/users/2/orders/7", 200),
        of(2, 3, "GET", "/users/2/orders/8", 404),
        of(3, 4, "GET", "/.env", 404),
        of(3, 5, "GET", "/=cmd", 200),
    ]);
    let all = cloud.ask("/v1/endpoints?application=shop");
    let orders = &all["endpoints"][0];
    let expected = json!({
        "application": "shop", "method": "GET", "endpoint": "/users/{int}/orders/{int}",
        "first_ts": orders["first_ts"], "last_ts": orders["last_ts"], "requests": 3, "attacks": 0, "denied": 0,
        "sessions": 2, "users": 2, "statuses": {"200": 2, "404": 1}, "sources": {"key": 3},
        "time_ms": {"p50": 10, "p95": 896}, "response_bytes": {"p50": 1152, "p95": 1152},
        "is_new": false, "is_unused": false, "is_probe": false,
    });
    assert_eq!(orders, &expected);
    let names = |query: &str| -> Vec<String> {
        let found = cloud.ask(&format!("/v1/endpoints?{query}"));
        let all = found["endpoints"].as_array().unwrap().iter();
        all.map(|one| one["endpoint"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("kind=used"), ["/users/{int}/orders/{int}"]);
    assert_eq!(names("kind=probe"), ["/.env", "/=cmd"]);
    assert_eq!(names("endpoint=/USERS"), ["/users/{int}/orders/{int}"]);
    assert!(names("application=blog").is_empty() && names("method=POST").is_empty());
    assert!(names("from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z").is_empty());
    for wrong in ["kind=x", "from=soon", "colour=red"] {
        assert_eq!(cloud.get(&format!("/v1/endpoints?{wrong}")).status, 400, "{wrong}");
    }

    let csv = cloud.get("/v1/endpoints.csv");
    assert!(csv.header("content-type").starts_with("text/csv"));
    let text = csv.text();
    let lines: Vec<_> = text.split("\r\n").collect();
    assert!(lines[0].starts_with("application,method,endpoint,first,last,requests"), "{text}");
    assert!(
        lines[1].contains(",3,0,0,2,2,200=2 404=1,key=3,10,896,1152,1152,1.00,false"),
        "{text}"
    );

    let document = cloud.ask("/v1/endpoints/openapi.json?application=shop");
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/users/{int}/orders/{int2}"]);
}

#[test]
fn a_document_is_compared_with_the_traffic() {
    let cloud = Cloud::start();
    let of = |n: u32, id: u32, path: &str| record(n, id, json!({"path": path, "app": "shop"}));
    cloud.post(&[of(1, 1, "/a/1"), of(2, 2, "/a/2"), of(1, 3, "/<b>"), of(2, 4, "/<b>")]);
    let paths = json!({"/a/{id}": {"get": {}, "put": {}}});
    let document = json!({"openapi": "3.0.3", "paths": paths}).to_string();
    let send = |path: &str, kind: &str, body: &str| {
        cloud.send("POST", path, &cloud.admin, &[("content-type", kind)], body.as_bytes())
    };
    let found =
        send("/v1/endpoints/compare?application=shop", "application/json", &document).json();
    assert_eq!(found["documented"], 2);
    assert_eq!(found["unseen"], json!([{"method": "PUT", "path": "/a/{id}"}]));
    assert_eq!(found["undocumented"][0]["endpoint"], "/<b>");
    let wrong = send("/v1/endpoints/compare", "application/json", "nothing");
    assert_eq!(wrong.status, 422);

    let yaml = "# Ours\nopenapi: 3.0.3\npaths:\n  /a/{id}:\n    get:\n      responses:\n        200: {}\n    put: &put {}\n";
    let path = "/v1/endpoints/compare?application=shop";
    assert_eq!(send(path, "application/yaml", yaml).json(), found);
    let wrong = send(path, "application/yaml", "openapi: [");
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("the document is no YAML"), "{}", wrong.text());

    let escaped = document.replace('{', "%7B").replace('}', "%7D");
    let form = format!("application=shop&document={escaped}");
    let page = send("/endpoints", "application/x-www-form-urlencoded", &form);
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(
        page.text().contains("/&lt;b&gt;") && page.text().contains("/a/{id}"),
        "{}",
        page.text()
    );
}

#[test]
fn a_session_with_two_ids_counts_once() {
    for late in [false, true] {
        let cloud = Cloud::start();
        let issues = json!({"links": [{"session": session(2), "reason": "login"}]});
        // Of another day too: the other id is in a segment of its own.
        let old = record(2, 9, json!({"ts": now_ms() - 30 * 3_600_000}));
        let all = [record(1, 1, issues), record(2, 2, json!({})), old];
        let all: Vec<_> = if late { all.into_iter().rev().collect() } else { all.into() };
        all.iter().for_each(|one| drop(cloud.post(std::slice::from_ref(one))));
        cloud.post(&[record(3, 3, json!({"status": 404}))]);
        let found = cloud.ask("/v1/endpoints");
        let one = &found["endpoints"][0];
        assert_eq!((&one["requests"], &one["sessions"]), (&json!(4), &json!(2)), "{late} {found}");
        assert_eq!(one["is_probe"], json!(true), "only one session had a 2xx");
    }
}

#[test]
fn a_session_of_closed_segments_with_two_ids_counts_once() {
    if !embedded_store_only() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open_with_limits(dir.path(), 1, 500, 10_000).unwrap();
    let put = |lines: &[Value]| {
        let period = Period { oldest: 0, now: now_ms() };
        let requests = parse(batch(lines).as_bytes(), false, period).unwrap().requests;
        let (reply, answer) = crossbeam_channel::bounded(1);
        let batch = Batch { key: None, requests, cut: None };
        store.append(batch, Box::new(move |result| drop(reply.send(result))));
        answer.recv().unwrap().unwrap();
    };
    put(&[record(2, 1, json!({}))]);
    put(&[record(4, 2, json!({}))]);
    let links = json!([2, 4].map(|n| json!({"session": session(n), "reason": "issued"})));
    put(&[record(1, 3, json!({"links": links, "status": 404}))]);
    let found = store.endpoints(&EndpointQuery::default()).unwrap().endpoints;
    assert_eq!(store.sessions(&Default::default()).unwrap().total, 1);
    assert_eq!((found[0].requests, found[0].sessions, found[0].successful_sessions), (3, 1, 1));
}

#[test]
fn neighbours_of_an_endpoint_are_counted_in_its_sessions() {
    let cloud = Cloud::start();
    let rule = json!([{"name": "walk", "count": 9, "then": "mark", "enforced": false}]);
    let request = |n: u32, id: u32, method: &str, path: &str| {
        let ts = now_ms() - 60_000 + u64::from(id);
        record(n, id, json!({"ts": ts, "method": method, "path": path, "app": "shop"}))
    };
    let mut with_rule = request(1, 3, "GET", "/orders/7");
    with_rule["rules"] = rule;
    let posted = cloud.post(&[
        request(1, 1, "POST", "/login"),
        request(1, 2, "GET", "/orders/6"),
        with_rule,
        request(1, 4, "POST", "/pay"),
        request(2, 5, "GET", "/orders/8"),
        // Another method, and another endpoint that contains its name.
        request(3, 6, "DELETE", "/orders/9"),
        request(3, 7, "GET", "/orders/9/items"),
    ]);
    assert_eq!(posted.status, 200, "{}", posted.text());
    let found =
        cloud.ask("/v1/endpoints/neighbours?method=GET&endpoint=/orders/{int}&application=shop");
    let neighbour = |method: &str, endpoint: &str, requests: u64| json!({"method": method, "endpoint": endpoint, "requests": requests, "share": requests as f64 / 3.0});
    assert_eq!(
        found,
        json!({
            "sessions": 2, "requests": 3, "first": 1, "last": 1,
            "before": [neighbour("GET", "/orders/{int}", 1), neighbour("POST", "/login", 1)],
            "after": [neighbour("GET", "/orders/{int}", 1), neighbour("POST", "/pay", 1)],
            "rules": [{"name": "walk", "requests": 1, "enforced": 0}],
        })
    );
    let any = cloud.ask("/v1/endpoints/neighbours?endpoint=/orders/{int}");
    assert_eq!((&any["requests"], &any["sessions"]), (&json!(4), &json!(3)));
    let none = cloud.ask("/v1/endpoints/neighbours?endpoint=/orders/{int}&application=blog");
    assert_eq!(none["requests"], 0);
    let page = cloud.get("/endpoints/neighbours?method=GET&endpoint=/orders/{int}").text();
    for text in ["/login", "/pay", "walk", "the last request of the session so far"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(cloud.get("/endpoints").text().contains("/endpoints/neighbours?endpoint="));
}

#[test]
fn an_endpoint_was_not_found_behind_sessions_of_one_that_contains_its_name() {
    let cloud = Cloud::start();
    let request = |n: u32, path: &str| {
        let ts = now_ms() - 60_000 + u64::from(n);
        record(n, n, json!({"ts": ts, "method": "POST", "path": path}))
    };
    let old = (1..=3).map(|n| request(n, "/login"));
    let new = (4..=63).map(|n| request(n, "/v1/login"));
    let all: Vec<Value> = old.chain(new).collect();
    assert_eq!(cloud.post(&all).status, 200);
    let found = cloud.ask("/v1/endpoints/neighbours?method=POST&endpoint=/login");
    assert_eq!((&found["requests"], &found["sessions"]), (&json!(3), &json!(3)));
    // No more sessions than are promised.
    let found = cloud.ask("/v1/endpoints/neighbours?endpoint=/v1/login");
    assert_eq!(found["sessions"], 50);
}
