//! What arrives in the cloud.

use crate::harness::{Cloud, Nginx, check_prometheus, eventually, get, request};
use serde_json::json;

#[test]
fn a_request_arrives_with_all_that_the_contract_says() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                api_sessions_application shop-$host;
                session_key request.header.X-Sid name=sid;
                session_key request.cookie.open export=plain;
                session_key request.cookie.silent export=off;
                context_param request.query.q name=search;
                context_param request.header.X-User type=user;
                context_param request.header.X-Role type=role hash;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ proxy_pass http://127.0.0.1:PORT/up; }}
                    location /up {{
                        api_sessions off;
                        return 201 fine;
                    }}
                }}
            ",
            cloud.export()
        ))
        .start();
    let headers = [
        ("X-Sid", "session-one"),
        ("Cookie", "open=visible; silent=invisible"),
        ("User-Agent", "agent/1 \u{e9}"),
        ("X-User", "anna"),
        ("X-Role", "admin"),
    ];
    let answer = request(nginx.port, "POST", "/a%20b/c?q=x+y&secret=z", &headers, "body");
    assert_eq!(answer.status, 201);
    let session = cloud.sessions(1).remove(0);
    let id = session["session"].as_str().unwrap().to_owned();
    let record = cloud.records(&id, 1).remove(0);
    let subset = json!({
        "node": "test", "session": id, "key": "sid", "source": "key", "app": "shop-localhost",
        "ip": "127.0.0.1", "ua": "agent/1 \u{e9}", "host": "localhost", "method": "POST",
        "path": "/a%20b/c", "proto": "HTTP/1.1", "scheme": "http", "status": 201, "user": "anna",
        "denied": false,
    });
    for (name, value) in subset.as_object().unwrap() {
        assert_eq!(&record[name], value, "{name} in {record:#}");
    }
    assert_eq!(record["id"].as_str().unwrap().len(), 32);
    assert!(record["ts"].as_u64().unwrap() > 1_600_000_000_000);
    assert!(record["upstream_ms"].is_u64() && record["request_bytes"].as_u64().unwrap() > 100);
    let params = record["params"].as_array().unwrap();
    let names: Vec<_> = params.iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["sid", "request.cookie.open", "search", "request.header.X-User", "request.header.X-Role"]
    );
    let shown: Vec<_> = params.iter().map(|p| p["hashed"].as_bool().unwrap()).collect();
    assert_eq!(shown, [true, false, false, false, true]);
    assert_eq!(params[2]["value"], "x y");
    let text = record.to_string();
    for hidden in ["session-one", "invisible", "\"admin\"", "secret"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
}

#[test]
fn one_request_is_one_record_and_sessions_hold_them_in_order() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                session_key request.header.S;
                server {{
                    listen 127.0.0.1:PORT;
                    error_page 404 /lost;
                    location /lost {{ return 404 lost; }}
                    location /ok {{ return 200 ok; }}
                    location /silent {{
                        api_sessions off;
                        return 200 silent;
                    }}
                }}
            ",
            cloud.export()
        ))
        .start();
    for round in 0..20 {
        for session in ["a", "b", "c"] {
            get(nginx.port, &format!("/ok/{round}"), &[("S", session)]);
        }
        get(nginx.port, "/missing", &[("S", "a")]);
        get(nginx.port, "/silent", &[("S", "a")]);
    }
    let sessions = cloud.sessions(80);
    let mut counts: Vec<_> = sessions.iter().map(|s| s["requests"].as_u64().unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [20, 20, 40]);
    let largest =
        sessions.iter().find(|s| s["requests"] == 40).unwrap()["session"].as_str().unwrap();
    let records = cloud.records(largest, 40);
    let times: Vec<_> = records.iter().map(|r| r["ts"].as_u64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let ids: std::collections::BTreeSet<_> = records.iter().map(|r| r["id"].to_string()).collect();
    assert_eq!(ids.len(), 40);
}

