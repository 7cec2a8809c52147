//! What comes from the cloud reaches running nodes, and stays.

use crate::harness::{Answer, Cloud, Nginx, eventually, get, request, signal};
use serde_json::json;

const SERVER: &str = "
    api_sessions on;
    session_key request.header.S name=s;
    server {
        listen 127.0.0.1:PORT;
        location / {
            api_sessions_deny on;
            proxy_pass http://127.0.0.1:PORT/up;
            proxy_set_header X-Id $api_session_id;
        }
        location /up {
            api_sessions off;
            return 200 $http_x_id;
        }
        location /control {
            api_sessions off;
            api_sessions_control;
        }
        location /key { return 200 $api_session_key; }
        location /status {
            api_sessions off;
            api_sessions_status;
        }
    }
";

fn http(cloud: &Cloud, more: &str) -> String {
    format!("api_sessions_export {} sync=on {more}; {SERVER}", cloud.export())
}

fn ask(cloud: &Cloud, method: &str, path: &str, body: &str) -> Answer {
    let token = format!("Bearer {}", cloud.admin_token());
    let headers = [("Authorization", &*token), ("Content-Type", "application/json")];
    request(cloud.port, method, path, &headers, body)
}

/// Asked often enough to meet both workers.
fn statuses(nginx: &Nginx) -> Vec<u16> {
    (0..20).map(|_| get(nginx.port, "/", &[("S", "x")]).status).collect()
}

#[track_caller]
fn eventually_all(nginx: &Nginx, status: u16) {
    eventually(&format!("{status} from all workers"), || {
        statuses(nginx).iter().all(|is| *is == status).then_some(())
    });
}

fn deny(cloud: &Cloud, session: &str) {
    let body = json!({ "session": session, "reason": "test" }).to_string();
    let answer = ask(cloud, "POST", "/v1/denylist", &body);
    assert!((200..300).contains(&answer.status), "{answer:?}");
}

#[test]
fn a_session_denied_in_the_cloud_is_denied_by_all_workers_until_it_is_not() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder().http(&http(&cloud, "")).start();
    let session = get(nginx.port, "/", &[("S", "x")]).body;
    deny(&cloud, &session);
    eventually_all(&nginx, 403);
    assert_eq!(get(nginx.port, "/", &[("S", "y")]).status, 200);
    // The worker that asks is killed: another takes its place.
    for pid in nginx.workers() {
        signal(pid, "KILL");
    }
    eventually("new workers", || (nginx.workers().len() == 2).then_some(()));
    eventually_all(&nginx, 403);
    assert_eq!(ask(&cloud, "DELETE", &format!("/v1/denylist/{session}"), "").status / 100, 2);
    eventually_all(&nginx, 200);
    nginx.expect_kills();
}

#[test]
fn the_denylist_is_in_force_after_a_restart_without_the_cloud() {
    let mut cloud = Cloud::start();
    // With a secret: the ids must be the same afterwards.
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret"), [b's'; 32]).unwrap();
    let conf = http(&cloud, "spool=DIR/spool");
    let conf = format!("api_sessions_secret DIR/secret; {conf}");
    let nginx = Nginx::builder().directory(directory).http(&conf).start();
    let (one, two) =
        (get(nginx.port, "/", &[("S", "x")]).body, get(nginx.port, "/", &[("S", "y")]).body);
    deny(&cloud, &one);
    eventually_all(&nginx, 403);
    // One of the node's own.
    let body = json!({ "session": two }).to_string();
    assert_eq!(request(nginx.port, "POST", "/control", &[], &body).status, 201);
    let conf = std::fs::read_to_string(nginx.path("nginx.conf")).unwrap();
    // The cloud's entries are copied about once a second; a worker that ends has little time on a busy machine.
    eventually("the copy has the cloud's entry", || {
        let copy = std::fs::read_to_string(nginx.path("spool/denylist.json")).unwrap_or_default();
        copy.contains(&one).then_some(())
    });
    let directory = nginx.finish();
    cloud.kill();
    let nginx = Nginx::builder().directory(directory).full_config(&conf).start();
    assert_eq!(get(nginx.port, "/", &[("S", "x")]).status, 403, "the first request of all");
    assert_eq!(get(nginx.port, "/", &[("S", "y")]).status, 403);
    assert_eq!(get(nginx.port, "/", &[("S", "z")]).status, 200);
    // What the cloud has taken back meanwhile is taken back here once it is there again.
    cloud.run();
    assert_eq!(ask(&cloud, "DELETE", &format!("/v1/denylist/{one}"), "").status / 100, 2);
    eventually_all(&nginx, 200);
    assert_eq!(get(nginx.port, "/", &[("S", "y")]).status, 403, "the node's own stays");
}

