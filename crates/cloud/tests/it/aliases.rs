//! Other ids of a session: what a node issued, and another met.

use crate::support::{Cloud, batch, record, session};
use api_sessions_store::clock::now_ms;
use serde_json::{Value, json};

fn link(n: u32, reason: &str) -> Value {
    json!({"links": [{"session": session(n), "reason": reason}]})
}

/// Sessions with their numbers of requests, in the order of their ids.
fn sessions(cloud: &Cloud) -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = cloud.ask("/v1/sessions")["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["session"].as_str().unwrap().to_owned(), it["requests"].as_u64().unwrap()))
        .collect();
    all.sort();
    all
}

fn one(n: u32, requests: u64) -> (String, u64) {
    (session(n), requests)
}

#[test]
fn an_alias_is_the_session_whichever_record_came_first() {
    for late in [false, true] {
        let mut cloud = Cloud::start();
        let issues = |cloud: &Cloud| cloud.post(&[record(1, 1, link(2, "login"))]);
        let used = |cloud: &Cloud| {
            cloud.post(&[
                record(2, 2, json!({"user": "ann", "host": "b.example"})),
                record(2, 3, json!({"status": 403, "attacks": ["sqli"]})),
            ])
        };
        if late {
            used(&cloud);
            issues(&cloud);
        } else {
            issues(&cloud);
            used(&cloud);
        }
        cloud.post(&[record(2, 4, json!({})), record(5, 5, json!({}))]);
        for restarted in [false, true] {
            assert_eq!(sessions(&cloud), [one(1, 4), one(5, 1)], "late {late} {restarted}");
            assert_eq!(cloud.ask("/v1/sessions")["total"], 2);
            for id in [1, 2] {
                let detail = cloud.ask(&format!("/v1/sessions/{}", session(id)));
                assert_eq!(detail["session"], json!(session(1)));
                assert_eq!((&detail["requests"], &detail["user"]), (&json!(4), &json!("ann")));
                let known = &detail["identifiers"];
                assert_eq!(known.as_array().unwrap().len(), 1);
                assert_eq!(known[0]["session"], json!(session(2)));
                assert_eq!(
                    (&known[0]["reason"], &known[0]["request"]),
                    (&json!("login"), &json!(format!("{:032x}", 1)))
                );
                let page = cloud.ask(&format!("/v1/sessions/{}/requests", session(id)));
                let of: Vec<_> = page["requests"].as_array().unwrap().iter().collect();
                assert_eq!(of.len(), 4);
                assert!(of.iter().all(|request| request["session"] == json!(session(1))));
                let found = cloud.ask(&format!("/v1/sessions?session={}", session(id)));
                assert_eq!(
                    (&found["total"], &found["sessions"][0]["requests"]),
                    (&json!(1), &json!(4))
                );
            }
            // Filters that different records of the session meet.
            let found = cloud.ask("/v1/sessions?user=ann&status=403&attack=sqli");
            assert_eq!(found["sessions"][0]["session"], json!(session(1)));
            let request = cloud.ask(&format!("/v1/requests/{:032x}", 2));
            assert_eq!(request["session"], json!(session(1)));
            let store = cloud.store.clone();
            let dir = cloud.stop();
            cloud = Cloud::start_with(dir, store);
        }
    }
}

#[test]
fn a_chain_of_aliases_is_one_session_in_every_order() {
    // 1 issued 2, which another node knew only as such, and which was issued 3 there; and so on.
    let all: Vec<Value> = (1..5).map(|n| record(n, n, link(n + 1, "rotated"))).collect();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        let cloud = Cloud::start();
        cloud.post(&[record(5, 9, json!({}))]);
        for n in order {
            cloud.post(&[all[n].clone()]);
        }
        assert_eq!(sessions(&cloud), [one(1, 5)], "{order:?}");
        let detail = cloud.ask(&format!("/v1/sessions/{}", session(5)));
        assert_eq!(detail["identifiers"].as_array().unwrap().len(), 4);
    }
}

#[test]
fn a_value_that_two_sessions_were_issued_joins_nobody() {
    let cloud = Cloud::start();
    cloud.post(&[record(1, 1, link(3, "issued"))]);
    cloud.post(&[record(2, 2, link(3, "issued"))]);
    cloud.post(&[record(3, 3, json!({}))]);
    cloud.post(&[record(1, 4, link(4, "issued")), record(1, 5, link(4, "demoted"))]);
    cloud.post(&[record(4, 6, json!({}))]);
    // It stays so.
    cloud.post(&[record(1, 7, link(3, "issued")), record(1, 8, link(4, "issued"))]);
    cloud.post(&[record(3, 9, json!({}))]);
    assert_eq!(sessions(&cloud), [one(1, 5), one(2, 1), one(3, 2), one(4, 1)]);
}

#[test]
fn a_value_went_on_in_its_first_session_after_a_second_one_was_issued_it() {
    let cloud = Cloud::start();
    cloud.post(&[record(1, 1, link(3, "issued"))]);
    cloud.post(&[record(3, 2, json!({}))]);
    cloud.post(&[record(2, 3, link(3, "issued"))]);
    cloud.post(&[record(3, 4, json!({}))]);
    // What was joined stays.
    assert_eq!(sessions(&cloud), [one(1, 2), one(2, 1), one(3, 1)]);
}

#[test]
fn a_session_got_another_part_in_the_batch_that_took_its_own() {
    let cloud = Cloud::start();
    cloud.post(&[record(3, 1, json!({})), record(2, 2, json!({}))]);
    cloud.post(&[
        record(1, 3, link(2, "issued")),
        // From here on 2 is nobody's alias, and 3 is one of its own.
        record(4, 4, link(2, "issued")),
        record(2, 5, link(3, "issued")),
    ]);
    let all = [one(1, 2), one(2, 2), one(4, 1)];
    assert_eq!(sessions(&cloud), all);
    let store = cloud.store.clone();
    assert_eq!(sessions(&Cloud::start_with(cloud.stop(), store)), all);
}

