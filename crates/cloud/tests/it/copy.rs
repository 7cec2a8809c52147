//! `api-sessions-cloud copy`: from one store to another.

use std::process::{Command, Output};

use api_sessions_store::clock::now_ms;
use serde_json::{Value, json};

use crate::support::{Cloud, batch, clickhouse_only, clickhouse_store, record, session};

fn copy(cloud_dir: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_api-sessions-cloud"))
        .env_clear()
        .arg("--data")
        .arg(cloud_dir)
        .arg("copy")
        .args(arguments)
        .output()
        .unwrap()
}

fn sessions(cloud: &Cloud) -> Vec<Value> {
    let list = cloud.ask("/v1/sessions?limit=1000&sort=first_ts&order=asc");
    list["sessions"].as_array().unwrap().clone()
}

#[test]
fn a_copy_is_equal_and_can_be_interrupted_and_repeated() {
    let Some(url) = clickhouse_only() else { return };
    let files = Cloud::start_with(tempfile::tempdir().unwrap(), None);
    let now = now_ms();
    let records: Vec<_> = (0..3000_u32)
        .map(|n| {
            // One long session, many short ones, over two days; a few malicious, with their full content.
            let of = if n % 4 == 0 { n } else { 0 };
            let ts = now - 86_400_000 + u64::from(n) * 20_000;
            let mut more = json!({"ts": ts, "user": format!("user{}", n % 7)});
            if n % 100 == 0 {
                more["attacks"] = json!(["sqli"]);
                more["request"] = json!({"line": "GET /?q=1 HTTP/1.1", "headers": [["a", "b"]], "truncated": false});
            }
            record(of, n, more)
        })
        .collect();
    assert_eq!(files.post_with(&[], batch(&records).as_bytes()).status, 200);
    let denial = json!({"session": session(1), "reason": "r"}).to_string();
    assert!(files.send("POST", "/v1/denylist", &files.admin, &[], denial.as_bytes()).status < 300);
    let expected = sessions(&files);
    let malicious = "/v1/requests/".to_owned() + records[200]["id"].as_str().unwrap();
    let whole = files.ask(&malicious);
    let dir = files.stop();

    let store = clickhouse_store(&url, &format!("copy_{now:x}"));
    for run in 0..2 {
        let output = copy(dir.path(), &["--from", "sqlite", "--to", &store]);
        assert!(output.status.success(), "run {run}: {output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            said.contains(&format!("copied {} sessions with 3000 requests", expected.len())),
            "{said}"
        );
        assert!(String::from_utf8_lossy(&output.stderr).contains("500 sessions of"));
    }
    // As if the first run had ended after two pages.
    let file = dir.path().join("copy.json");
    let mut progress: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    progress["done"] = false.into();
    std::fs::write(&file, progress.to_string()).unwrap();
    assert!(copy(dir.path(), &["--from", "sqlite", "--to", &store]).status.success());

    let copied = Cloud::start_with(tempfile::tempdir().unwrap(), Some(store.clone()));
    assert_eq!(sessions(&copied), expected);
    assert_eq!(copied.ask(&malicious), whole);
    assert_eq!(copied.ask("/v1/denylist")["denylist"][0]["session"], session(1));
    let place = copied.stop();

    // Sessions that went on after a copy.
    let files = Cloud::start_with(dir, None);
    let later: Vec<_> =
        (0..8).map(|n| record(n % 8, 3000 + n, json!({"ts": now - 1000 + u64::from(n)}))).collect();
    assert_eq!(files.post_with(&[], batch(&later).as_bytes()).status, 200);
    let expected = sessions(&files);
    let dir = files.stop();
    let output = copy(dir.path(), &["--from", "sqlite", "--to", &store]);
    assert!(output.status.success(), "{output:?}");
    let copied = Cloud::start_with(place, Some(store));
    assert_eq!(sessions(&copied), expected);
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (["--from", "sqlite", "--to", "sqlite"], "the same store"),
        (["--from", "sqlite", "--to", "clickhouse:http://127.0.0.1:1"], "there is no store in"),
        (["--from", "files", "--to", "sqlite"], "expected `sqlite` or `clickhouse:"),
    ] {
        let output = copy(dir.path(), &arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(expected), "{error}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