fn put(cloud: &Cloud, parameters: &serde_json::Value) {
    let body = json!({ "parameters": parameters }).to_string();
    let answer = ask(cloud, "PUT", "/v1/parameters", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn key(nginx: &Nginx) -> Vec<String> {
    let headers = [("S", "x"), ("T", "y")];
    let mut keys: Vec<_> = (0..20).map(|_| get(nginx.port, "/key", &headers).body).collect();
    keys.dedup();
    keys
}

#[test]
fn keys_and_parameters_reach_running_workers_and_come_first() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder().http(&http(&cloud, "")).start();
    assert_eq!(key(&nginx), ["s"]);
    put(
        &cloud,
        &json!([
            { "point": "request.header.T", "name": "t", "group": true, "export": "plain" },
            { "point": "request.body.json.order", "name": "order", "export": "plain" },
            // nginx.conf hashes it: here it would be shown.
            { "point": "request.header.S", "name": "leak", "export": "plain" },
        ]),
    );
    eventually("the cloud's key in all workers", || (key(&nginx) == ["t"]).then_some(()));
    let status = get(nginx.port, "/status", &[]).json();
    assert_eq!(status["settings"]["parameters"]["parameters"][0]["name"], "t");
    assert!(!status["settings"]["version"].as_str().unwrap().is_empty());

    let headers = [("S", "canary"), ("T", "z"), ("Content-Type", "application/json")];
    request(nginx.port, "POST", "/key?mark", &headers, "{\"order\": 77}");
    let record = eventually("its record", || {
        let sessions = cloud.get("/v1/sessions?limit=100").json();
        let ids = sessions["sessions"].as_array()?.clone();
        ids.iter().find_map(|session| {
            let id = session["session"].as_str()?;
            let all = cloud.get(&format!("/v1/sessions/{id}/requests")).json();
            let all = all["requests"].as_array()?.clone();
            all.into_iter().find(|record| record["method"] == "POST")
        })
    });
    assert!(!record.to_string().contains("canary"), "{record:#}");
    let order = record["params"].as_array().unwrap().iter().find(|param| param["name"] == "order");
    // `return` reads no body: nothing to be seen of it, and nothing goes wrong.
    assert!(order.is_none_or(|order| order["value"] == "77"));

    put(&cloud, &json!([]));
    eventually("nginx.conf's key again", || (key(&nginx) == ["s"]).then_some(()));
}

#[test]
fn a_point_that_is_none_is_refused_by_the_cloud_and_reaches_no_node() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder().http(&http(&cloud, "")).start();
    put(&cloud, &json!([{ "point": "request.header.T", "group": true }]));
    eventually("the cloud's key", || (key(&nginx) == ["request.header.T"]).then_some(()));
    let bad =
        json!({ "parameters": [{ "point": "request.header.T.no-such-decoder", "group": true }] });
    let answer = ask(&cloud, "PUT", "/v1/parameters", &bad.to_string());
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("no-such-decoder"), "{answer:?}");
    let node = eventually("the node in the cloud", || {
        let nodes = cloud.get("/v1/nodes").json();
        let node = nodes["nodes"].as_array()?.first()?.clone();
        node["counters"]["sessions_capacity"].is_u64().then_some(node)
    });
    assert_eq!(node["node"], "test");
    assert!(node["error"].is_null(), "{node:#}");
    // Of each structure; those of links and rules were not sent.
    for counter in [
        "sessions_in_use",
        "records_queued_total",
        "denylist_entries",
        "links_evicted_live_total",
        "rule_counts_evicted_total",
    ] {
        assert!(node["counters"][counter].is_u64(), "{counter}: {node:#}");
    }
    assert_eq!(key(&nginx), ["request.header.T"]);
}
