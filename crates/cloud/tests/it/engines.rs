//! Both engines must return the same results; and several processes over one ClickHouse database.
//! Runs only with `API_SESSIONS_TEST_CLICKHOUSE`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{
    Cloud, batch, clickhouse_only, clickhouse_store, record, session, single_clickhouse_only,
};
use api_sessions_cloud::store::StoreKind;
use api_sessions_cloud_api::ingest::batch::{Period, parse};
use api_sessions_store::clock::now_ms;
use api_sessions_store::{
    self, Batch, Day, EndpointQuery, Filter, RequestQuery, SessionQuery, SessionSummary, Sort,
    StatusFilter, Store, Stored, StoredRequest,
};
use serde_json::{Value, json};

const DAY: u64 = 86_400_000;

/// Random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    fn maybe<T>(&mut self, value: T) -> Option<T> {
        (self.below(3) == 0).then_some(value)
    }
}

const USERS: &[&str] = &["ann", "bob", "O'Brien?", "\u{1f600} \\ \"quoted\"\n"];
const HOSTS: &[&str] = &["a.example", "b.example", "c.example"];
const ENDPOINTS: &[&str] = &["/users/7", "/users/8", "/Cart", "/login", "/files/a'b\\c?"];
const ATTACKS: &[&str] = &["sqli", "xss"];

fn lines(dice: &mut Dice, now: u64, count: u64, first: u32) -> Vec<Value> {
    let mut all: Vec<Value> = (0..count)
        .map(|n| {
            // Spread over five days; no two in the same millisecond.
            let ts = now - 4 * DAY + (n + u64::from(first)) * (4 * DAY / 2000);
            let mut more = json!({
                "ts": ts, "path": dice.one(ENDPOINTS), "host": dice.one(HOSTS),
                "status": dice.one(&[200, 201, 403, 404, 500]), "method": dice.one(&["GET", "POST", ""]),
                "ip": dice.one(&["192.0.2.1", "2001:db8::1"]), "denied": dice.below(20) == 0,
                "key": dice.one(&["sid", "token"]), "source": dice.one(&["key", "ip_ua"]),
                "params": [{"name": "p'", "value": "v\u{0}\u{7f}?", "type": "context", "hashed": false}],
            });
            let fields = more.as_object_mut().unwrap();
            if let Some(user) = dice.maybe(USERS) {
                fields.insert("user".into(), json!(dice.one(user)));
                fields.insert("role".into(), json!(dice.one(&["admin", "buyer"])));
            }
            if dice.below(3) > 0 {
                fields.insert("ja4".into(), json!(dice.one(&["t13d", "t12i"])));
                if dice.below(2) == 0 {
                    // What is one client's stable form may be another's plain one.
                    fields.insert("ja4_stable".into(), json!(dice.one(&["t13d00", "t12i"])));
                }
            }
            if dice.below(3) > 0 {
                fields.insert("country".into(), json!(dice.one(&["DE", "FR"])));
                fields.insert("asn".into(), json!(dice.one(&["AS64496", "AS64497"])));
                fields.insert("organisation".into(), json!(dice.one(&["Net 'A'?", "Net B"])));
            }
            if dice.below(2) == 0 {
                fields.insert("app".into(), json!(dice.one(&["shop", "blog"])));
            }
            if dice.below(6) == 0 {
                fields.insert("attacks".into(), json!([dice.one(ATTACKS)]));
                let content = json!({"line": "GET /?' HTTP/1.1", "headers": [["A", "b?\u{1}"]],
                    "body": "x=\\'", "truncated": false});
                fields.insert("request".into(), content);
                let evidence = json!([{"type": "sqli", "place": "query", "match": "' \u{2026}\"\u{1}"},
                    {"type": "xss", "place": "form", "name": "b?\u{1}", "match": "<x>"}]);
                fields.insert("evidence".into(), evidence);
                fields.insert("previous".into(), json!("1e"));
            }
            record(dice.below(60) as u32, first + n as u32, more)
        })
        .collect();
    all.sort_by_key(|line| line["ts"].as_u64());
    all
}

fn append(store: &dyn Store, key: &str, lines: &[Value]) -> Stored {
    let period = Period { oldest: 0, now: now_ms() };
    let requests = parse(batch(lines).as_bytes(), false, period).unwrap().requests;
    assert_eq!(requests.len(), lines.len());
    let (reply, answer) = crossbeam_channel::bounded(1);
    let batch = Batch { key: Some(key.to_owned()), requests, cut: None };
    store.append(batch, Box::new(move |result| drop(reply.send(result))));
    answer.recv().unwrap().unwrap()
}

