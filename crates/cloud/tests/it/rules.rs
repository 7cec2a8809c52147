//! Rules over sessions: what nodes take, trying on stored requests, hits.

use crate::support::{Answer, Cloud, record, session};
use api_sessions_store::clock::now_ms;
use serde_json::{Value, json};

fn send(cloud: &Cloud, method: &str, path: &str, body: &Value) -> Answer {
    cloud.send(method, path, &cloud.admin, &[], body.to_string().as_bytes())
}

fn try_rule(cloud: &Cloud, rule: Value) -> Value {
    let answer = send(cloud, "POST", "/v1/rules/try", &json!({ "rule": rule }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// A failed login.
fn failure(of: u32, n: u32, ts: u64) -> Value {
    record(of, n, json!({"ts": ts, "method": "POST", "path": "/login", "status": 401}))
}

#[test]
fn a_rule_that_a_node_would_refuse_was_stored() {
    let cloud = Cloud::start();
    let good =
        json!({"name": "logins", "on": "POST:/login", "when": "status=401", "over": "10/5m"});
    assert_eq!(send(&cloud, "PUT", "/v1/rules", &json!([good])).status, 200);
    for (bad, message) in [
        (json!({"name": "a", "over": "x/5m"}), "invalid parameter \"over=x/5m\""),
        (json!({"name": "a b", "over": "1/5m"}), "invalid name \"a b\""),
        (json!({"name": "a", "over": "1/5m", "when": "status=abc"}), "status=abc"),
        (json!({"name": "a", "over": "1/5m", "per": "user", "then": "deny:1m"}), "per=user"),
        (json!({"name": "a", "over": "1/5m", "fleet": "on"}), "fleet=on"),
        (json!({"name": "a", "over": "1/5m", "when": "request.nothing=1"}), "request.nothing"),
    ] {
        for answer in [
            send(&cloud, "PUT", "/v1/rules", &json!([good, bad])),
            send(&cloud, "POST", "/v1/rules/try", &json!({ "rule": bad })),
        ] {
            assert_eq!(answer.status, 422, "{bad}: {}", answer.text());
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(message) && detail.contains("rule \""), "{detail}");
        }
    }
    assert_eq!(cloud.ask("/v1/rules"), json!([good]), "a refused set changes nothing");
}

#[test]
fn a_rule_is_tried_on_stored_requests() {
    let cloud = Cloud::start();
    let start = now_ms() - 3_600_000;
    let mut lines = Vec::new();
    for n in 0..12 {
        // Twelve failures in a minute; the path is written in another way once.
        let mut line = failure(1, n, start + u64::from(n) * 5000);
        if n == 3 {
            line["path"] = json!("/x/../%6Cogin");
        }
        lines.push(line);
        // As many, but four minutes apart.
        lines.push(failure(2, 100 + n, start + u64::from(n) * 240_000));
        // As many good ones.
        lines.push(record(
            3,
            200 + n,
            json!({"ts": start + u64::from(n), "method": "POST", "path": "/login"}),
        ));
    }
    // A rule that was enforced fired with the last one, which was answered and counted.
    if let Some(last) = lines.iter_mut().rev().find(|line| line["session"] == json!(session(1))) {
        last["rules"] =
            json!([{"name": "logins", "count": 12, "then": "deny:10m", "enforced": true}]);
    }
    // Refused ones are not counted on the node.
    lines.extend((0..20).map(|n| {
        let mut line = failure(4, 300 + n, start + u64::from(n));
        line["denied"] = json!(true);
        line
    }));
    cloud.post(&lines);
    let rule = json!({"name": "logins", "on": "POST:/login", "when": "status=401", "over": "10/5m",
        "then": "deny:10m", "mode": "off"});
    let found = try_rule(&cloud, rule.clone());
    assert_eq!((&found["requests"], &found["counted"]), (&json!(56), &json!(24)), "{found}");
    assert_eq!((&found["subjects"], &found["fired_subjects"]), (&json!(2), &json!(1)));
    // The eleventh is the first that is more than ten.
    let fired = json!([{"subject": session(1), "sessions": [session(1)],
        "first_ts": start + 50_000, "count": 12}]);
    assert_eq!((&found["fired"], &found["incomplete"]), (&fired, &json!([])));
    assert_eq!(found["suggested"]["p99_9"], 12);
    assert_eq!(found["suggested"]["p50"], 2, "of windows, not of the whole time: {found}");

    let before = json!({"rule": rule, "from": start - 1000, "to": start + 49_999});
    let found = send(&cloud, "POST", "/v1/rules/try", &before).json();
    assert_eq!((&found["fired"], &found["suggested"]["p99_9"]), (&json!([]), &json!(10)));
    let wrong = json!({"rule": rule, "from": "yesterday"});
    assert_eq!(send(&cloud, "POST", "/v1/rules/try", &wrong).status, 400);
}

#[test]
fn one_address_that_tries_many_users_is_found_over_all_its_sessions() {
    let cloud = Cloud::start();
    let start = now_ms() - 3_600_000;
    let of = |n: u32, ip: &str, user: &str| {
        let mut line = failure(n, n, start + u64::from(n) * 1000);
        (line["ip"], line["user"]) = (json!(ip), json!(user));
        line
    };
    let mut lines: Vec<_> = (0..30).map(|n| of(n, "2001:db8::1", &format!("user{n}"))).collect();
    // Another address of the same network, and one that forgot a password.
    lines.push(of(30, "2001:db8::2", "user30"));
    lines.extend((31..70).map(|n| of(n, "192.0.2.1", "ann")));
    cloud.post(&lines);
    let found = try_rule(
        &cloud,
        json!({"name": "stuffing", "when": "status=401;user=present", "count": "distinct:user",
            "over": "20/1h", "per": "ip"}),
    );
    assert_eq!((&found["subjects"], &found["fired_subjects"]), (&json!(2), &json!(1)));
    let fired = &found["fired"][0];
    assert_eq!(fired["subject"], "2001:db8::/64");
    assert_eq!(fired["first_ts"], start + 20_000);
    assert_eq!(fired["sessions"].as_array().unwrap().len(), 31);
    let count = fired["count"].as_u64().unwrap();
    assert!((28..=34).contains(&count), "within 10 %: {count}");
}

#[test]
fn what_records_do_not_have_is_said() {
    let cloud = Cloud::start();
    let param = |name: &str, hashed: bool| json!([{"name": name, "value": "v", "type": "context", "hashed": hashed}]);
    cloud.post(&[
        record(1, 1, json!({})),
        record(1, 2, json!({"params": param("request.body.json.ok", true)})),
        record(1, 3, json!({"params": param("request.body.json.ok", false)})),
    ]);
    let rule = |when: &str| json!({"name": "a", "when": when, "over": "0/5m"});
    let found = try_rule(&cloud, rule("request.body.json.ok=v"));
    assert_eq!((&found["requests"], &found["counted"]), (&json!(3), &json!(1)));
    let said = found["incomplete"][0].as_str().unwrap();
    assert!(said.starts_with("2 requests") && said.contains("request.body.json.ok"), "{said}");
    // A hash tells values apart.
    let distinct = json!({"name": "a", "count": "distinct:request.body.json.ok", "over": "0/5m"});
    let found = try_rule(&cloud, distinct);
    assert_eq!((&found["counted"], found["incomplete"].as_array().unwrap().len()), (&json!(2), 1));
    cloud.post(&[
        record(
            7,
            71,
            json!({"ts": now_ms() - 1000, "ja4": "t13d1516h2_8daaf6152771_02713d6af862"}),
        ),
        record(7, 72, json!({"ts": now_ms() - 1000, "ja4": "a", "ja4_stable": "b"})),
        record(7, 73, json!({"ts": now_ms() - 1000, "ja4": "c", "ja4_stable": "b"})),
        record(7, 74, json!({"ts": now_ms() - 1000, "ja4": "[hidden]", "ja4_stable": "[hidden]"})),
    ]);
    let found = try_rule(&cloud, json!({"name": "a", "over": "0/5m", "per": "ja4"}));
    assert_eq!((&found["subjects"], &found["fired"][0]["count"]), (&json!(2), &json!(2)));
    let said = found["incomplete"][0].as_str().unwrap();
    assert!(said.starts_with("1 requests have the plain form of JA4"), "{said}");
    let said = found["incomplete"][1].as_str().unwrap();
    assert!(said.starts_with("1 requests were not counted: their JA4 is a key"), "{said}");
    // Of requests that do not meet the conditions, nothing is missing.
    let posts = json!({"name": "a", "over": "0/5m", "per": "ja4", "when": "request.method=POST"});
    assert_eq!(try_rule(&cloud, posts)["incomplete"], json!([]));
    // What all records have needs no parameter.
    let found = try_rule(&cloud, rule("request.method=GET;request.ip!=192.0.2.99"));
    assert_eq!((&found["counted"], &found["incomplete"]), (&json!(7), &json!([])));
}

#[test]
fn hits_are_counted_by_rule_from_the_records_of_nodes() {
    let cloud = Cloud::start();
    let now = now_ms();
    let hit = |name: &str, enforced: bool| json!({"name": name, "count": 11, "then": "deny:10m", "enforced": enforced});
    cloud.post(&[
        record(1, 1, json!({"ts": now - 9000, "rules": [hit("a", false), hit("b", false)]})),
        record(1, 2, json!({"ts": now - 8000, "rules": [hit("a", true)], "denied": true})),
        record(2, 3, json!({"ts": now - 7000, "rules": [hit("a", false)]})),
        record(3, 4, json!({"ts": now - 6000})),
        record(2, 5, json!({"ts": now - 86_400_000, "rules": [hit("a", false)]})),
    ]);
    let found = cloud.ask("/v1/rules/hits");
    let rules = found["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 2);
    assert_eq!(
        rules[0],
        json!({"rule": "a", "hits": 4, "sessions": 2, "subjects_refused": 1, "last_hit": now - 7000})
    );
    let found = cloud.ask(&format!("/v1/rules/hits?rule=a&from={}", now - 60_000));
    assert_eq!(found["rules"][0]["hits"], 3);
    assert_eq!(
        found["rules"][0]["sessions_hit"],
        json!([
            {"session": session(2), "hits": 1, "enforced": 0, "count": 11, "last_hit": now - 7000},
            {"session": session(1), "hits": 2, "enforced": 1, "count": 11, "last_hit": now - 8000},
        ])
    );
    assert_eq!(cloud.ask("/v1/rules/hits?rule=none")["rules"], json!([]));
}

#[test]
fn a_denial_by_a_rule_is_shown_and_taken_off() {
    let cloud = Cloud::start();
    let now = now_ms();
    let hit = |name: &str, count: u64, then: &str, enforced: bool| json!([{"name": name, "count": count, "then": then, "enforced": enforced}]);
    cloud.post(&[
        record(1, 1, json!({"ts": now - 9000, "rules": hit("logins", 11, "mark,deny:10m", true)})),
        record(1, 2, json!({"ts": now - 8000, "denied": true, "rules": hit("logins", 0, "mark,deny:10m", true)})),
        record(2, 3, json!({"ts": now - 9000, "rules": hit("logins", 11, "mark,deny:5s", true)})),
        record(3, 4, json!({"ts": now - 9000, "rules": hit("logins", 11, "mark,deny:10m", false)})),
        record(4, 5, json!({"ts": now - 9000, "rules": hit("slow", 11, "limit:1r/s", true)})),
    ]);
    let page = |path: String| cloud.get(&path).text();
    let list = page("/denylist".into());
    assert!(list.contains("rule logins") && list.contains(&session(1)), "{list}");
    // One is over, one only monitors, one limits.
    for other in [2, 3, 4] {
        assert!(!list.contains(&session(other)), "{other}: {list}");
        let path = format!("/v1/denylist/{}", session(other));
        assert_eq!(cloud.send("DELETE", &path, &cloud.admin, &[], b"").status, 404, "{other}");
    }
    let shown = page(format!("/sessions/{}", session(1)));
    assert!(
        shown.contains("Denied by rule") && shown.contains("Remove from the denylist"),
        "{shown}"
    );

    let requests = cloud.ask(&format!("/v1/sessions/{}/requests", session(1)));
    for (at, shown) in
        ["<td class=\"number\">11</td>", "refused by the denylist"].into_iter().enumerate()
    {
        let id = requests["requests"][at]["id"].as_str().unwrap();
        let text = page(format!("/requests/{id}"));
        assert!(text.contains(shown) && text.contains("mark,deny:10m"), "{shown}: {text}");
    }

    let sync = || cloud.send("GET", "/v1/sync?node=n1&wait=0", &cloud.ingest, &[], b"").json();
    assert_eq!(sync()["lifted"], json!(null));
    let path = format!("/v1/denylist/{}", session(1));
    assert_eq!(cloud.send("DELETE", &path, &cloud.admin, &[], b"").status, 204);
    let lifted = sync()["lifted"].clone();
    assert_eq!((lifted.as_array().unwrap().len(), &lifted[0]["session"]), (1, &json!(session(1))));
    assert!(lifted[0]["ts"].as_u64().unwrap() >= now);
    assert!(!page("/denylist".into()).contains(&session(1)));
    assert_eq!(
        cloud.send("DELETE", &path, &cloud.admin, &[], b"").status,
        404,
        "it is off already"
    );
    let history = cloud.ask("/v1/denylist-history");
    assert_eq!(history["history"][0]["action"], "lift");
    // Denied again later, it is shown again.
    cloud.post(&[record(
        1,
        6,
        json!({"ts": now_ms(), "rules": hit("logins", 11, "mark,deny:10m", true)}),
    )]);
    assert!(page("/denylist".into()).contains(&session(1)));
}

#[test]
fn an_address_that_a_rule_denies_is_shown_and_taken_off() {
    let cloud = Cloud::start();
    let now = now_ms();
    let hit = |count: u64, then: &str| json!([{"name": "stuffing", "count": count, "then": then, "enforced": true}]);
    let of = |n: u32, ip: &str, then: &str| {
        record(n, n, json!({"ts": now - 9000, "ip": ip, "rules": hit(21, then)}))
    };
    cloud.post(&[
        of(1, "192.0.2.1", "mark,deny_ip:1h"),
        of(2, "2001:db8::7", "deny_ip:1h,deny:1h"),
        of(3, "192.0.2.3", "deny_ip:5s"),
        record(4, 4, json!({"ts": now - 8000, "ip": "192.0.2.4", "denied": true, "rules": hit(0, "deny_ip:1h")})),
    ]);
    let list = || cloud.get("/denylist").text();
    for (shown, is) in [
        ("192.0.2.1", true),
        ("2001:db8::/64", true),
        (&*session(2), true),
        (&*session(1), false),
        ("192.0.2.3", false),
        ("192.0.2.4", false),
    ] {
        assert_eq!(list().contains(shown), is, "{shown}");
    }
    let denials = cloud.ask("/v1/rules/denials")["denials"].clone();
    let mut denied: Vec<_> = denials
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert_eq!((&one["rule"], &one["since"]), (&json!("stuffing"), &json!(now - 9000)));
            one["session"].as_str().or(one["address"].as_str()).unwrap().to_owned()
        })
        .collect();
    denied.sort_unstable();
    let mut expected = ["192.0.2.1".to_owned(), "2001:db8::/64".to_owned(), session(2)];
    expected.sort_unstable();
    assert_eq!(denied, expected);
    let of_session = cloud.get(&format!("/sessions/{}", session(1))).text();
    assert!(of_session.contains("Its address") && of_session.contains("192.0.2.1"));

    let remove = |subject: &str| {
        cloud.send("DELETE", &format!("/v1/denylist/{subject}"), &cloud.admin, &[], b"").status
    };
    let removed = ["2001:db8::%2F64", "192.0.2.3", "192.0.2.1"].map(remove);
    assert_eq!(removed, [204, 404, 204]);
    assert_eq!(remove("192.0.2.1"), 404, "it is off already");
    assert!(!list().contains("192.0.2.1") && !list().contains("2001:db8::/64"));
    assert!(list().contains(&session(2)), "its address is not the session");
    let document = cloud.send("GET", "/v1/sync?node=n1&wait=0", &cloud.ingest, &[], b"").json();
    let lifted = document["lifted_addresses"].as_array().unwrap();
    let mut lifted: Vec<_> = lifted.iter().map(|one| one["address"].as_str().unwrap()).collect();
    lifted.sort_unstable();
    assert_eq!(lifted, ["192.0.2.1", "2001:db8::/64"]);
    assert_eq!(document["lifted"], json!(null));
}
