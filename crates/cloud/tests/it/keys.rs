//! Key facts: from what nodes send to verdicts, demotion, and what people decide.

use std::time::{Duration, Instant};

use crate::support::{Cloud, record};
use api_sessions_store::Role;
use api_sessions_store::clock::now_ms;
use serde_json::{Value, json};

const LENGTH: u64 = 1000;

/// A window with a key that all of 40 clients share, one that each has for itself, and a candidate.
fn window(start: u64, shared: bool) -> Value {
    let own = |base: u32| {
        let clients: Vec<Value> = (1..=60).map(|n| json!([n, [base + n]])).collect();
        let values: Vec<Value> = (1..=60)
            .map(|n| {
                json!({"value": base + n, "requests": 2, "clients": [n], "endpoint": 1,
                    "more_endpoints": true, "moments": [[5, [n]]]})
            })
            .collect();
        let lowest: Vec<u32> = (1..=60).map(|n| base + n).collect();
        (clients, values, lowest)
    };
    let (clients, values, lowest) = own(1000);
    let cookie = json!({"kind": "candidate", "name": "request.cookie.visit", "present": 120, "decided": 0,
        "issued": 9, "lowest": lowest, "clients": clients, "values": values});
    let (clients, values, lowest) = own(5000);
    let mut key = json!({"kind": "builtin", "name": "X-API-Key", "present": 120, "decided": 120,
        "lowest": lowest, "clients": clients, "values": values});
    if shared {
        key["lowest"] = json!([7]);
        key["clients"] = (1..=60).map(|n| json!([n, [7]])).collect();
        let sixteen: Vec<u32> = (1..=16).collect();
        key["values"] = json!([{"value": 7, "requests": 120, "clients": sixteen, "endpoint": 1,
            "more_endpoints": true, "moments": [[5, [1, 2, 3]], [6, [4, 5, 6]]]}]);
    }
    json!({"window": start, "length": LENGTH, "application": "shop", "requests": 120, "keys": [key, cookie]})
}

fn post(cloud: &Cloud, name: &str, window: &Value) -> u16 {
    let headers = [("Idempotency-Key", name)];
    let body = format!("{window}\n");
    cloud.send("POST", "/v1/key-facts", &cloud.ingest, &headers, body.as_bytes()).status
}