#[test]
fn a_cloud_that_is_away_hurts_nobody_and_gets_everything_later() {
    let mut cloud = Cloud::start();
    let export = cloud.export();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {export};
                session_key request.header.S;
                server {{
                    listen 127.0.0.1:PORT;
                    return 200 ok;
                }}
            "
        ))
        .start();
    cloud.kill();
    for _ in 0..30 {
        assert_eq!(get(nginx.port, "/", &[("S", "x")]).status, 200);
    }
    eventually("a word about it", || {
        nginx.error_log().contains("records are kept and sent again").then_some(())
    });
    // A reload while it is away: what the old workers could not send, the new ones do.
    nginx.reload("worker_processes 2;", "worker_processes 1;");
    for _ in 0..30 {
        assert_eq!(get(nginx.port, "/", &[("S", "x")]).status, 200);
    }
    cloud.run();
    let session = cloud.sessions(60).remove(0);
    assert_eq!(session["requests"], 60);
    cloud.records(session["session"].as_str().unwrap(), 60);
    let warnings = nginx.error_log().lines().filter(|l| l.contains("kept and sent again")).count();
    assert!(warnings <= 4, "one for each worker:\n{}", nginx.error_log());
}

#[test]
fn a_wrong_token_costs_no_data() {
    let cloud = Cloud::start();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("token"), "wrong").unwrap();
    let nginx = Nginx::builder()
        .directory(directory)
        .workers(1)
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {} token_file=DIR/token node=n flush=50ms;
                server {{
                    listen 127.0.0.1:PORT;
                    return 200 ok;
                }}
            ",
            cloud.url()
        ))
        .start();
    get(nginx.port, "/", &[]);
    eventually("a word about it", || nginx.error_log().contains("answered 401").then_some(()));
    assert!(!nginx.error_log().contains("Bearer") && !nginx.error_log().contains("wrong"));
    std::fs::copy(cloud.ingest_token_file(), nginx.path("token")).unwrap();
    nginx.reload("worker_processes 1;", "worker_processes 2;");
    assert_eq!(cloud.sessions(1)[0]["requests"], 1);
}

#[test]
fn a_killed_worker_loses_no_record() {
    let mut cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                session_key request.header.S;
                server {{
                    listen 127.0.0.1:PORT;
                    return 200 ok;
                }}
            ",
            cloud.export()
        ))
        .start();
    cloud.kill();
    for _ in 0..40 {
        get(nginx.port, "/", &[("S", "x")]);
    }
    for pid in nginx.workers() {
        crate::harness::signal(pid, "KILL");
    }
    let count = 40;
    eventually("new workers", || (nginx.workers().len() == 2).then_some(()));
    cloud.run();
    assert_eq!(cloud.sessions(count)[0]["requests"], count);
    nginx.expect_kills();
}

#[test]
fn reloads_under_load_lose_and_double_nothing() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                session_key request.header.S;
                server {{
                    listen 127.0.0.1:PORT;
                    return 200 ok;
                }}
            ",
            cloud.export()
        ))
        .start();
    let port = nginx.port;
    let load = std::thread::spawn(move || {
        (0..400).filter(|_| get(port, "/", &[("S", "x")]).status == 200).count()
    });
    for round in 0..6 {
        let (from, to) = if round % 2 == 0 {
            ("processes 2", "processes 1")
        } else {
            ("processes 1", "processes 2")
        };
        nginx.reload(from, to);
    }
    let answered = load.join().unwrap() as u64;
    let session = cloud.sessions(answered).remove(0);
    assert_eq!(session["requests"].as_u64(), Some(answered));
}

#[test]
fn the_status_page_speaks_json_and_prometheus() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ return 200 ok; }}
                    location /status {{
                        api_sessions off;
                        api_sessions_status;
                    }}
                }}
            ",
            cloud.export()
        ))
        .start();
    get(nginx.port, "/", &[]);
    cloud.sessions(1);
    let status = eventually("the record is counted as sent", || {
        let status = get(nginx.port, "/status", &[]).json();
        (status["export"]["records_sent_total"] == 1).then_some(status)
    });
    assert_eq!(status["table"]["sessions_in_use"], 1);
    assert_eq!(status["builtin_keys"][0]["name"], "PHPSESSID");
    assert_eq!(status["table"]["detector_panics_sqli_total"], 0);
    for prometheus in [
        get(nginx.port, "/status?format=prometheus", &[]),
        get(nginx.port, "/status", &[("Accept", "text/plain;version=0.0.4")]),
    ] {
        assert!(prometheus.header("content-type").unwrap().starts_with("text/plain"));
        check_prometheus(&prometheus.body);
        assert!(prometheus.body.contains("\napi_sessions_detector_panics_sqli_total 0\n"));
        assert!(prometheus.body.contains("\n# TYPE api_sessions_records_sent_total counter\napi_sessions_records_sent_total 1\n"), "{}", prometheus.body);
    }
    check_prometheus(&cloud.get("/metrics").body);
    let refused = request(nginx.port, "DELETE", "/status", &[], "");
    assert_eq!((refused.status, refused.header("Allow")), (405, Some("GET, HEAD")));
    assert_eq!(refused.json()["error"], "method_not_allowed");
}

