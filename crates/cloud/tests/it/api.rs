//! The query API over HTTP.

use crate::support::{Cloud, batch, record, session};
use serde_json::json;

#[test]
fn posted_records_are_found() {
    let cloud = Cloud::start();
    let lines = [
        record(1, 1, json!({"user": "ann", "role": "buyer", "app": "shop"})),
        record(
            1,
            2,
            json!({"status": 403, "method": "POST", "attacks": ["sqli"], "denied": true,
            "params": [{"name": "sid", "value": "00112233445566778899aabbccddeeff",
                        "type": "session", "hashed": true}],
            "request": {"line": "POST /x HTTP/1.1", "headers": [["Host", "shop.example"]],
                        "body": "a=1", "truncated": false}}),
        ),
        record(2, 3, json!({"host": "api.example"})),
    ];
    let answer = cloud.post(&lines);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["stored"], 3);

    let list = cloud.ask("/v1/sessions");
    assert_eq!(list["total"], 2);
    assert_eq!(list["sessions"][0]["session"], session(2), "newest first");
    let first = &list["sessions"][1];
    assert_eq!((&first["requests"], &first["attacks"]), (&json!(2), &json!(1)));
    assert_eq!((&first["user"], &first["role"]), (&json!("ann"), &json!("buyer")));
    assert_eq!(first["ips"], json!(["192.0.2.1"]));
    assert_eq!(first["hosts"], json!(["shop.example"]));

    let detail = cloud.ask(&format!("/v1/sessions/{}", session(1)));
    assert_eq!(
        detail["by"]["endpoint"][0],
        json!({"value": "/users/{int}", "count": 2, "share": 1.0})
    );
    assert_eq!(detail["by"]["status"][1]["share"], 0.5);
    assert_eq!(detail["parts"].as_array().unwrap().len(), 1);

    let requests = cloud.ask(&format!("/v1/sessions/{}/requests", session(1)));
    let mut expected = lines[1].clone();
    let full = expected.as_object_mut().unwrap().remove("request").unwrap();
    let mut got = requests["requests"][1].clone();
    assert_eq!(got["endpoint"], "/users/{int}");
    assert_eq!(got["has_content"], true);
    got.as_object_mut().unwrap().retain(|name, _| name != "endpoint" && name != "has_content");
    assert_eq!(got, expected);
    assert_eq!(requests["next"], json!(null));

    let one = cloud.ask(&format!("/v1/requests/{:032x}", 2));
    assert_eq!(one["request"], full);
    assert_eq!(one["session"], session(1));
    assert_eq!(cloud.get("/v1/requests/nothing").status, 404);
    assert_eq!(cloud.get("/v1/sessions/nothing").status, 404);
    assert_eq!(cloud.get("/v1/sessions/nothing/requests").status, 404);
}