/// The key of that name, once `is` so.
fn key(cloud: &Cloud, name: &str, is: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let found = cloud.ask("/v1/keys?application=shop");
        let mut keys = found["keys"].as_array().unwrap().iter();
        if let Some(key) = keys.find(|key| key["name"] == name && is(key)) {
            return key.clone();
        }
        assert!(Instant::now() < end, "{name} in {found:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn demoted(cloud: &Cloud) -> Value {
    cloud.send("GET", "/v1/sync?version=&wait=0", &cloud.ingest, &[], b"").json()["demoted"].clone()
}

fn decide(cloud: &Cloud, what: &str, name: &str) -> u16 {
    let body = json!({"application": "shop", "name": name}).to_string();
    cloud.send("POST", &format!("/v1/keys/{what}"), &cloud.admin, &[], body.as_bytes()).status
}

#[test]
fn a_shared_key_is_demoted_after_two_windows_and_stays_so_until_somebody_undoes_it() {
    let cloud = Cloud::start();
    let first = now_ms() / LENGTH * LENGTH - 8 * LENGTH;
    assert_eq!(post(&cloud, "a", &window(first, true)), 204);
    assert_eq!(post(&cloud, "a", &window(first, true)), 204, "again");
    let seen = key(&cloud, "X-API-Key", |_| true);
    assert_eq!(
        (&seen["requests"], &seen["verdict"]),
        (&json!(120), &json!("too_little")),
        "{seen}"
    );
    assert_eq!(demoted(&cloud), Value::Null);
    assert_eq!(post(&cloud, "b", &window(first + LENGTH, true)), 204);
    let seen = key(&cloud, "X-API-Key", |key| key["demoted"] == true);
    assert_eq!((&seen["verdict"], &seen["since"]), (&json!("shared"), &json!(first + LENGTH)));
    let evidence = seen["evidence"].to_string();
    assert!(evidence.contains("in three networks at once"), "{evidence}");
    assert_eq!(
        (&seen["point"], &seen["coverage"]),
        (&json!("request.header.x-api-key"), &json!(1.0))
    );
    let expected = json!([{"application": "shop", "key": "X-API-Key", "verdict": "shared", "since": first + LENGTH}]);
    assert_eq!(demoted(&cloud), expected);

    // A restart keeps the demotion, and the verdict on which it rests.
    let cloud = Cloud::start_in(cloud.stop());
    assert_eq!(demoted(&cloud), expected);
    assert_eq!(post(&cloud, "c", &window(first + 2 * LENGTH, false)), 204);
    let seen = key(&cloud, "X-API-Key", |key| key["requests"] == 360);
    assert_eq!((&seen["verdict"], &seen["demoted"]), (&json!("shared"), &json!(true)), "{seen}");

    assert_eq!(decide(&cloud, "undo", "X-API-Key"), 204);
    assert_eq!((decide(&cloud, "undo", "X-API-Key"), demoted(&cloud)), (404, Value::Null));
    for (name, at) in [("d", 3), ("e", 4)] {
        assert_eq!(post(&cloud, name, &window(first + at * LENGTH, true)), 204);
    }
    let seen = key(&cloud, "X-API-Key", |key| key["requests"] == 600);
    assert_eq!((&seen["verdict"], &seen["demoted"]), (&json!("shared"), &json!(false)), "{seen}");
    assert_eq!(demoted(&cloud), Value::Null);
}

#[test]
fn a_candidate_is_suggested_after_an_hour_and_not_again_once_it_was_dismissed() {
    let cloud = Cloud::start();
    let first = now_ms() / LENGTH * LENGTH - 12 * LENGTH;
    for at in 0..6 {
        assert_eq!(post(&cloud, &at.to_string(), &window(first + at * LENGTH, false)), 204);
    }
    let seen = key(&cloud, "request.cookie.visit", |key| key["requests"] == 720);
    assert_eq!((&seen["suggested"], &seen["verdict"]), (&json!(true), &json!("good")), "{seen}");
    assert_eq!((&seen["sessions"], &seen["point"]), (&json!(60), &json!("request.cookie.visit")));
    let before = cloud.ask(&format!("/v1/keys?to={}", first + 4 * LENGTH));
    assert!(!before.to_string().contains("\"suggested\":true"), "{before}");

    assert_eq!(decide(&cloud, "dismiss", "request.cookie.visit"), 204);
    let seen = key(&cloud, "request.cookie.visit", |_| true);
    assert_eq!(seen["suggested"], false);
}

#[test]
fn lines_that_are_no_facts_are_refused_and_late_ones_are_counted() {
    let cloud = Cloud::start();
    for bad in [json!({}), json!({"window": 0, "length": 1, "requests": 1, "keys": []})] {
        assert_eq!(post(&cloud, "bad", &bad), 422, "{bad}");
    }
    let viewer = cloud.send("POST", "/v1/key-facts", "nobody", &[], b"").status;
    assert_eq!(viewer, 401);
    let first = now_ms() / LENGTH * LENGTH - 9 * LENGTH;
    assert_eq!(post(&cloud, "a", &window(first, true)), 204);
    key(&cloud, "X-API-Key", |_| true);
    assert_eq!(post(&cloud, "b", &window(first, true)), 204);
    let metrics = cloud.send("GET", "/metrics", &cloud.admin, &[], b"").text();
    assert!(metrics.contains("api_sessions_cloud_key_windows_late 1"), "{metrics}");
    assert_eq!(key(&cloud, "X-API-Key", |_| true)["requests"], 120);
}

#[test]
fn a_session_says_why_its_requests_were_grouped() {
    let cloud = Cloud::start();
    let lines = [
        ("key", "tenant", "own", "the operator's key"),
        ("builtin", "connect.sid", "builtin", "server-issued, random, kept for a whole visit"),
        ("link", "visit", "candidate", "a cookie that a response of the session issued"),
        ("ip_ua", "ip_ua", "ip_ua", "no key: the client's address and User-Agent"),
    ];
    for (n, (source, key, kind, reason)) in (1..).zip(lines) {
        let line = record(n, n, json!({"source": source, "key": key, "app": "shop"}));
        let session = line["session"].as_str().unwrap().to_owned();
        cloud.post(&[line]);
        let why = cloud.ask(&format!("/v1/sessions/{session}"))["why"].clone();
        assert_eq!(
            (&why["key"], &why["kind"], &why["reason"]),
            (&json!(key), &json!(kind), &json!(reason))
        );
        assert_eq!((&why["verdict"], &why["aliases"]), (&json!("too_little"), &json!(0)), "{why}");
    }
}

#[test]
fn the_page_shows_verdicts_and_an_admin_adopts_a_suggestion_and_undoes_a_demotion() {
    let cloud = Cloud::start();
    assert!(cloud.get("/keys").text().contains("Nothing has been measured yet"));
    let first = now_ms() / LENGTH * LENGTH - 14 * LENGTH;
    for at in 0..6 {
        assert_eq!(post(&cloud, &at.to_string(), &window(first + at * LENGTH, true)), 204);
    }
    key(&cloud, "request.cookie.visit", |key| key["requests"] == 720);
    let decide = |what: &str, name: &str| {
        let form = format!("what={what}&application=shop&name={name}");
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        cloud.send("POST", "/keys", &cloud.admin, &kind, form.as_bytes()).status
    };
    let page = cloud.get("/keys").text();
    for text in [
        "built-in keys\u{a0}100\u{a0}%",
        "Suggestions",
        "Adopt",
        "demoted",
        "three networks at once",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    // Nothing carries it yet; as a parameter that is no key it is a suggestion still, which records carry.
    assert!(page.contains("If no record carries it"), "{page}");
    assert_eq!(decide("watch", "request.cookie.visit"), 303);
    assert_eq!(decide("watch", "request.cookie.visit"), 303, "again, to no effect");
    let watched = cloud.ask("/v1/parameters")["parameters"].clone();
    assert_eq!((watched.as_array().unwrap().len(), &watched[0]["group"]), (1, &json!(false)));
    let lines: Vec<Value> = (0..12)
        .map(|n| {
            let value = json!({"name": "request.cookie.visit", "value": format!("{:032x}", n % 3),
                "type": "context", "hashed": true});
            record(1, 100 + n, json!({"app": "shop", "key": "X-API-Key", "params": [value]}))
        })
        .collect();
    cloud.post(&lines);
    let page = cloud.get("/keys").text();
    for text in ["1 → 3", "newest 12 requests", "application=shop&amp;try=request.cookie.visit"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let page = cloud.get("/keys?application=shop&try=request.cookie.visit").text();
    for text in ["Sessions 1 → 3", "would be several", "would be 3 (12 requests)"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    assert_eq!(cloud.get("/keys?try=request.nose").status, 400);
    assert_eq!(decide("adopt", "request.cookie.visit"), 303);
    let adopted = cloud.ask("/v1/parameters")["parameters"].clone();
    assert_eq!(adopted.as_array().unwrap().len(), 1);
    assert_eq!(
        (&adopted[0]["point"], &adopted[0]["group"]),
        (&json!("request.cookie.visit"), &json!(true))
    );
    assert_eq!(adopted[0]["export"], "hashed");
    assert_eq!(decide("adopt", "request.cookie.visit"), 303, "again, to no effect");
    assert_eq!(cloud.ask("/v1/parameters")["parameters"], adopted);
    assert_eq!(decide("undo", "X-API-Key"), 303);
    assert_eq!((decide("undo", "X-API-Key"), decide("bake", "x")), (404, 400));
    let page = cloud.get("/keys").text();
    assert!(!page.contains("Adopt") && !page.contains(">demoted<"), "{page}");
    assert_eq!(demoted(&cloud), Value::Null);

    cloud.post(&[record(9, 9, json!({"source": "client", "key": "X-API-Key", "app": "shop"}))]);
    let session = cloud.get(&format!("/sessions/{}", crate::support::session(9))).text();
    let why = "client-level: names a client rather than a user";
    assert!(session.contains(why) && session.contains(">shared<"), "{session}");
}

/// Tries keys on what is stored.
fn try_keys(cloud: &Cloud, body: &Value) -> (u16, Value) {
    let answer = cloud.send(
        "POST",
        "/v1/keys/try",
        &cloud.token(Role::Viewer),
        &[],
        body.to_string().as_bytes(),
    );
    (answer.status, answer.json())
}

#[test]
fn keys_are_tried_on_what_records_carry() {
    let cloud = Cloud::start();
    let hashed = |name: &str, value: u32, kind: &str| json!({"name": name, "value": format!("{value:032x}"), "type": kind, "hashed": true});
    // One static API key for four visitors, who each keep a header of their own.
    let mut lines: Vec<Value> = (0..40)
        .map(|n| {
            let params = json!([
                hashed("X-API-Key", 7, "session"),
                hashed("request.header.x-visit", 100 + n % 4, "context")
            ]);
            let key =
                json!({"source": "client", "key": "X-API-Key", "app": "shop", "params": params});
            record(1, 1000 + n, key)
        })
        .collect();
    // Of another application, and what has no value.
    lines.push(record(2, 2000, json!({"app": "blog"})));
    lines.push(record(3, 2001, json!({"app": "shop"})));
    cloud.post(&lines);

    let visit = json!({"application": "shop", "keys": ["request.header.X-Visit"], "builtin": true});
    let (status, found) = try_keys(&cloud, &visit);
    assert_eq!(status, 200, "{found}");
    let figures = |found: &Value| {
        ["requests", "sessions_before", "sessions_after", "unchanged"]
            .map(|name| found[name].clone())
    };
    assert_eq!(figures(&found), [41, 2, 5, 1].map(|n| json!(n)));
    let split = json!([{"session": crate::support::session(1), "count": 4, "requests": 40}]);
    assert_eq!((&found["split"], &found["merged"]), (&split, &json!([])), "{found}");
    assert_eq!(found["incomplete"].as_array().unwrap().len(), 1, "{found}");

    // What grouped it is a value like any other; without the set, the rest falls to its address.
    let same = json!({"keys": ["request.header.x-api-key"], "builtin": false});
    let (_, found) = try_keys(&cloud, &same);
    assert_eq!(figures(&found), [42, 3, 3, 3].map(|n| json!(n)), "{found}");
    let (_, found) = try_keys(&cloud, &json!({"keys": ["request.header.user-agent"]}));
    assert_eq!(figures(&found), [42, 3, 1, 0].map(|n| json!(n)), "{found}");
    assert_eq!(
        (&found["merged"][0]["count"], &found["merged"][0]["requests"]),
        (&json!(3), &json!(42))
    );
    let (_, found) = try_keys(&cloud, &json!({"keys": ["request.ip"], "to": now_ms() - 7_200_000}));
    assert_eq!(figures(&found), [0, 0, 0, 0].map(|n| json!(n)), "{found}");

    for (bad, text) in [
        (json!({}), "keys: a point is expected"),
        (json!({"keys": ["request.nose"]}), "keys[0]: "),
        (json!({"keys": vec!["request.ip"; 17]}), "at most 16"),
        (json!({"keys": ["request.ip"], "form": 1}), "unknown field `form`"),
        (json!({"keys": ["request.ip"], "from": "yesterday"}), "invalid value of from"),
        (json!({"keys": ["request.ip"], "from": 2, "to": 1}), "from: it is later than to"),
        (json!({"keys": "request.ip"}), "invalid body"),
    ] {
        let (status, answer) = try_keys(&cloud, &bad);
        assert!(status == 400 && answer.to_string().contains(text), "{bad}: {answer}");
    }
}