fn filter(dice: &mut Dice, now: u64) -> Filter {
    let text = |value: Option<&&str>| value.map(|value| (*value).to_owned());
    let from = now - 4 * DAY + dice.below(3 * DAY);
    Filter {
        from: dice.maybe(from),
        to: dice.maybe(from + dice.0 % (2 * DAY)),
        application: text(dice.maybe(&"shop")),
        host: text(dice.maybe(dice.0).map(|n| &HOSTS[n as usize % HOSTS.len()])),
        ip: text(dice.maybe(&"2001:db8::1")),
        user: text(dice.maybe(dice.0).map(|n| &USERS[n as usize % USERS.len()])),
        role: text(dice.maybe(&"admin")),
        status: dice.maybe(dice.0).map(|n| {
            if n.is_multiple_of(2) { StatusFilter::Code(404) } else { StatusFilter::Class(4) }
        }),
        method: text(dice.maybe(&"POST")),
        ja4: text(dice.maybe(&"t12i")),
        country: text(dice.maybe(&"DE")),
        asn: text(dice.maybe(&"AS64496")),
        organisation: text(dice.maybe(&"Net 'A'?")),
        attack: text(dice.maybe(if dice.0.is_multiple_of(2) { &"any" } else { &"sqli" })),
        endpoint: text(dice.maybe(dice.0).map(|n| &["/users/9", "cart", "a'b\\"][n as usize % 3])),
        session: dice.maybe(session((dice.0 % 60) as u32)).filter(|_| dice.0.is_multiple_of(3)),
        denied: dice.maybe(dice.0.is_multiple_of(2)),
    }
}

fn all_sessions(store: &dyn Store, query: &SessionQuery) -> (u64, Vec<SessionSummary>) {
    let (mut query, mut all) = (query.clone(), Vec::new());
    loop {
        let page = store.sessions(&query).unwrap();
        all.extend(page.sessions);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return (page.total, all);
        }
    }
}

fn all_requests(store: &dyn Store, query: &RequestQuery) -> Vec<StoredRequest> {
    let (mut query, mut all) = (query.clone(), Vec::new());
    loop {
        let page = store.requests(&query).unwrap();
        all.extend(page.items);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return all;
        }
    }
}

