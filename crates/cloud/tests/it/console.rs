//! The Console's pages, as a browser gets them.

use crate::support::{Cloud, embedded_store_only, record, session};
use serde_json::json;

fn post(cloud: &Cloud, path: &str, form: &str) -> u16 {
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    cloud.send("POST", path, &cloud.admin, &kind, form.as_bytes()).status
}

#[test]
fn the_denylist_page_hid_denied_sessions_after_a_thousand_changes() {
    if !embedded_store_only() {
        return;
    }
    let cloud = Cloud::start();
    let deny = |n: u32| post(&cloud, "/denylist", &format!("session={}&seconds=", session(n)));
    assert_eq!(deny(7), 303);
    for _ in 0..505 {
        assert_eq!(deny(8), 303);
        assert_eq!(post(&cloud, "/denylist/remove", &format!("session={}", session(8))), 303);
    }
    let page = cloud.get("/denylist").text();
    assert!(page.contains(&session(7)) && !page.contains(&session(8)));
    let past = cloud.get("/denylist?from=1").text();
    assert!(past.contains(&session(8)) && past.contains("page=2"));
    assert!(cloud.get("/denylist?from=1&page=2").text().contains(&session(7)));
}

#[test]
fn ids_in_links_were_not_percent_encoded() {
    let cloud = Cloud::start();
    cloud.post(&[record(1, 1, json!({"session": "a/b?c#d", "id": "e/f?g"}))]);
    let list = cloud.get("/").text();
    assert!(list.contains("href=\"/sessions/a%2Fb%3Fc%23d\""), "{list}");
    let page = cloud.get("/sessions/a%2Fb%3Fc%23d");
    assert_eq!(page.status, 200);
    let page = page.text();
    assert!(page.contains("href=\"/requests/e%2Ff%3Fg\""), "{page}");
    assert!(page.contains("href=\"/v1/sessions/a%2Fb%3Fc%23d/requests.csv\""), "{page}");
    let one = cloud.get("/requests/e%2Ff%3Fg").text();
    assert!(one.contains("href=\"/sessions/a%2Fb%3Fc%23d\""), "{one}");
}

#[test]
fn the_console_offered_to_deny_sessions_that_nodes_cannot_deny() {
    let cloud = Cloud::start();
    cloud.post(&[record(1, 1, json!({})), record(2, 2, json!({"session": "not hex"}))]);
    let offers = |path: String| cloud.get(&path).text().contains("Deny this session");
    assert!(offers(format!("/sessions/{}", session(1))));
    assert!(!offers("/sessions/not%20hex".into()));
}

#[test]
fn the_login_page_was_an_error() {
    let cloud = Cloud::start();
    assert_eq!(cloud.send("GET", "/login", "", &[], b"").status, 200);
    assert_eq!(cloud.send("GET", "/login?token=wrong", "", &[], b"").status, 401);
}

#[test]
fn denying_a_session_failed_while_a_day_was_damaged() {
    let Some((cloud, _)) = Cloud::start_with_damaged_day() else { return };
    // The session may be stored in the damaged day.
    let deny = format!("session={}&seconds=", session(9));
    assert_eq!(post(&cloud, "/denylist", &deny), 303);
    assert!(cloud.get("/denylist").text().contains(&session(9)));
}

#[test]
fn a_browser_got_json_for_a_wrong_filter() {
    let cloud = Cloud::start();
    let accept = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    for path in ["/?colour=red", "/?sort=colour", "/sessions/%ff", "/endpoints?kind=odd"] {
        let answer = cloud.send("GET", path, &cloud.admin, &accept, b"");
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().contains("<h1>400 Bad Request</h1>"), "{path}: {}", answer.text());
    }
}

#[test]
fn a_time_typed_wrong_lost_the_form() {
    let cloud = Cloud::start();
    for list in ["/", "/users", "/endpoints", "/keys", "/denylist"] {
        let answer = cloud.get(&format!("{list}?from=23.11.2026%3C&to=1700000000000"));
        let page = answer.text();
        assert_eq!(answer.status, 400, "{list}");
        assert!(page.contains("value=\"23.11.2026&lt;\""), "{list}: {page}");
        assert!(page.contains("value=\"1700000000000\""), "{list}: {page}");
        assert_eq!(page.matches("aria-invalid").count(), 1, "{list}: {page}");
        assert!(page.contains("id=\"wrong-from\">Expected: a time such as"), "{list}: {page}");
    }
    // The other filters stay, and so does the order.
    let page = cloud.get("/?user=anna&status=abc&sort=requests&order=asc").text();
    for kept in ["value=\"anna\"", "value=\"abc\"", "value=\"requests\"", "value=\"asc\""] {
        assert!(page.contains(kept), "{kept}: {page}");
    }
    assert!(page.contains("id=\"wrong-status\""), "{page}");
    assert_eq!(cloud.get("/v1/sessions?from=soon").json()["error"], "bad_request");
}

#[test]
fn the_chart_counts_requests_attacks_denials_and_errors() {
    let cloud = Cloud::start();
    let posted = cloud.post(&[
        record(1, 1, json!({"status": 500})),
        record(1, 2, json!({"status": 503, "denied": true})),
        record(2, 3, json!({"status": 404, "attacks": ["sqli"]})),
        record(2, 4, json!({})),
    ]);
    assert_eq!(posted.status, 200);
    let page = cloud.get("/").text();
    let all =
        [("Requests", 4), ("Sessions", 2), ("Attacks", 1), ("Denied", 1), ("Errors (5xx)", 2)];
    assert_series(&page, &all);
    assert!(page.contains("All traffic, in intervals"), "{page}");
}

fn assert_series(page: &str, series: &[(&str, u64)]) {
    for (series, count) in series {
        assert!(page.contains(&format!("{series} <strong>{count}</strong>")), "{series}: {page}");
    }
}

#[test]
fn the_chart_ignored_the_filters_of_the_list() {
    let cloud = Cloud::start();
    let ann = |more: serde_json::Value| {
        let mut all = json!({"user": "ann"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let mut lines = vec![
        record(1, 1, json!({})),
        record(1, 2, ann(json!({"status": 503}))),
        record(2, 3, ann(json!({"attacks": ["sqli"]}))),
        record(3, 4, json!({"user": "bob"})),
    ];
    let before =
        record(2, 5, ann(json!({"ts": api_sessions_store::clock::now_ms() - 2 * 86_400_000})));
    lines.push(before);
    cloud.post(&lines);
    let page = cloud.get("/?user=ann").text();
    assert!(page.contains("Requests that match, in intervals"), "{page}");
    assert_series(&page, &[("Requests", 2), ("Sessions", 2), ("Attacks", 1), ("Errors (5xx)", 1)]);
    let page = cloud.get("/?user=ann&status=503").text();
    assert_series(&page, &[("Requests", 1), ("Sessions", 1), ("Attacks", 0)]);
    assert_series(&cloud.get("/?sort=-requests").text(), &[("Requests", 4), ("Sessions", 3)]);
    // More sessions than are read.
    let all: Vec<_> = (10..120).map(|n| record(n, n, json!({"host": "many.example"}))).collect();
    cloud.post(&all);
    let page = cloud.get("/?host=many.example").text();
    assert!(page.contains("of the 100 most recently active sessions"), "{page}");
    assert_series(&page, &[("Requests", 100), ("Sessions", 100)]);
}
