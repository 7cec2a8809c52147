//! Aliases of several processes over one ClickHouse database.

use api_sessions_store::clock::now_ms;
use serde_json::{Value, json};

use crate::support::{
    Cloud, batch, clickhouse_only, clickhouse_store, record, session, single_clickhouse_only,
};

/// Two processes over one new database. Tests run side by side, so each has a name of its own.
fn pair(url: &str, name: &str) -> [Cloud; 2] {
    let store = clickhouse_store(url, &format!("aliases_{name}_{:x}", now_ms()));
    let one = Cloud::start_with(tempfile::tempdir().unwrap(), Some(store.clone()));
    let dir = tempfile::tempdir().unwrap();
    for name in ["admin.token", "ingest.token"] {
        std::fs::copy(one.data().join(name), dir.path().join(name)).unwrap();
    }
    [one, Cloud::start_with(dir, Some(store))]
}

fn issues(by: u32, id: u32, alias: u32) -> Value {
    record(by, id, json!({"links": [{"session": session(alias), "reason": "issued"}]}))
}

/// Sessions with their requests.
fn sessions(cloud: &Cloud) -> Vec<(String, u64)> {
    let page = cloud.ask("/v1/sessions?limit=500");
    let shown = page["sessions"].as_array().unwrap();
    let mut all: Vec<(String, u64)> = shown
        .iter()
        .map(|it| (it["session"].as_str().unwrap().into(), it["requests"].as_u64().unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn what_one_process_hears_of_an_alias_holds_for_the_other() {
    let Some(url) = clickhouse_only() else { return };
    let [one, two] = pair(&url, "heard");
    two.post(&[record(2, 1, json!({}))]);
    one.post(&[issues(1, 2, 2)]);
    two.post(&[record(2, 3, json!({})), issues(2, 4, 3)]);
    one.post(&[record(3, 5, json!({}))]);
    for cloud in [&one, &two] {
        assert_eq!(sessions(cloud), [(session(1), 5)]);
    }
    let path = format!("/v1/sessions/{}/identifiers/{}", session(1), session(3));
    assert_eq!(two.send("DELETE", &path, &two.admin, &[], b"").status, 204);
    one.post(&[record(3, 6, json!({}))]);
    for cloud in [&one, &two] {
        assert_eq!(sessions(cloud), [(session(1), 5), (session(3), 1)]);
    }
}

#[test]
fn a_value_that_two_processes_hear_claimed_at_once_joins_nobody() {
    let Some(url) = clickhouse_only() else { return };
    let clouds = pair(&url, "claimed");
    const VALUES: u32 = 30;
    for value in 0..VALUES {
        std::thread::scope(|scope| {
            for (by, cloud) in (0..2).zip(&clouds) {
                scope.spawn(move || {
                    let id = 1000 + value * 2 + by;
                    assert_eq!(cloud.post(&[issues(by, id, 100 + value)]).status, 200);
                });
            }
        });
    }
    let used: Vec<Value> = (0..VALUES).map(|value| record(100 + value, value, json!({}))).collect();
    clouds[0].post(&used);
    for cloud in &clouds {
        let found = sessions(cloud);
        assert_eq!(found.len() as u32, 2 + VALUES, "{found:?}");
    }
}

#[test]
fn a_batch_that_comes_again_once_its_alias_is_known_is_not_counted_twice() {
    let Some(url) = single_clickhouse_only() else { return };
    let name = format!("again_{:x}", now_ms());
    let cloud =
        Cloud::start_with(tempfile::tempdir().unwrap(), Some(format!("clickhouse:{url}/{name}")));
    let body = batch(&[record(2, 1, json!({})), record(2, 2, json!({}))]);
    let post = || cloud.post_with(&[("idempotency-key", "k")], body.as_bytes()).json();
    assert_eq!(post()["stored"], 2);
    // As after a crash between the rows and the batch key.
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    agent.post(&url).send(&format!("TRUNCATE TABLE {name}.batch")).unwrap();
    cloud.post(&[issues(1, 3, 2)]);
    assert_eq!(post()["stored"], 2, "it cannot know");
    assert_eq!(sessions(&cloud), [(session(1), 3)]);
}