#[test]
fn an_alias_with_requests_of_another_day_was_a_session_of_its_own() {
    let cloud = Cloud::start();
    let ago = |days: u64| json!({"ts": now_ms() - days * 86_400_000});
    cloud.post(&[record(2, 1, ago(2)), record(2, 2, ago(1)), record(1, 3, ago(1))]);
    cloud.post(&[record(1, 4, link(2, "issued"))]);
    cloud.post(&[record(2, 5, json!({}))]);
    assert_eq!(sessions(&cloud), [one(1, 5)]);
    let detail = cloud.ask(&format!("/v1/sessions/{}", session(2)));
    assert_eq!(detail["days"].as_array().unwrap().len(), 3);
}

#[test]
fn an_alias_that_is_its_own_session_changes_nothing() {
    let cloud = Cloud::start();
    cloud.post(&[record(1, 1, link(1, "issued")), record(1, 2, link(2, "issued"))]);
    cloud.post(&[record(2, 3, link(1, "issued"))]);
    assert_eq!(sessions(&cloud), [one(1, 3)]);
}

#[test]
fn a_batch_that_comes_twice_joins_once() {
    let cloud = Cloud::start();
    let lines = batch(&[record(1, 1, link(2, "issued")), record(2, 2, json!({}))]);
    for _ in 0..2 {
        cloud.post_with(&[("idempotency-key", "n1")], lines.as_bytes());
    }
    assert_eq!(sessions(&cloud), [one(1, 2)]);
}

#[test]
fn a_split_counts_from_then_on() {
    let cloud = Cloud::start();
    cloud.post(&[record(1, 1, link(2, "issued")), record(2, 2, json!({}))]);
    let path = format!("/v1/sessions/{}/identifiers/{}", session(1), session(2));
    assert_eq!(cloud.send("DELETE", &path, &cloud.admin, &[], b"").status, 204);
    assert_eq!(cloud.send("DELETE", &path, &cloud.admin, &[], b"").status, 404);
    cloud.post(&[record(2, 3, json!({"ts": now_ms() + 1000})), record(1, 4, link(2, "issued"))]);
    assert_eq!(sessions(&cloud), [one(1, 3), one(2, 1)]);
    let detail = cloud.ask(&format!("/v1/sessions/{}", session(1)));
    assert_eq!(detail["identifiers"], json!([]));
}

#[test]
fn the_users_of_one_client_follow_each_other() {
    let cloud = Cloud::start();
    cloud.post(&[record(1, 1, json!({})), record(2, 2, json!({"previous": session(1)}))]);
    let next = cloud.ask(&format!("/v1/sessions/{}", session(1)))["next"].clone();
    let previous = cloud.ask(&format!("/v1/sessions/{}", session(2)))["previous"].clone();
    assert_eq!((next, previous), (json!(session(2)), json!(session(1))));
    let request = cloud.ask(&format!("/v1/requests/{:032x}", 2));
    assert_eq!(request["previous"], json!(session(1)));
}

#[test]
fn a_denied_session_went_on_at_a_node_that_knew_it_by_another_id() {
    let cloud = Cloud::start();
    let denied = |cloud: &Cloud| {
        let document = sync(cloud, "wait=0");
        let mut entries: Vec<(String, Value)> = document["denylist"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (entry["session"].as_str().unwrap().to_owned(), entry["reason"].clone()))
            .collect();
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        (document["version"].as_str().unwrap().to_owned(), entries)
    };
    let entry = |n: u32, reason: &str| (session(n), json!(reason));
    cloud.post(&[record(1, 1, link(2, "login")), record(5, 2, link(6, "issued"))]);
    let (before, none) = denied(&cloud);
    assert!(none.is_empty());
    let deny = |n: u32, reason: &str| {
        let order = json!({"session": session(n), "reason": reason}).to_string();
        let answer = cloud.send("POST", "/v1/denylist", &cloud.admin, &[], order.as_bytes());
        assert_eq!(answer.status, 201);
    };
    deny(1, "theft");
    let (first, entries) = denied(&cloud);
    assert_eq!(entries, [entry(1, "theft"), entry(2, "theft")]);
    assert_ne!(first, before);
    // A value that it is issued later is denied too, without an order: nodes that poll hear of it.
    cloud.post(&[record(2, 3, link(3, "rotated"))]);
    let version = sync(&cloud, &format!("wait=20&version={first}"))["version"].clone();
    let (second, entries) = denied(&cloud);
    assert_eq!(version, json!(second));
    assert_eq!(entries, [entry(1, "theft"), entry(2, "theft"), entry(3, "theft")]);
    // An order by an alias means the session.
    deny(6, "bot");
    let (_, entries) = denied(&cloud);
    assert_eq!(entries[3..], [entry(5, "bot"), entry(6, "bot")]);
    // The list itself, and what is taken off, are of the ids that were ordered.
    assert_eq!(cloud.ask("/v1/denylist")["denylist"].as_array().unwrap().len(), 2);
    for n in [1, 6] {
        let path = format!("/v1/denylist/{}", session(n));
        assert_eq!(cloud.send("DELETE", &path, &cloud.admin, &[], b"").status, 204);
    }
    assert!(denied(&cloud).1.is_empty());
}

/// The document that a node gets.
fn sync(cloud: &Cloud, query: &str) -> Value {
    let path = format!("/v1/sync?{query}");
    let answer = cloud.send("GET", &path, &cloud.ingest, &[], b"");
    assert_eq!(answer.status, 200);
    answer.json()
}
