//! Sync of the nodes.

use std::time::{Duration, Instant};

use crate::support::{Cloud, session};
use serde_json::json;

fn change(cloud: &Cloud, method: &str, path: &str, body: &str) -> u16 {
    cloud.send(method, path, &cloud.admin, &[], body.as_bytes()).status
}

#[test]
fn a_change_wakes_a_waiting_node() {
    let cloud = Cloud::start();
    let poll = |version: &str, wait: u64| {
        let path = format!("/v1/sync?node=n1&version={version}&wait={wait}");
        cloud.send("GET", &path, &cloud.ingest, &[], b"")
    };
    let first = poll("", 0).json();
    assert_eq!((&first["denylist"], &first["parameters"]["parameters"]), (&json!([]), &json!([])));
    let version = first["version"].as_str().unwrap();
    assert_eq!(poll(version, 0).status, 304);

    let start = Instant::now();
    let document = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| poll(version, 60));
        std::thread::sleep(Duration::from_millis(200));
        let body = json!({"session": session(7), "seconds": 60, "applications": ["shop"],
            "reason": "scraper"});
        assert_eq!(change(&cloud, "POST", "/v1/denylist", &body.to_string()), 201);
        waiting.join().unwrap()
    });
    // Without the change it would have waited for a minute.
    assert!(start.elapsed() < Duration::from_secs(50));
    assert_eq!(document.status, 200);
    let document = document.json();
    let entry = &document["denylist"][0];
    assert_eq!((&entry["session"], &entry["reason"]), (&json!(session(7)), &json!("scraper")));
    assert_eq!(entry["applications"], json!(["shop"]));
    let (since, until) = (entry["since"].as_u64().unwrap(), entry["until"].as_u64().unwrap());
    assert_eq!(until - since, 60_000);

    let set = json!({"parameters": [{"point": "request.header.X-User", "name": "user",
        "type": "user", "export": "plain"}]});
    assert_eq!(change(&cloud, "PUT", "/v1/parameters", &set.to_string()), 200);
    let next = poll(document["version"].as_str().unwrap(), 0).json();
    assert_eq!(next["parameters"]["parameters"][0]["point"], "request.header.X-User");
    // A restart changes nothing.
    let cloud = Cloud::start_in(cloud.stop());
    let version = next["version"].as_str().unwrap();
    let again =
        cloud.send("GET", &format!("/v1/sync?version={version}&wait=0"), &cloud.ingest, &[], b"");
    assert_eq!(again.status, 304);
}

#[test]
fn a_changed_rule_reaches_a_waiting_node() {
    let cloud = Cloud::start();
    let poll = |version: &str, wait: u64| {
        let path = format!("/v1/sync?node=n1&version={version}&wait={wait}");
        cloud.send("GET", &path, &cloud.ingest, &[], b"").json()
    };
    let first = poll("", 0);
    assert_eq!((&first["rules"], cloud.ask("/v1/rules")), (&json!([]), json!([])));
    let rule = json!({"name": "logins", "on": "POST:/login", "when": "status=401;user=absent",
        "over": "10/5m", "then": "deny:10m", "mode": "enforce"});
    let document = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| poll(first["version"].as_str().unwrap(), 60));
        assert_eq!(change(&cloud, "PUT", "/v1/rules", &json!([rule]).to_string()), 200);
        waiting.join().unwrap()
    });
    assert_eq!(document["rules"], json!([rule]));
    // A refused set changes nothing, and a restart neither.
    assert_eq!(change(&cloud, "PUT", "/v1/rules", &json!([rule, rule]).to_string()), 422);
    let cloud = Cloud::start_in(cloud.stop());
    let version = document["version"].as_str().unwrap();
    let again =
        cloud.send("GET", &format!("/v1/sync?version={version}&wait=0"), &cloud.ingest, &[], b"");
    assert_eq!(again.status, 304);
    assert_eq!(cloud.ask("/v1/rules"), json!([rule]));
}