#[test]
fn both_engines_give_the_same_answers() {
    let Some(url) = clickhouse_only() else { return };
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let open = |kind: &StoreKind| -> Arc<dyn Store> {
        runtime
            .block_on(api_sessions_cloud::store::open(kind, dir.path(), runtime.handle()))
            .unwrap()
    };
    let name = format!("engines_{:x}", now_ms());
    let kind = StoreKind::parse(&clickhouse_store(&url, &name)).unwrap();
    let (sqlite, clickhouse) = (open(&StoreKind::Sqlite), open(&kind));
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let now = now_ms();
    for n in 0..10 {
        let lines = lines(&mut dice, now, 150, n * 150);
        let (key, again) = (format!("batch {n}'?"), dice.below(2) == 0);
        for store in [&*sqlite, &*clickhouse] {
            assert_eq!(append(store, &key, &lines), Stored { stored: 150, duplicates: 0 });
            if again {
                assert_eq!(append(store, &key, &lines), Stored { stored: 0, duplicates: 150 });
            }
        }
    }

    for n in 0..40 {
        let query = SessionQuery {
            // Few filters: many together match nothing.
            filter: if n < 6 { Filter::default() } else { filter(&mut dice, now) },
            sort: *dice.one(&[
                Sort::LastTs,
                Sort::FirstTs,
                Sort::Requests,
                Sort::Attacks,
                Sort::Denied,
                Sort::Duration,
            ]),
            ascending: dice.below(2) == 0,
            limit: *dice.one(&[7, 100]),
            cursor: None,
        };
        let (theirs, ours) = (all_sessions(&*sqlite, &query), all_sessions(&*clickhouse, &query));
        assert_eq!(ours.0, theirs.0, "{query:?}");
        for (ours, theirs) in ours.1.iter().zip(&theirs.1) {
            assert_eq!(ours, theirs, "{query:?}");
        }
        assert_eq!(ours.1.len(), theirs.1.len(), "{query:?}");
        let query = RequestQuery {
            session: session(dice.below(60) as u32),
            filter: if n < 15 { Filter::default() } else { filter(&mut dice, now) },
            descending: dice.below(2) == 0,
            limit: *dice.one(&[3, 500]),
            cursor: None,
        };
        let (theirs, ours) = (all_requests(&*sqlite, &query), all_requests(&*clickhouse, &query));
        assert_eq!(ours, theirs, "{query:?}");
        let some = [query.session.clone(), session(dice.below(60) as u32), session(99)];
        let ours = clickhouse.newest(&some, &query.filter, 4).unwrap();
        assert_eq!(ours.len(), 3);
        for (ours, theirs) in ours.iter().zip(sqlite.newest(&some, &query.filter, 4).unwrap()) {
            assert_eq!(ours.items, theirs.items, "{query:?}");
        }
        if n < 15 {
            assert!(!theirs.is_empty());
        }
        let all: Vec<String> = (0..61).map(session).collect();
        let parts = sqlite.user_parts(&all, n as usize).unwrap();
        assert_eq!(clickhouse.user_parts(&all, n as usize).unwrap(), parts);
        assert!(n < 5 || parts.len() > 50, "{}", parts.len());
        for request in theirs.iter().take(3) {
            let id = &request.record.id;
            assert_eq!(clickhouse.request(id).unwrap(), sqlite.request(id).unwrap());
        }
    }
    for n in 0..61 {
        assert_eq!(clickhouse.session(&session(n)).unwrap(), sqlite.session(&session(n)).unwrap());
    }
    for (from, to) in [(0, u64::MAX), (now - 3 * DAY, now - DAY), (now, now)] {
        assert_eq!(clickhouse.activity(from, to).unwrap(), sqlite.activity(from, to).unwrap());
        for step in [300_000, 3_600_000, DAY] {
            let active = sqlite.active_sessions(from, to, step).unwrap();
            assert_eq!(clickhouse.active_sessions(from, to, step).unwrap(), active);
            assert!(active.1 > 0 || from == to);
        }
        let filter = Filter { from: Some(from), to: Some(to), ..Filter::default() };
        let query = SessionQuery { filter, limit: 100, ..SessionQuery::default() };
        assert_eq!(all_sessions(&*clickhouse, &query), all_sessions(&*sqlite, &query));
        let query = EndpointQuery { from: Some(from), to: Some(to), application: None };
        assert_eq!(clickhouse.endpoints(&query).unwrap(), sqlite.endpoints(&query).unwrap());
    }
    let days = |store: &dyn Store| -> Vec<String> {
        store.health().days.into_iter().map(|day| day.day).collect()
    };
    assert_eq!(days(&*clickhouse), days(&*sqlite));
    let first = Day(Day::of(now).0 - 1);
    assert_eq!(clickhouse.drop_before(first).unwrap(), sqlite.drop_before(first).unwrap());
    let query = SessionQuery { limit: 100, ..SessionQuery::default() };
    let (ours, theirs) = (all_sessions(&*clickhouse, &query), all_sessions(&*sqlite, &query));
    assert_eq!(ours, theirs);
    assert!(ours.0 > 0);
}

