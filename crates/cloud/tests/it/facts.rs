//! What is unusual of a session.

use serde_json::{Value, json};

use crate::support::{Cloud, now, record, session};

fn row<'a>(facts: &'a Value, fact: &str) -> &'a Value {
    let rows = facts["facts"].as_array().unwrap();
    rows.iter().find(|row| row["fact"] == fact).unwrap()
}

/// A shop with 220 usual sessions and the unusual session 999, and session 998 of an application with too few.
fn shop() -> Cloud {
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
    cloud
}

#[test]
fn facts_stand_beside_what_is_normal_in_the_application() {
    let cloud = shop();
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

#[test]
fn a_list_has_scores_and_is_ordered_by_them() {
    let cloud = shop();
    let detail = cloud.ask(&format!("/v1/sessions/{}/facts", session(999)));
    let score = &detail["score"]["value"];
    assert!(score.as_u64().unwrap() >= 60);

    // What is not measured at once is at the next list.
    let list = || cloud.ask("/v1/sessions?application=shop&limit=3");
    let page = (0..200).map(|_| list()).find(|page| page.get("pending").is_none()).unwrap();
    assert!(page.get("ranked").is_none(), "{page}");
    let scores: Vec<_> =
        page["sessions"].as_array().unwrap().iter().map(|one| &one["score"]).collect();
    assert_eq!(scores, [score, &json!(0), &json!(0)], "the newest first");

    // Of 222 sessions, those with the highest scores; then those without one.
    let page = cloud.ask("/v1/sessions?sort=-score&limit=1000");
    assert_eq!((&page["ranked"], &page["total"]), (&json!(222), &json!(222)));
    assert_eq!((&page["next"], page.get("pending")), (&Value::Null, None));
    let all = page["sessions"].as_array().unwrap();
    assert_eq!((&all[0]["session"], &all[0]["score"]), (&json!(session(999)), score));
    assert_eq!((&all[1]["session"], &all[1]["score"]), (&json!(session(220)), &json!(0)));
    assert_eq!((&all[221]["session"], all[221].get("score")), (&json!(session(998)), None));
    let rising = cloud.ask("/v1/sessions?sort=score&order=asc&limit=1000");
    let last = &rising["sessions"].as_array().unwrap()[220];
    assert_eq!(last["session"], session(999), "those without a score stay last");
    let first = cloud.ask("/v1/sessions?sort=score&limit=2&application=desk");
    assert_eq!((first["sessions"].as_array().unwrap().len(), &first["ranked"]), (1, &json!(1)));
    assert_eq!(cloud.get("/v1/sessions?sort=score&cursor=00").status, 400);

    let table = cloud.get("/v1/sessions.csv?sort=-score&limit=2");
    assert!(table.header("content-disposition").contains("sessions.csv"));
    let mut reader = csv::Reader::from_reader(&*table.body);
    let heads = reader.headers().unwrap().clone();
    let at = |name: &str| heads.iter().position(|one| one == name).unwrap();
    let (id, value, requests) = (at("session"), at("score"), at("requests"));
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0][id], &rows[0][value]), (&*session(999), &*score.to_string()));
    assert_eq!((&rows[0][requests], &rows[1][value]), ("30", "0"));

    let page = cloud.get("/?sort=-score&limit=100").text();
    assert!(page.contains("the first 100 of the 222 most recently active sessions"), "{page}");
    assert!(page.contains(&format!("<span class=\"bad\">{score}</span>")), "{page}");
    assert!(page.contains("href=\"/v1/sessions.csv?sort=-score&amp;limit=100\""), "{page}");
}