#[test]
fn reports_of_nodes_are_listed() {
    let cloud = Cloud::start();
    let headers = [
        (api_sessions_protocol::SYNC_ERROR, "parameters[0]: no such decoder"),
        (api_sessions_protocol::SYNC_COUNTERS, r#"{"dropped": 3}"#),
    ];
    cloud.send("GET", "/v1/sync?node=n1&version=old", &cloud.ingest, &headers, b"");
    let nodes = cloud.ask("/v1/nodes");
    let node = &nodes["nodes"][0];
    assert_eq!((&node["node"], &node["version"]), (&json!("n1"), &json!("old")));
    assert_eq!(node["error"], "parameters[0]: no such decoder");
    assert_eq!(node["counters"]["dropped"], 3);
    assert_ne!(nodes["version"], "old");
}

#[test]
fn the_denylist_has_a_history() {
    let cloud = Cloud::start();
    let id = session(1);
    assert_eq!(change(&cloud, "POST", "/v1/denylist", &json!({"session": id}).to_string()), 201);
    assert_eq!(cloud.ask("/v1/denylist")["denylist"][0]["session"], json!(id));
    assert_eq!(cloud.ask("/v1/denylist")["denylist"][0].get("until"), None, "permanent");
    assert_eq!(change(&cloud, "DELETE", &format!("/v1/denylist/{id}"), ""), 204);
    assert_eq!(change(&cloud, "DELETE", &format!("/v1/denylist/{id}"), ""), 404);
    assert_eq!(cloud.ask("/v1/denylist")["denylist"], json!([]));
    let history = cloud.ask(&format!("/v1/denylist-history?session={id}"));
    let actions: Vec<_> =
        history["history"].as_array().unwrap().iter().map(|change| &change["action"]).collect();
    assert_eq!(actions, ["remove", "add"]);
    for bad in [r#"{"session":""}"#, r#"{"seconds":5}"#, "x"] {
        assert_eq!(change(&cloud, "POST", "/v1/denylist", bad), 400, "{bad}");
    }
}

#[test]
fn invalid_parameters_are_refused_and_change_nothing() {
    let cloud = Cloud::start();
    for bad in [
        json!({"parameters": [{"point": "$cookie_sid"}]}),
        json!({"parameters": [{"point": "request.nothing.a"}]}),
        json!({"parameters": [{"point": "request.ip"}, {"point": "request.ip"}]}),
        json!({"parameters": "all"}),
    ] {
        assert_eq!(change(&cloud, "PUT", "/v1/parameters", &bad.to_string()), 400, "{bad}");
    }
    assert_eq!(cloud.ask("/v1/parameters")["parameters"], json!([]));
}

/// Sends a request as an admin; returns the detail of the 400 it must get.
fn refused(cloud: &Cloud, method: &str, path: &str, body: &str) -> String {
    let answer = cloud.send(method, path, &cloud.admin, &[], body.as_bytes());
    assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    answer.json()["detail"].as_str().unwrap().to_owned()
}

#[test]
fn points_that_no_node_can_parse_were_accepted() {
    let cloud = Cloud::start();
    for (point, expected) in [
        ("request.header.X.nosuchdecoder", "\"jwt\""),
        ("request.path[x]", "[number]"),
        ("request.ip.jwt", "missing"),
        ("$cookie_sid", "variable"),
        ("request.header[\"a\u{1}\"]", "header"),
    ] {
        let body = json!({"parameters": [{"point": "request.ip"}, {"point": point}]}).to_string();
        let detail = refused(&cloud, "PUT", "/v1/parameters", &body);
        assert!(detail.contains(expected), "{detail}");
    }
    let good = json!({"parameters": [{"point": "response.cookie[\"X\"]"}]}).to_string();
    assert_eq!(change(&cloud, "PUT", "/v1/parameters", &good), 200);
}

#[test]
fn denylist_entries_beyond_the_limits_of_nodes_were_accepted() {
    let cloud = Cloud::start();
    let id = session(1);
    let names: Vec<String> = (0..17).map(|n| n.to_string()).collect();
    for (bad, expected) in [
        (json!({"session": "abc"}), "32"),
        (json!({"session": "AB".repeat(16)}), "lower-case"),
        (json!({"session": id, "seconds": 0}), "seconds"),
        (json!({"session": id, "applications": names}), "16"),
        (json!({"session": id, "applications": ["a".repeat(300), "b".repeat(213)]}), "512"),
        (json!({"session": id, "reason": "r".repeat(257)}), "256"),
    ] {
        let detail = refused(&cloud, "POST", "/v1/denylist", &bad.to_string());
        assert!(detail.contains(expected), "{detail}");
    }
    let most = json!({"session": id, "applications": names[1..], "reason": "r".repeat(256)});
    assert_eq!(change(&cloud, "POST", "/v1/denylist", &most.to_string()), 201);
}

#[test]
fn a_misspelt_field_was_ignored() {
    let cloud = Cloud::start();
    let id = session(1);
    for (bad, expected) in
        [(json!({"session": id, "second": 60}), "second"), (json!([id, 60]), "object")]
    {
        let detail = refused(&cloud, "POST", "/v1/denylist", &bad.to_string());
        assert!(detail.contains(expected), "{detail}");
    }
    assert_eq!(cloud.ask("/v1/denylist")["denylist"], json!([]));
    let set = json!({"parameters": [{"point": "request.ip"}]}).to_string();
    assert_eq!(change(&cloud, "PUT", "/v1/parameters", &set), 200);
    for (bad, expected) in [
        (json!({}), "parameters"),
        (json!([]), "object"),
        (json!([[]]), "object"),
        (json!({"parametrs": []}), "parametrs"),
        (json!({"parameters": [["request.ip"]]}), "object"),
        (json!({"parameters": [{"point": "request.ip", "hashed": true}]}), "hashed"),
    ] {
        let detail = refused(&cloud, "PUT", "/v1/parameters", &bad.to_string());
        assert!(detail.contains(expected), "{detail}");
    }
    assert_eq!(cloud.ask("/v1/parameters")["parameters"].as_array().unwrap().len(), 1);
    let none = json!({"parameters": []}).to_string();
    assert_eq!(change(&cloud, "PUT", "/v1/parameters", &none), 200);
}

#[test]
fn the_history_ended_at_a_thousand_changes() {
    let cloud = Cloud::start();
    for n in 1..=7 {
        let body = json!({"session": session(n)}).to_string();
        assert_eq!(change(&cloud, "POST", "/v1/denylist", &body), 201);
    }
    let (mut seen, mut path) = (Vec::new(), "/v1/denylist-history?limit=3".to_owned());
    loop {
        let page = cloud.ask(&path);
        let changes = page["history"].as_array().unwrap();
        seen.extend(changes.iter().map(|change| change["session"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/denylist-history?limit=3&cursor={next}");
    }
    let wanted: Vec<_> = (1..=7).rev().map(|n| json!(session(n))).collect();
    assert_eq!(seen, wanted);
    assert_eq!(cloud.get("/v1/denylist-history?cursor=zz").status, 400);
    assert_eq!(cloud.get("/v1/denylist-history?limit=0").status, 400);
}