#[test]
fn filters_find_sessions_alone_and_together() {
    let cloud = Cloud::start();
    cloud.post(&[
        record(1, 1, json!({"user": "ann", "role": "buyer", "app": "shop", "ja4": "t13d", "ja4_stable": "t13d00"})),
        record(1, 2, json!({"status": 403, "method": "POST", "attacks": ["sqli"], "denied": true})),
        record(2, 3, json!({"host": "api.example", "path": "/orders/2026-01-02", "status": 404})),
        record(3, 4, json!({"status": 500})),
    ]);
    for (query, wanted) in [
        ("", vec![3, 2, 1]),
        ("application=shop", vec![1]),
        ("host=api.example", vec![2]),
        ("ip=192.0.2.3", vec![3]),
        ("user=ann", vec![1]),
        ("role=buyer", vec![1]),
        ("ja4=t13d", vec![1]),
        ("ja4=t13d00", vec![1]),
        ("ja4=t12d", vec![]),
        ("ja4=t13d&status=5xx", vec![]),
        ("status=403", vec![1]),
        ("status=4xx", vec![2, 1]),
        ("status=5xx", vec![3]),
        ("method=POST", vec![1]),
        ("attack=sqli", vec![1]),
        ("attack=any", vec![1]),
        ("attack=xss", vec![]),
        ("endpoint=ORDERS", vec![2]),
        ("endpoint=/users/7", vec![3, 1]),
        ("denied=true", vec![1]),
        ("denied=false", vec![3, 2]),
        ("session=00000000000000000000000000000002", vec![2]),
        ("status=4xx&host=shop.example", vec![1]),
        ("status=4xx&host=shop.example&user=bob", vec![]),
        ("from=1&to=2", vec![]),
        ("from=2020-01-01T00:00:00Z&user=ann&denied=1&endpoint=users", vec![1]),
        ("sort=requests&limit=1", vec![1]),
        ("sort=first_ts&order=asc", vec![1, 2, 3]),
        ("host=&order=asc", vec![1, 2, 3]),
    ] {
        let answer = cloud.ask(&format!("/v1/sessions?{query}"));
        let got: Vec<_> =
            answer["sessions"].as_array().unwrap().iter().map(|s| s["session"].clone()).collect();
        let wanted: Vec<_> = wanted.into_iter().map(|n| json!(session(n))).collect();
        assert_eq!(got, wanted, "{query}");
    }
    // What the facet lists is what the filter takes; the detail of the session has both forms.
    let facets = cloud.ask("/v1/facets")["facets"].clone();
    let ja4 = facets.as_array().unwrap().iter().find(|facet| facet["name"] == "ja4").unwrap();
    assert_eq!(ja4["values"], json!([{"value": "t13d00", "sessions": 1}]));
    let by = cloud.ask(&format!("/v1/sessions/{}", session(1)))["by"].clone();
    assert_eq!(
        (&by["ja4"][0]["value"], &by["ja4_stable"][0]["value"]),
        (&json!("t13d"), &json!("t13d00"))
    );
    for (query, total) in [
        ("status=403", 1),
        ("ja4=t13d", 1),
        ("ja4=t13d00", 1),
        ("method=GET", 1),
        ("attack=any&method=GET", 0),
        ("from=1&to=2", 0),
    ] {
        let answer = cloud.ask(&format!("/v1/sessions/{}/requests?{query}", session(1)));
        assert_eq!(answer["requests"].as_array().unwrap().len(), total, "{query}");
    }
    for bad in
        ["status=abc", "from=soon", "limit=0", "limit=1001", "denied=x", "sort=x", "cursor=zz"]
    {
        let answer = cloud.get(&format!("/v1/sessions?{bad}"));
        assert_eq!(answer.status, 400, "{bad}");
        let name = bad.split('=').next().unwrap();
        assert!(answer.json()["detail"].as_str().unwrap().contains(name), "{}", answer.text());
    }
}

#[test]
fn a_batch_is_stored_once() {
    let cloud = Cloud::start();
    let body = batch(&[record(1, 1, json!({})), record(1, 2, json!({}))]);
    let key = [("idempotency-key", "n1-1-1")];
    assert_eq!(cloud.post_with(&key, body.as_bytes()).json()["stored"], 2);
    let again = cloud.post_with(&key, body.as_bytes());
    assert_eq!((again.status, &again.json()["duplicates"]), (200, &json!(2)));
    let cloud = Cloud::start_in(cloud.stop());
    assert_eq!(cloud.post_with(&key, body.as_bytes()).json()["stored"], 0);
    assert_eq!(cloud.ask("/v1/sessions")["sessions"][0]["requests"], 2);
}