#[test]
fn a_format_that_there_is_not_is_refused_and_accept_is_weighed() {
    let nginx = Nginx::builder()
        .http(
            "
                api_sessions on;
                server {
                    listen 127.0.0.1:PORT;
                    location /status { api_sessions_status; }
                }
            ",
        )
        .start();
    let refused = get(nginx.port, "/status?format=xml", &[]);
    assert_eq!(refused.status, 400);
    let detail = refused.json()["detail"].to_string();
    assert!(detail.contains("json") && detail.contains("prometheus"), "{detail}");
    let is_text = |target: &str, accept: &str| {
        let answer = get(nginx.port, target, &[("Accept", accept)]);
        assert_eq!(answer.status, 200);
        answer.header("content-type").unwrap().starts_with("text/plain")
    };
    for accept in [
        "text/plain",
        "text/*",
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
        "application/json;q=0.2, Text/Plain;Q=0.8",
    ] {
        assert!(is_text("/status", accept), "{accept}");
    }
    for accept in [
        "text/plain;q=0",
        "text/plain; q=0.0, */*",
        "*/*",
        "application/json, text/plain, */*",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "image/png",
    ] {
        assert!(!is_text("/status", accept), "{accept}");
    }
    assert!(!is_text("/status?format=json", "text/plain"));
    assert!(is_text("/status?format=prometheus", "application/json"));
}

#[test]
fn a_request_id_is_the_same_for_all_who_ask_and_never_given_twice() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                session_key request.header.S;
                log_format id '$request_id';
                access_log DIR/ids.log id;
                server {{
                    listen 127.0.0.1:PORT;
                    add_header X-Id $request_id;
                    error_page 404 =200 /found;
                    location /found {{ return 200 found; }}
                    location /proxied {{
                        proxy_set_header X-Id $request_id;
                        proxy_pass http://127.0.0.1:PORT/up;
                    }}
                    location /up {{
                        api_sessions off;
                        access_log off;
                        add_header X-Up 1;
                        return 200 $http_x_id;
                    }}
                }}
            ",
            cloud.export()
        ))
        .start();
    // More than the operating system is asked for at a time, in old and new workers.
    let mut ids = std::collections::BTreeSet::new();
    for round in 0..700 {
        let path = if round % 7 == 0 { "/proxied" } else { "/missing" };
        let answer = get(nginx.port, path, &[("S", "a")]);
        let id = answer.header("X-Id").unwrap().to_owned();
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
        if path == "/proxied" {
            assert_eq!(answer.body.trim(), id, "the upstream's");
        }
        assert!(ids.insert(id), "twice");
        if round == 350 {
            nginx.reload("add_header X-Id", "add_header X-Id");
        }
    }
    let logged = eventually("all lines of the log", || {
        Some(nginx.lines("ids.log")).filter(|lines| lines.len() == 700)
    });
    assert_eq!(logged.into_iter().collect::<std::collections::BTreeSet<_>>(), ids);
    let session = cloud.sessions(700).remove(0);
    let path = format!("/v1/sessions/{}/requests?limit=1000", session["session"].as_str().unwrap());
    let requests = cloud.get(&path).json()["requests"].as_array().unwrap().clone();
    let recorded = requests.iter().map(|record| record["id"].as_str().unwrap().to_owned());
    assert_eq!(recorded.collect::<std::collections::BTreeSet<_>>(), ids);
}
