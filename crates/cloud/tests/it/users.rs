//! Users: what is known of one, and denying the sessions that are theirs now.

use serde_json::{Value, json};

use crate::support::{Cloud, record, session};

fn deny(cloud: &Cloud, user: &str, body: &Value) -> Value {
    let path = format!("/v1/users/{user}/deny");
    let answer = cloud.send("POST", &path, &cloud.admin, &[], body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn denied(cloud: &Cloud) -> Vec<String> {
    let list = cloud.ask("/v1/denylist");
    let sessions = list["denylist"].as_array().unwrap().iter();
    let mut all: Vec<_> =
        sessions.map(|entry| entry["session"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

#[test]
fn a_user_has_sessions_devices_addresses_and_failures() {
    let cloud = Cloud::start();
    let of = |n, id, user: &str, more: Value| {
        let mut all = more;
        all["user"] = user.into();
        record(n, id, all)
    };
    cloud.post(&[
        of(1, 1, "a/b", json!({"ua": "phone", "ja4": "t13d_a", "status": 401})),
        of(1, 2, "a/b", json!({"ua": "phone", "ja4": "t13d_a", "status": 403, "ip": "192.0.2.9"})),
        of(2, 3, "a/b", json!({"ua": "laptop", "status": 404, "ip": "192.0.2.9"})),
        of(2, 4, "bob", json!({"ua": "laptop", "status": 502})),
        of(3, 5, "bob", json!({})),
    ]);
    let user = cloud.ask("/v1/users/a%2Fb");
    assert_eq!(user["user"], "a/b");
    let counts = ["sessions", "present", "detailed", "requests", "ip_count"];
    assert_eq!(counts.map(|name| user[name].as_u64().unwrap()), [2, 1, 2, 4, 3]);
    assert_eq!(user["failures"], json!({"refused": 2, "client": 1, "server": 1}));
    let values: Vec<_> = user["values"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|value| ["ua", "ja4", "ip"].contains(&value["kind"].as_str().unwrap()))
        .map(|value| {
            (
                value["value"].as_str().unwrap(),
                value["sessions"].as_u64().unwrap(),
                value["requests"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        values,
        [
            ("laptop", 1, 2),
            ("phone", 1, 2),
            ("t13d_a", 1, 2),
            ("192.0.2.9", 2, 2),
            ("192.0.2.1", 1, 1),
            ("192.0.2.2", 1, 1)
        ]
    );
    assert_eq!(cloud.get("/v1/users/nobody").status, 404);
    assert_eq!(cloud.get("/v1/users/bob?host=x").status, 400);
    let page = cloud.get("/users/a%2Fb");
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("laptop") && page.text().contains("now <a href=\"/users/bob\""));
    assert_eq!(cloud.get("/users/nobody").status, 404);
}

#[test]
fn only_the_sessions_that_are_a_users_now_are_denied() {
    let cloud = Cloud::start();
    let of = |n: u32, id: u32, user: &str| record(n, id, json!({"user": user}));
    let foreign = record(9, 9, json!({"user": "ann", "session": "not hex"}));
    cloud.post(&[of(1, 1, "ann"), of(2, 2, "ann"), of(2, 3, "bob"), of(3, 4, "ann"), foreign]);
    let permanent = json!({"session": session(3), "reason": "before"});
    cloud.send("POST", "/v1/denylist", &cloud.admin, &[], permanent.to_string().as_bytes());

    let done = deny(&cloud, "ann", &json!({"seconds": 60, "reason": "fraud"}));
    assert_eq!(done, json!({"denied": [session(1)], "impossible": 1}));
    assert_eq!(denied(&cloud), [session(1), session(3)]);
    let history = cloud.ask("/v1/denylist-history")["history"].clone();
    let reasons: Vec<_> = history.as_array().unwrap().iter().map(|one| &one["reason"]).collect();
    assert_eq!(reasons, ["fraud", "before"], "an entry that lasts longer is kept");

    // For good, it replaces the entry of a minute.
    assert_eq!(deny(&cloud, "ann", &json!({}))["denied"], json!([session(1)]));
    assert_eq!(deny(&cloud, "nobody", &json!({})), json!({"denied": [], "impossible": 0}));
    let wrong = cloud.send("POST", "/v1/users/ann/deny", &cloud.admin, &[], b"{\"seconds\":0}");
    assert_eq!(wrong.status, 400);
}

#[test]
fn a_form_denies_the_sessions_of_a_user() {
    let cloud = Cloud::start();
    cloud.post(&[record(1, 1, json!({"user": "deny"})), record(2, 2, json!({"user": "deny"}))]);
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let send = |form: &[u8]| cloud.send("POST", "/users", &cloud.admin, &kind, form);
    let answer = send(b"user=deny&seconds=3600&applications=&reason=x");
    assert_eq!((answer.status, answer.header("location")), (303, "/users/deny"));
    assert_eq!(denied(&cloud), [session(1), session(2)]);
    assert_eq!(cloud.get("/users/deny").status, 200);
    assert_eq!(send(b"user=&seconds=").status, 400);
}