fn eventually(what: &str, mut ask: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ask() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn two_processes_over_one_database_are_one_cloud() {
    let Some(url) = clickhouse_only() else { return };
    let store = clickhouse_store(&url, &format!("pair_{:x}", now_ms()));
    let one = Cloud::start_with(tempfile::tempdir().unwrap(), Some(store.clone()));
    let shared = tempfile::tempdir().unwrap();
    for name in ["admin.token", "ingest.token"] {
        std::fs::copy(one.data().join(name), shared.path().join(name)).unwrap();
    }
    let two = Cloud::start_with(shared, Some(store));

    // A batch that both processes receive at once, and one of them again.
    let lines: Vec<_> = (0..200).map(|n| record(n % 5, n, json!({}))).collect();
    let body = batch(&lines);
    std::thread::scope(|scope| {
        for cloud in [&one, &two, &one, &two] {
            let post = || cloud.post_with(&[("idempotency-key", "k")], body.as_bytes()).status;
            let post = scope.spawn(post);
            drop(post);
        }
    });
    assert_eq!(
        one.post_with(&[("idempotency-key", "k")], body.as_bytes()).json()["duplicates"],
        200
    );
    for cloud in [&one, &two] {
        let list = cloud.ask("/v1/sessions");
        let requests: u64 = list["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["requests"].as_u64().unwrap())
            .sum();
        assert_eq!((list["total"].as_u64(), requests), (Some(5), 200));
        let ids: BTreeSet<String> = (0..5)
            .flat_map(|n| {
                let path = format!("/v1/sessions/{}/requests?limit=500", session(n));
                let page = cloud.ask(&path);
                let list = page["requests"].as_array().unwrap().clone();
                list.into_iter().map(|r| r["id"].as_str().unwrap().to_owned())
            })
            .collect();
        assert_eq!(ids.len(), 200);
    }

    // A denial in one process reaches the nodes of the other.
    let version =
        two.send("GET", "/v1/sync?node=n&wait=0", &two.ingest, &[], b"").json()["version"]
            .as_str()
            .unwrap()
            .to_owned();
    let body = json!({"session": session(1), "reason": "r"}).to_string();
    let denied = one.send("POST", "/v1/denylist", &one.admin, &[], body.as_bytes());
    assert!(matches!(denied.status, 200 | 201), "{}", denied.text());
    let start = Instant::now();
    let path = format!("/v1/sync?node=n&wait=20&version={version}");
    let document = two.send("GET", &path, &two.ingest, &[], b"").json();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(document["denylist"][0]["session"], session(1));
    let path = format!("/v1/denylist/{}", session(1));
    assert!(two.send("DELETE", &path, &two.admin, &[], b"").status < 300);
    eventually("taken off everywhere", || {
        one.ask("/v1/denylist")["denylist"].as_array().is_some_and(Vec::is_empty)
    });
}

#[test]
fn rows_without_their_batch_key_are_not_duplicated() {
    let Some(url) = single_clickhouse_only() else { return };
    let name = format!("marks_{:x}", now_ms());
    let cloud =
        Cloud::start_with(tempfile::tempdir().unwrap(), Some(format!("clickhouse:{url}/{name}")));
    let lines: Vec<_> = (0..50).map(|n| record(1, n, json!({}))).collect();
    let body = batch(&lines);
    let post = || cloud.post_with(&[("idempotency-key", "k")], body.as_bytes()).json();
    assert_eq!(post()["stored"], 50);
    // As after a crash between the rows and the batch key.
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    agent.post(&url).send(&format!("TRUNCATE TABLE {name}.batch")).unwrap();
    assert_eq!(post()["stored"], 50, "it cannot know");
    assert_eq!(cloud.ask("/v1/sessions")["sessions"][0]["requests"], 50);
    let path = format!("/v1/sessions/{}/requests?limit=500", session(1));
    assert_eq!(cloud.ask(&path)["requests"].as_array().unwrap().len(), 50);
}

#[test]
fn tables_of_version_1_are_brought_up_to_date() {
    let Some(url) = single_clickhouse_only() else { return };
    let name = format!("older_{:x}", now_ms());
    let store = format!("clickhouse:{url}/{name}");
    let cloud = Cloud::start_with(tempfile::tempdir().unwrap(), Some(store.clone()));
    assert_eq!(cloud.post(&[record(1, 1, json!({}))]).status, 200);
    let mut dir = cloud.stop();
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    for statement in [
        format!("ALTER TABLE {name}.request DROP COLUMN arrived"),
        format!("ALTER TABLE {name}.request DROP COLUMN ja4"),
        format!("TRUNCATE TABLE {name}.schema_version"),
        format!("INSERT INTO {name}.schema_version VALUES (1)"),
    ] {
        agent.post(&url).send(&statement).unwrap();
    }
    for life in 2..4 {
        let cloud = Cloud::start_with(dir, Some(store.clone()));
        assert_eq!(cloud.post(&[record(life, life, json!({"ja4": "t13d"}))]).status, 200);
        assert_eq!(cloud.ask("/v1/sessions")["total"], life);
        assert_eq!(cloud.ask("/v1/sessions?ja4=t13d")["total"], life - 1);
        dir = cloud.stop();
    }
}

#[test]
fn an_unreachable_server_is_reported_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let kind = StoreKind::parse("clickhouse:http://127.0.0.1:1/x").unwrap();
    let error = runtime
        .block_on(api_sessions_cloud::store::open(&kind, dir.path(), runtime.handle()))
        .err()
        .unwrap();
    assert!(error.to_string().starts_with("clickhouse: "), "{error}");

    // While the server is unreachable, nodes keep their records.
    let Some(url) = clickhouse_only() else { return };
    let target = url.strip_prefix("http://").unwrap().to_owned();
    let way = crate::support::Way::to(target);
    let store = format!("clickhouse:http://{}/away_{:x}", way.address, now_ms());
    let cloud = Cloud::start_with(tempfile::tempdir().unwrap(), Some(store));
    assert_eq!(cloud.post(&[record(1, 1, json!({}))]).status, 200);
    way.close();
    let lines = batch(&[record(1, 2, json!({}))]);
    let post = || cloud.post_with(&[("idempotency-key", "k")], lines.as_bytes());
    eventually("503 while it is unreachable", || post().status == 503);
    assert!(post().json()["detail"].as_str().unwrap().contains("clickhouse"), "{}", post().text());
    way.open();
    eventually("200 once it is back", || post().status == 200);
    eventually("both requests", || cloud.ask("/v1/sessions")["sessions"][0]["requests"] == 2);
}
