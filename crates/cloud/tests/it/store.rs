//! The store across days, restarts, damage and concurrent ingest.

use std::collections::BTreeSet;
use std::io::Write;

use crate::support::{Cloud, SmallDisk, batch, day_files, embedded_store_only, record, session};
use api_sessions_store::clock::now_ms;
use serde_json::{Value, json};

const DAY: u64 = 86_400_000;

fn ids(page: &Value) -> Vec<String> {
    let sessions = page["sessions"].as_array().unwrap();
    sessions.iter().map(|session| session["session"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_session_of_two_days_is_one_session_of_two_parts() {
    let cloud = Cloud::start();
    let now = now_ms();
    // The older day arrives later: both orders must join the parts.
    cloud.post(&[record(1, 1, json!({"ts": now, "user": "new", "status": 403}))]);
    cloud.post(&[record(1, 2, json!({"ts": now - DAY, "user": "old", "host": "b.example"}))]);
    cloud.post(&[record(2, 3, json!({"ts": now - DAY}))]);
    cloud.post(&[record(2, 4, json!({"ts": now}))]);
    let list = cloud.ask("/v1/sessions");
    assert_eq!((list["total"].clone(), ids(&list).len()), (json!(2), 2));
    let found = cloud.ask("/v1/sessions?user=new&host=b.example&status=403");
    assert_eq!(ids(&found), [session(1)], "filters met on different days");
    assert_eq!(found["sessions"][0]["requests"], 2);
    assert_eq!(found["sessions"][0]["user"], "new");
    cloud.post(&[record(1, 5, json!({"ts": now - DAY, "denied": true}))]);
    let found = cloud.ask("/v1/sessions?user=new&denied=false");
    assert_eq!(found["total"], 0, "denied on a day that the user filter does not meet");
    let detail = cloud.ask(&format!("/v1/sessions/{}", session(1)));
    assert_eq!(detail["parts"].as_array().unwrap().len(), 2);
    assert_eq!(detail["by"]["ip"][0]["count"], 3);
    for (order, wanted) in [("asc", [2, 1]), ("desc", [1, 2])] {
        let path =
            format!("/v1/sessions/{}/requests?limit=1&order={order}&denied=false", session(1));
        let first = cloud.ask(&path);
        let next = first["next"].as_str().unwrap();
        let second = cloud.ask(&format!("{path}&cursor={next}"));
        assert_eq!(second["next"], json!(null));
        let got = [&first, &second].map(|page| page["requests"][0]["id"].clone());
        assert_eq!(got, wanted.map(|n| json!(format!("{n:032x}"))), "{order}");
    }
}

#[test]
fn pages_stay_consistent_while_data_arrives() {
    let cloud = Cloud::start();
    let now = now_ms() - 100_000;
    let lines: Vec<_> =
        (0..30).map(|n| record(n, n, json!({"ts": now + u64::from(n) * 10}))).collect();
    cloud.post(&lines);
    for (order, first) in [("desc", 100u32), ("asc", 200)] {
        let expected: BTreeSet<_> =
            ids(&cloud.ask("/v1/sessions?limit=1000")).into_iter().collect();
        let mut seen = Vec::new();
        let mut path = format!("/v1/sessions?limit=7&order={order}");
        for n in 0.. {
            let page = cloud.ask(&path);
            seen.extend(ids(&page));
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/v1/sessions?limit=7&order={order}&cursor={next}");
            // A session already listed, one not yet listed, and a new one.
            for session in [3, 27, first + n] {
                let id = first * 100 + n * 1000 + session;
                cloud.post(&[record(session, id, json!({"ts": now_ms() + 10 + u64::from(n)}))]);
            }
        }
        // Sessions 3 and 27 change between the pages.
        for id in expected.iter().filter(|id| ![session(3), session(27)].contains(id)) {
            let times = seen.iter().filter(|shown| *shown == id).count();
            assert_eq!(times, 1, "{order}: {id}");
        }
    }
}

#[test]
fn expired_days_are_deleted() {
    let cloud = Cloud::start();
    let now = now_ms();
    cloud.post(&[record(1, 1, json!({"ts": now - 6 * DAY})), record(2, 2, json!({}))]);
    let expired = cloud.post(&[record(3, 3, json!({"ts": now - 9 * DAY}))]);
    assert_eq!((expired.status, expired.json()["expired"].clone()), (200, json!(1)));
    assert_eq!(cloud.ask("/v1/sessions")["total"], 2);
    if !embedded_store_only() {
        return;
    }
    let dir = cloud.stop();
    // The day before the retention, as after a few days without the cloud.
    let oldest = day_files(dir.path()).remove(0);
    std::fs::rename(oldest, dir.path().join("day-2020-01-01.0001.db")).unwrap();
    let cloud = Cloud::start_in(dir);
    assert_eq!(cloud.ask("/v1/sessions")["total"], 1);
    assert!(!cloud.data().join("day-2020-01-01.0001.db").exists());
}

#[test]
fn a_corrupt_day_leaves_the_others_served() {
    let Some((cloud, _)) = Cloud::start_with_damaged_day() else { return };
    let yesterday = now_ms() - DAY;
    assert_eq!(ids(&cloud.ask("/v1/sessions")), [session(2)]);
    let bad = cloud.post(&[record(1, 3, json!({"ts": yesterday}))]);
    assert_eq!(bad.status, 503, "{}", bad.text());
    assert!(bad.json()["detail"].as_str().unwrap().contains("day-"), "{}", bad.text());
    let good = cloud.post(&[record(1, 4, json!({"ts": now_ms()}))]);
    assert_eq!(good.status, 200, "{}", good.text());
    assert!(cloud.get("/metrics").text().contains("api_sessions_cloud_store_days_broken 1"));
}

#[test]
fn a_damaged_day_was_reported_late_and_its_sessions_were_not_found() {
    let Some((cloud, _)) = Cloud::start_with_damaged_day() else { return };
    assert!(cloud.get("/metrics").text().contains("api_sessions_cloud_store_days_broken 1"));
    for path in [format!("/v1/sessions/{}", session(1)), format!("/v1/requests/{:032x}", 1)] {
        let answer = cloud.get(&path);
        assert_eq!(answer.status, 503, "{path}: {}", answer.text());
        assert!(answer.json()["detail"].as_str().unwrap().contains("cannot be read"));
    }
    assert_eq!(cloud.get(&format!("/v1/sessions/{}", session(2))).status, 200);
}

#[test]
fn responses_did_not_mention_a_missing_day() {
    if !embedded_store_only() {
        return;
    }
    let cloud = Cloud::start();
    let now = now_ms();
    let of_session_2 = [record(2, 2, json!({"ts": now - DAY})), record(2, 3, json!({"ts": now}))];
    cloud.post(&[record(1, 1, json!({"ts": now - DAY}))]);
    cloud.post(&of_session_2);
    let detail = format!("/v1/sessions/{}", session(2));
    let requests = format!("{detail}/requests");
    let (csv, page) = (format!("{requests}.csv"), format!("/sessions/{}", session(2)));
    for path in ["/v1/sessions", &detail, &requests] {
        assert!(cloud.ask(path).get("incomplete").is_none(), "{path}: nothing is missing");
    }
    assert_eq!(cloud.get(&csv).header("x-incomplete-days"), "");
    let (cloud, day) = cloud.with_damaged_day();
    for path in ["/v1/sessions", &detail, &requests] {
        assert_eq!(cloud.ask(path)["incomplete"], json!([day]), "{path}");
    }
    assert_eq!(cloud.get(&csv).header("x-incomplete-days"), day);
    for path in ["/", &page] {
        let text = cloud.get(path).text();
        assert!(text.contains("Incomplete") && text.contains(&day), "{path}");
    }
    // Queries that exclude the damaged day are complete.
    let today = format!("from={}", now / DAY * DAY);
    for path in [format!("/v1/sessions?{today}"), format!("{requests}?{today}")] {
        assert!(cloud.ask(&path).get("incomplete").is_none(), "{path}");
    }
    assert_eq!(cloud.get(&format!("{csv}?{today}")).header("x-incomplete-days"), "");
    // A session found nowhere else may be in the damaged day; the error differs from an unavailable store.
    let unknown = cloud.get(&format!("/v1/sessions/{}", session(1)));
    assert_eq!((unknown.status, unknown.json()["error"].clone()), (503, json!("damaged")));
    let refused = cloud.post(&of_session_2);
    assert_eq!((refused.status, refused.json()["error"].clone()), (503, json!("damaged")));
    // An empty list is not mistaken for a first start.
    std::fs::remove_file(&day_files(cloud.data())[1]).unwrap();
    let dir = cloud.stop();
    let cloud = Cloud::start_in(dir);
    assert!(cloud.get("/").text().contains("Incomplete"));
}

#[test]
fn a_session_continues_while_yesterday_is_not_writable() {
    if !embedded_store_only() {
        return;
    }
    let cloud = Cloud::start();
    let yesterday = now_ms() - DAY;
    cloud.post(&[record(1, 1, json!({"ts": yesterday}))]);
    let dir = cloud.stop();
    let file = day_files(dir.path()).remove(0);
    // A file of a future version is not written.
    rusqlite::Connection::open(file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let cloud = Cloud::start_in(dir);
    let answer = cloud.post(&[record(1, 2, json!({"ts": now_ms()})), record(2, 3, json!({}))]);
    assert_eq!(
        (answer.status, answer.json()["stored"].clone()),
        (200, json!(2)),
        "{}",
        answer.text()
    );
    // The parts are not joined, but both are shown.
    let shown = ids(&cloud.ask("/v1/sessions"));
    assert!([1, 2].iter().all(|n| shown.contains(&session(*n))), "{shown:?}");
}

#[test]
fn a_repeated_attack_type_counts_once() {
    let cloud = Cloud::start();
    cloud.post(&[record(1, 1, json!({"attacks": ["sqli", "sqli", "xss"]}))]);
    let detail = cloud.ask(&format!("/v1/sessions/{}", session(1)));
    let attacks = detail["by"]["attack"].as_array().unwrap();
    assert_eq!(attacks.len(), 2);
    assert!(attacks.iter().all(|counted| counted["count"] == 1 && counted["share"] == 1.0));
}

#[test]
fn a_batch_over_midnight_is_stored_once() {
    let cloud = Cloud::start();
    let now = now_ms();
    let body = batch(&[record(1, 1, json!({"ts": now - DAY})), record(1, 2, json!({"ts": now}))]);
    for (stored, duplicates) in [(2, 0), (0, 2)] {
        let answer = cloud.post_with(&[("idempotency-key", "k")], body.as_bytes()).json();
        assert_eq!(
            (&answer["stored"], &answer["duplicates"]),
            (&json!(stored), &json!(duplicates))
        );
    }
}

#[test]
fn invalid_lines_do_not_lose_valid_ones() {
    let cloud = Cloud::start();
    let good = record(1, 1, json!({}));
    let body = format!("{good}\n{{\"id\":5}}\nnot json\n{{\"id\":\"x\",\"ses");
    let answer = cloud.post_with(&[], body.as_bytes());
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!((&answer["stored"], &answer["rejected"]), (&json!(1), &json!(3)));
    assert_eq!(answer["errors"][1]["line"], 3);

    assert_eq!(cloud.post_with(&[], b"not json\n").status, 422);
    assert_eq!(cloud.post_with(&[], b"\n\n").status, 400);
    assert_eq!(cloud.post_with(&[("content-encoding", "br")], b"x").status, 415);
    let too_long = vec![b' '; 17 << 20];
    assert_eq!(cloud.post_with(&[], &too_long).status, 413);

    let gzip = |raw: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(raw).unwrap();
        encoder.finish().unwrap()
    };
    let gzipped = [("content-encoding", "gzip")];
    let sent = gzip(format!("{}\n", record(1, 2, json!({}))).as_bytes());
    assert_eq!(cloud.post_with(&gzipped, &sent).json()["stored"], 1);
    let bomb = gzip(&vec![b'\n'; 65 << 20]);
    assert_eq!(cloud.post_with(&gzipped, &bomb).status, 413);
    assert_eq!(cloud.post_with(&gzipped, b"no gzip at all").status, 400);
    assert_eq!(cloud.ask("/v1/sessions")["sessions"][0]["requests"], 2);
}

#[test]
fn csv_is_complete_and_safe_to_open() {
    let cloud = Cloud::start();
    let lines: Vec<_> = (0..2500)
        .map(|n| record(1, n, json!({"user": "=cmd|' /C calc'!A0", "ua": "a,\"b\"\nc"})))
        .collect();
    cloud.post(&lines);
    let answer = cloud.get(&format!("/v1/sessions/{}/requests.csv", session(1)));
    assert!(answer.header("content-type").starts_with("text/csv"));
    assert!(answer.header("content-disposition").starts_with("attachment"));
    let mut reader = csv::Reader::from_reader(&*answer.body);
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2500);
    let users = reader.headers().unwrap().iter().position(|name| name == "user").unwrap();
    assert!(rows.iter().all(|row| row[users].starts_with("'=")));
    assert_eq!(cloud.get("/v1/sessions/none/requests.csv").status, 404);
}

#[test]
fn a_full_disk_is_reported_and_recovers_without_a_restart() {
    let Some(disk) = SmallDisk::of("6m").filter(|_| crate::support::clickhouse().is_none()) else {
        return;
    };
    let dir = tempfile::tempdir_in(disk.path()).unwrap();
    let cloud = Cloud::start_in(dir);
    let ua = "x".repeat(900);
    let mut taken = 0;
    let full = (0..60).find_map(|n| {
        let lines: Vec<_> = (0..200)
            .map(|line| record(n, n * 200 + line, json!({ "ua": format!("{ua}{n}-{line}") })))
            .collect();
        let answer = cloud.post(&lines);
        match answer.status {
            200 => taken += 200,
            _ => return Some((answer, lines)),
        }
        None
    });
    let (answer, lines) = full.expect("the disk is full");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.json()["detail"].as_str().unwrap().contains("full"), "{}", answer.text());
    let stored = |cloud: &Cloud| -> u64 {
        let list = cloud.ask("/v1/sessions?limit=1000");
        list["sessions"].as_array().unwrap().iter().map(|s| s["requests"].as_u64().unwrap()).sum()
    };
    assert_eq!(
        stored(&cloud),
        taken,
        "what was acknowledged is served, the rest is not there by half"
    );
    assert!(cloud.get("/metrics").text().contains("api_sessions_cloud_store_writable 0"));
    disk.remount("size=64m");
    let again = cloud.post(&lines);
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(stored(&cloud), taken + 200);
    drop(cloud.stop());
}
