//! What changed in a session.

use serde_json::{Value, json};

use crate::support::{Cloud, record, session};

#[test]
fn changes_are_those_of_the_session_under_any_of_its_ids() {
    let cloud = Cloud::start();
    cloud.post(&[record(1, 1, json!({"links": [{"session": session(2), "reason": "issued"}]}))]);
    cloud.post(&[
        record(2, 2, json!({"ip": "198.51.100.1", "user": "ann", "ua": "b"})),
        record(
            2,
            3,
            json!({"rules": [{"name": "walk", "count": 1, "then": "mark", "enforced": true}]}),
        ),
    ]);
    for id in [1, 2] {
        let found = cloud.ask(&format!("/v1/sessions/{}/changes", session(id)));
        let all = found["changes"].as_array().unwrap().iter();
        let kinds: Vec<(&Value, &Value)> = all.map(|one| (&one["kind"], &one["after"])).collect();
        assert_eq!(
            kinds,
            [
                (&json!("identifier"), &json!(session(2))),
                (&json!("network"), &json!("198.51.100.0/24")),
                (&json!("user_agent"), &json!("b")),
                (&json!("login"), &json!("ann")),
                (&json!("rule"), &json!("walk")),
            ]
        );
        assert_eq!((&found["compared"], &found["is_cut"]), (&json!(3), &Value::Null));
    }
    let page = cloud.get(&format!("/sessions/{}?user=ann", session(1))).text();
    assert!(page.contains("new network 198.51.100.0/24"), "a filter hides no change: {page}");
}

#[test]
fn the_first_requests_of_a_long_session_are_compared() {
    let cloud = Cloud::start();
    let of = |id: u32| {
        let ua = if id == 1999 || id == 2000 { format!("agent {id}") } else { "curl/8".to_owned() };
        record(1, id, json!({"ua": ua}))
    };
    cloud.post(&(0..2001).map(of).collect::<Vec<_>>());
    let found = cloud.ask(&format!("/v1/sessions/{}/changes", session(1)));
    assert_eq!((&found["compared"], &found["is_cut"]), (&json!(2000), &json!(true)));
    assert_eq!(found["changes"].as_array().unwrap().len(), 1, "{found}");
}
