//! What is unusual of a session.

use serde_json::{Value, json};

use crate::support::{Cloud, now, record, session};

fn row<'a>(facts: &'a Value, fact: &str) -> &'a Value {
    let rows = facts["facts"].as_array().unwrap();
    rows.iter().find(|row| row["fact"] == fact).unwrap()
}

#[test]
fn facts_stand_beside_what_is_normal_in_the_application() {
    let cloud = Cloud::start();
    let from = now() - 3_600_000;
    let of = |n: u32, id: u32, app: &str, more: Value| {
        let mut all = json!({"app": app, "ts": from + u64::from(id) * 10, "ip": "192.0.2.1"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record(n, id, all)
    };
    let mut lines = Vec::new();
    for n in 1..=220 {
        lines.push(of(n, n * 2, "shop", json!({"path": "/cart"})));
        lines.push(of(n, n * 2 + 1, "shop", json!({"path": format!("/items/{n}")})));
    }
    let attempt = json!({"path": "/login", "method": "POST", "status": 401, "user": "ann"});
    lines.extend((0..30).map(|id| of(999, 1000 + id, "shop", attempt.clone())));
    // Another application has too few.
    lines.extend((0..30).map(|id| of(998, 2000 + id, "desk", attempt.clone())));
    cloud.post(&lines);

    let facts = cloud.ask(&format!("/v1/sessions/{}/facts", session(999)));
    assert_eq!((&facts["application"], &facts["requests"]), (&json!("shop"), &json!(30)));
    assert_eq!((&facts["sessions"], &facts["not_enough_sessions"]), (&json!(221), &json!(false)));
    let failures = row(&facts, "login_failures");
    assert_eq!(failures["normal"], json!({"median": 0.0, "p99": 0.0}), "{facts}");
    assert_eq!((&failures["value"], &failures["points"]), (&json!(30.0), &json!(25)));
    assert!(failures.get("times").is_none());
    assert_eq!(row(&facts, "peak_per_minute")["times"], json!(15.0));
    assert_eq!(row(&facts, "rare_endpoints")["value"], json!(1.0));
    let points: u64 =
        facts["facts"].as_array().unwrap().iter().map(|row| row["points"].as_u64().unwrap()).sum();
    assert!(points >= 60);
    assert_eq!(facts["score"]["when_active"], json!(points.min(100)));
    let usual = cloud.ask(&format!("/v1/sessions/{}/facts", session(7)));
    assert_eq!(usual["score"], json!({"value": 0, "when_active": 0}), "{usual}");

    let few = cloud.ask(&format!("/v1/sessions/{}/facts", session(998)));
    assert_eq!((&few["sessions"], &few["not_enough_sessions"]), (&json!(1), &json!(true)));
    assert!(few.get("score").is_none() && row(&few, "login_failures").get("normal").is_none());
    assert_eq!(cloud.get(&format!("/v1/sessions/{}/facts", session(5000))).status, 404);

    let page = cloud.get(&format!("/sessions/{}", session(999))).text();
    assert!(page.contains("beyond 99 % of sessions: login failures"), "{page}");
    let page = cloud.get(&format!("/sessions/{}", session(998))).text();
    assert!(page.contains("Not enough sessions to say what is normal: 1 of 200"), "{page}");
}