#[test]
fn tokens_may_only_do_what_their_role_allows() {
    let cloud = Cloud::start();
    let one = batch(&[record(1, 1, json!({}))]);
    for (method, path, body) in [
        ("GET", "/v1/sessions", ""),
        ("GET", "/v1/denylist", ""),
        ("POST", "/v1/denylist", r#"{"session":"0123456789abcdef0123456789abcdef"}"#),
        ("PUT", "/v1/parameters", r#"{"parameters":[]}"#),
        ("GET", "/metrics", ""),
    ] {
        let status = |token: &str| cloud.send(method, path, token, &[], body.as_bytes()).status;
        assert_eq!(status(""), 401, "{method} {path}");
        assert_eq!(status("wrong"), 401, "{method} {path}");
        assert_eq!(status(&cloud.ingest), 403, "{method} {path}");
        assert!(status(&cloud.admin) < 300, "{method} {path}");
    }
    assert_eq!(cloud.send("POST", "/v1/records", "wrong", &[], one.as_bytes()).status, 401);
    assert_eq!(cloud.send("GET", "/healthz", "", &[], b"").status, 200);
    assert_eq!(cloud.send("GET", "/nowhere", "", &[], b"").json()["error"], "not_found");
    assert_eq!(cloud.send("DELETE", "/v1/sessions", &cloud.admin, &[], b"").status, 405);
}

#[test]
fn errors_of_queries_paths_and_forms_were_plain_text() {
    let cloud = Cloud::start();
    for path in [
        "/v1/sessions?host=a&host=b",
        "/v1/sessions?colour=red",
        "/v1/denylist?colour=red",
        "/v1/nodes?colour=red",
        "/v1/parameters?colour=red",
        "/v1/denylist-history?sesion=a",
        "/v1/sync?wait=abc",
        "/v1/sessions/%ff",
        "/v1/sessions/%ff/requests",
        "/v1/requests/%ff",
        "/sessions/%ff",
        "/requests/%ff",
        "/?host=a&host=b",
        "/denylist?from=1&from=2",
        "/login?token=a&token=b",
    ] {
        let answer = cloud.get(path);
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.header("content-type").starts_with("application/json"), "{path}");
        assert_eq!(answer.json()["error"], "bad_request", "{path}");
    }
    let form = |kind: &str, body: &[u8]| {
        cloud.send("POST", "/denylist", &cloud.admin, &[("content-type", kind)], body)
    };
    let kind = form("text/plain", b"session=a");
    assert_eq!((kind.status, &kind.json()["error"]), (415, &json!("unsupported_media_type")));
    let twice = form("application/x-www-form-urlencoded", b"session=a&session=b");
    assert_eq!((twice.status, &twice.json()["error"]), (400, &json!("bad_request")));
}

#[test]
fn a_cursor_was_accepted_with_other_filters() {
    let cloud = Cloud::start();
    let lines: Vec<_> = (1..6).map(|n| record(n % 3 + 1, n, json!({"user": "ann"}))).collect();
    cloud.post(&lines);
    let requests = format!("/v1/sessions/{}/requests", session(2));
    for (path, others) in [
        ("/v1/sessions", ["sort=requests&", "order=asc&", "user=ann&"]),
        (requests.as_str(), ["status=200&", "order=desc&", "user=ann&"]),
    ] {
        let next = cloud.ask(&format!("{path}?limit=1"))["next"].as_str().unwrap().to_owned();
        assert_eq!(cloud.get(&format!("{path}?limit=2&cursor={next}")).status, 200);
        for other in others {
            let answer = cloud.get(&format!("{path}?{other}limit=1&cursor={next}"));
            assert_eq!(answer.status, 400, "{path}?{other}");
            assert!(answer.json()["detail"].as_str().unwrap().contains("cursor"));
        }
    }
}

#[test]
fn sort_was_ignored_for_requests() {
    let cloud = Cloud::start();
    cloud.post(&[record(1, 1, json!({}))]);
    for end in ["requests", "requests.csv"] {
        let answer = cloud.get(&format!("/v1/sessions/{}/{end}?sort=-requests", session(1)));
        assert_eq!(answer.status, 400, "{end}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("order=asc"), "{end}");
    }
}

#[test]
fn facets_and_users_count_sessions() {
    let cloud = Cloud::start();
    let of = |n: u32, id: u32, user: &str| {
        record(n, id, json!({"user": user, "app": if n == 3 { "blog" } else { "shop" }}))
    };
    let attack = record(2, 20, json!({"user": "ann", "app": "shop", "attacks": ["sqli"]}));
    cloud.post(&[of(1, 1, "ann"), of(1, 2, "ann"), of(2, 3, "ann"), of(3, 4, "bob"), attack]);
    let answer = cloud.ask("/v1/facets");
    assert_eq!((&answer["counted"], &answer["total"]), (&json!(3), &json!(3)));
    let facet = |answer: &serde_json::Value, name: &str| {
        let all = answer["facets"].as_array().unwrap();
        all.iter().find(|facet| facet["name"] == name).map(|facet| facet["values"].clone())
    };
    let value = |value: &str, sessions: u32| json!({"value": value, "sessions": sessions});
    assert_eq!(facet(&answer, "user"), Some(json!([value("ann", 2), value("bob", 1)])));
    assert_eq!(facet(&answer, "application"), Some(json!([value("shop", 2), value("blog", 1)])));
    assert_eq!(facet(&answer, "attack"), Some(json!([value("sqli", 1)])));
    assert_eq!(facet(&answer, "role"), None);
    let answer = cloud.ask("/v1/facets?user=bob");
    assert_eq!(facet(&answer, "host"), Some(json!([value("shop.example", 1)])));

    let answer = cloud.ask("/v1/users");
    let users: Vec<_> = answer["users"].as_array().unwrap().iter().collect();
    assert_eq!(users.len(), 2);
    let ann = users.iter().find(|user| user["user"] == "ann").unwrap();
    assert_eq!(
        (&ann["sessions"], &ann["requests"], &ann["attacks"], &ann["ip_count"]),
        (&json!(2), &json!(4), &json!(1), &json!(2))
    );
    for wrong in ["/v1/facets?sort=requests", "/v1/users?limit=3", "/v1/facets?colour=red"] {
        assert_eq!(cloud.get(wrong).status, 400, "{wrong}");
    }
}
