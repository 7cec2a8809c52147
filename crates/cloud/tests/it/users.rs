//! Users: what is known of one, and denying the sessions that are theirs now.

use serde_json::{Value, json};

use crate::support::{Cloud, now, record, session};

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
    assert_eq!(counts.map(|name| user[name].as_u64().unwrap()), [2, 1, 2, 3, 2]);
    assert_eq!(user["failures"], json!({"refused": 2, "client": 1, "server": 0}));
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
            ("phone", 1, 2),
            ("laptop", 1, 1),
            ("t13d_a", 1, 2),
            ("192.0.2.9", 2, 2),
            ("192.0.2.1", 1, 1)
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

#[test]
fn a_user_had_what_others_did_in_the_session_before() {
    let cloud = Cloud::start();
    let from = now() - 1000;
    let attack = json!({"attacks": ["sqli"], "denied": true, "status": 500, "ts": from});
    let of = |id, user: &str| record(1, id, json!({"user": user, "ts": from + u64::from(id)}));
    cloud.post(&[record(1, 1, attack), of(2, "ann"), of(3, "ann"), of(4, "bob")]);
    for (name, requests, first) in [("ann", 2, 2), ("bob", 1, 4)] {
        let user = cloud.ask(&format!("/v1/users/{name}"));
        let counts = ["requests", "attacks", "denied"].map(|of| user[of].as_u64().unwrap());
        assert_eq!(counts, [requests, 0, 0], "{user}");
        assert_eq!(user["failures"]["server"], 0);
        assert_eq!(user["first_ts"], json!(from + first));
        assert!(user.get("cut").is_none());
    }
    // Both are users of the session: in its row, in the facets and in the list of users.
    let session = cloud.ask("/v1/sessions")["sessions"][0].clone();
    assert_eq!((&session["user"], &session["users"]), (&json!("bob"), &json!(["ann", "bob"])));
    let facets = cloud.ask("/v1/facets")["facets"].clone();
    let facet = facets.as_array().unwrap().iter().find(|one| one["name"] == "user").unwrap();
    let one = |name: &str| json!({"value": name, "sessions": 1});
    assert_eq!(facet["values"], json!([one("ann"), one("bob")]));
    let users = cloud.ask("/v1/users")["users"].clone();
    assert_eq!(users.as_array().unwrap().len(), 2);
    let table = cloud.get("/v1/users.csv?user=bob");
    assert!(table.header("content-disposition").contains("users.csv"));
    let text = table.text();
    assert!(
        text.starts_with("user,sessions,requests,attacks,denied,first,last,ips,ip_count\r\n"),
        "{text}"
    );
    assert!(text.contains("\r\nbob,1,1,0,0,") && text.contains(",192.0.2.1,1\r\n"), "{text}");
    assert!(cloud.get("/users?user=bob").text().contains("href=\"/v1/users.csv?user=bob\""));
    assert!(cloud.get("/users/ann").text().contains("Counted are the requests of this user"));
}

#[test]
fn a_list_of_users_counted_what_others_did() {
    let cloud = Cloud::start();
    let from = now() - 100_000;
    let of = |n: u32, id: u32, more: Value| {
        let mut all = json!({"ts": from + u64::from(id)});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record(n, id, all)
    };
    let attack = json!({"attacks": ["sqli"], "denied": true, "ip": "192.0.2.7"});
    cloud.post(&[
        // Before the login, ann, and bob at the same computer.
        of(1, 1, attack.clone()),
        of(1, 2, json!({"user": "ann"})),
        of(1, 3, json!({"user": "ann", "ip": "192.0.2.9"})),
        of(1, 4, json!({"user": "bob", "attacks": ["xss"]})),
        // Bob alone.
        of(2, 5, json!({"user": "bob", "ip": "192.0.2.9"})),
        of(2, 6, json!({"user": "bob", "ip": "192.0.2.9", "denied": true})),
        of(3, 7, attack),
    ]);
    let found = cloud.ask("/v1/users");
    assert_eq!((&found["counted"], &found["total"]), (&json!(3), &json!(3)));
    let bob = json!({
        "user": "bob", "sessions": 2, "requests": 3, "attacks": 1, "denied": 1, "ip_count": 2,
        "ips": ["192.0.2.1", "192.0.2.9"], "first_ts": from + 4, "last_ts": from + 6
    });
    let ann = json!({
        "user": "ann", "sessions": 1, "requests": 2, "attacks": 0, "denied": 0, "ip_count": 2,
        "ips": ["192.0.2.1", "192.0.2.9"], "first_ts": from + 2, "last_ts": from + 3
    });
    assert_eq!(found["users"], json!([bob, ann]));
    // As the page of each says.
    for user in found["users"].as_array().unwrap() {
        let one = cloud.ask(&format!("/v1/users/{}", user["user"].as_str().unwrap()));
        for name in ["sessions", "requests", "attacks", "denied", "first_ts", "last_ts", "ip_count"]
        {
            assert_eq!(one[name], user[name], "{name} of {user}");
        }
    }
    // Of a long session, the newest requests.
    let long: Vec<_> = (10..310)
        .map(|id| of(4, id, json!({"user": if id < 11 { "dan" } else { "eve" }})))
        .collect();
    cloud.post(&long);
    let users = cloud.ask("/v1/users?session=00000000000000000000000000000004")["users"].clone();
    assert_eq!(users.as_array().unwrap().len(), 1, "{users}");
    assert_eq!((&users[0]["user"], &users[0]["requests"]), (&json!("eve"), &json!(200)));
}
