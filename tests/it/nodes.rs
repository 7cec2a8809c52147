//! Two nodes behind one balancer, which sends each request to either, and one cloud.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, Cloud, Nginx, eventually, get, request};

/// An application that gives its visitor the session `VALUE` for `/set/VALUE`.
const APPLICATION: &str = r#"
    api_sessions on;
    api_sessions_secret DIR/secret;
    add_header X-Session $api_session_id always;
    server {
        listen 127.0.0.1:PORT;
        api_sessions_deny on;
        location / { proxy_pass http://127.0.0.1:PORT/up/; }
        location /up/ {
            api_sessions off;
            location ~ ^/up/set/(.*) {
                add_header Set-Cookie "PHPSESSID=$1; path=/";
                return 200;
            }
            return 200 up;
        }
        location /control {
            api_sessions off;
            api_sessions_control;
        }
    }
"#;

fn node(cloud: &Cloud, name: &str) -> Nginx {
    let directory: TempDir = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret"), [b's'; 32]).unwrap();
    let (url, token) = (cloud.url(), cloud.ingest_token_file());
    let export = format!("{url} token_file={token} node={name} flush=50ms sync=on");
    let http = format!("api_sessions_export {export}; {APPLICATION}");
    Nginx::builder().directory(directory).http(&http).start()
}

/// The `n`th session value of a visitor.
fn value(visitor: char, n: usize) -> String {
    format!("{visitor}0123456789abcdef{n:04}")
}

fn visit(node: &Nginx, target: &str, value: &str) -> Answer {
    get(node.port, target, &[("Cookie", &format!("PHPSESSID={value}"))])
}

fn session(answer: &Answer) -> String {
    answer.header("X-Session").expect("a session").to_owned()
}

fn ask(cloud: &Cloud, method: &str, path: &str, body: &str) -> Answer {
    let token = format!("Bearer {}", cloud.admin_token());
    let headers = [("Authorization", &*token), ("Content-Type", "application/json")];
    request(cloud.port, method, path, &headers, body)
}

fn deny(port: u16, session: &str) {
    let body = json!({ "session": session }).to_string();
    assert_eq!(request(port, "POST", "/control", &[], &body).status, 201);
}

/// Requests of each session in the cloud, once it has all of them and no more than these sessions.
fn counts(cloud: &Cloud, requests: u64, sessions: usize) -> Vec<u64> {
    eventually(&format!("{requests} requests of {sessions} sessions"), || {
        let list = cloud.sessions(requests);
        let mut counts: Vec<u64> = list.iter().map(|it| it["requests"].as_u64().unwrap()).collect();
        counts.sort_unstable();
        (list.len() == sessions).then_some(counts)
    })
}

#[test]
fn a_value_that_one_node_issued_and_another_met_was_a_second_session() {
    let cloud = Cloud::start();
    let (one, two) = (node(&cloud, "one"), node(&cloud, "two"));
    let (old, new) = (value('a', 0), value('a', 1));
    let page = session(&visit(&one, "/", &old));
    let alias = session(&visit(&two, "/", &new));
    assert_ne!(alias, page, "the other node has not heard of it");
    assert_eq!(session(&visit(&one, &format!("/set/{new}"), &old)), page);
    assert_eq!(counts(&cloud, 3, 1), [3]);
    let detail = cloud.get(&format!("/v1/sessions/{alias}")).json();
    assert_eq!(detail["session"], json!(page));
    assert_eq!(detail["identifiers"][0]["session"], json!(alias));

    // What the cloud denies is denied at either node under either value.
    let denied = || {
        let mut all = [(&one, &old), (&one, &new), (&two, &old), (&two, &new)].into_iter();
        all.all(|(node, value)| visit(node, "/", value).status == 403)
    };
    let body = json!({ "session": alias, "reason": "test" }).to_string();
    assert_eq!(ask(&cloud, "POST", "/v1/denylist", &body).status, 201);
    eventually("denied everywhere", || denied().then_some(()));
    assert_eq!(visit(&two, "/", &value('b', 0)).status, 200);
}

#[test]
fn a_value_that_one_node_issued_was_another_session_on_the_other_node() {
    let cloud = Cloud::start();
    let (one, two) = (node(&cloud, "one"), node(&cloud, "two"));
    let follows = |node: &Nginx, value: &str, wanted: &str| {
        eventually("the node has heard of it", || {
            (session(&visit(node, "/", value)) == wanted).then_some(())
        });
    };
    let page = session(&visit(&one, "/", &value('a', 0)));
    visit(&one, &format!("/set/{}", value('a', 1)), &value('a', 0));
    follows(&two, &value('a', 1), &page);
    // And back.
    assert_eq!(session(&visit(&two, &format!("/set/{}", value('a', 2)), &value('a', 1))), page);
    follows(&one, &value('a', 2), &page);
    // A value that each of them issues to somebody else is nobody's.
    let both = value('b', 0);
    visit(&one, &format!("/set/{both}"), &value('c', 0));
    visit(&two, &format!("/set/{both}"), &value('d', 0));
    let alone = session(&visit(&node(&cloud, "three"), "/", &both));
    let three = node(&cloud, "four");
    follows(&three, &value('a', 2), &page);
    follows(&three, &both, &alone);
    // What is split off in the Console is a session of its own.
    let detail = cloud.get(&format!("/v1/sessions/{page}")).json();
    let alias = detail["identifiers"][0]["session"].as_str().unwrap().to_owned();
    let path = format!("/v1/sessions/{page}/identifiers/{alias}");
    assert_eq!(ask(&cloud, "DELETE", &path, "").status, 204);
    follows(&two, &value('a', 1), &alias);
    follows(&one, &value('a', 1), &alias);
    // And what it is replaced by.
    assert_eq!(session(&visit(&one, &format!("/set/{}", value('a', 9)), &value('a', 1))), alias);
    follows(&one, &value('a', 9), &alias);
}

#[test]
fn the_first_visitors_at_two_nodes_were_one_session_of_their_address() {
    let cloud = Cloud::start();
    let (one, two) = (node(&cloud, "one"), node(&cloud, "two"));
    let anybody = |node: &Nginx, target: &str| session(&get(node.port, target, &[]));
    // The page before the first identity is of that session, as long as nobody else says so.
    anybody(&one, "/");
    anybody(&one, &format!("/set/{}", value('a', 0)));
    visit(&one, "/", &value('a', 0));
    assert_eq!(counts(&cloud, 3, 1), [3]);
    anybody(&two, &format!("/set/{}", value('b', 0)));
    visit(&two, "/", &value('b', 0));
    assert_eq!(counts(&cloud, 5, 2), [2, 3]);
}

#[test]
fn visitors_whose_values_change_with_each_request_are_a_session_each() {
    let cloud = Cloud::start();
    let nodes = [node(&cloud, "one"), node(&cloud, "two")];
    const REQUESTS: usize = 30;
    // In an order that looks like chance.
    for n in 0..REQUESTS {
        for (at, visitor) in ['a', 'b', 'c'].into_iter().enumerate() {
            let node = &nodes[(n * 7 + at * 5 + n * n) / 3 % 2];
            let target = format!("/set/{}", value(visitor, n + 1));
            assert_eq!(visit(node, &target, &value(visitor, n)).status, 200);
        }
    }
    assert_eq!(counts(&cloud, 3 * REQUESTS as u64, 3), [REQUESTS as u64; 3]);
}

#[test]
fn what_a_node_denies_is_denied_under_each_value_that_it_knows() {
    let cloud = Cloud::start();
    let (one, two) = (node(&cloud, "one"), node(&cloud, "two"));
    let page = session(&visit(&one, "/", &value('a', 0)));
    for n in 0..3 {
        visit(&one, &format!("/set/{}", value('a', n + 1)), &value('a', n));
    }
    deny(one.port, &page);
    for n in 0..4 {
        assert_eq!(visit(&one, "/", &value('a', n)).status, 403, "value {n}");
    }
    // By the id that another node shows for a value, that value is denied.
    let alias = session(&visit(&two, "/", &value('b', 1)));
    visit(&one, &format!("/set/{}", value('b', 1)), &value('b', 0));
    deny(one.port, &alias);
    assert_eq!(visit(&one, "/", &value('b', 1)).status, 403);
    // It is the node's own order: the other one goes on.
    assert_eq!(visit(&two, "/", &value('a', 0)).status, 200);
    let listed = request(one.port, "GET", "/control", &[], "").json();
    let listed: Vec<Value> = listed["denylist"].as_array().cloned().unwrap_or_default();
    assert_eq!(listed.len(), 2);
}
