//! Which session a request belongs to, over HTTP.

use std::fs;

use crate::harness::{Nginx, eventually, get, next_millisecond, raw, request};

/// Server that shows the session of each request.
const SHOW: &str = "add_header X-Session $api_session_id; add_header X-Key $api_session_key;
    add_header X-Source $api_session_source; add_header X-Requests $api_session_requests;";

struct Shown {
    session: String,
    key: String,
    source: String,
    requests: u64,
}

#[track_caller]
fn show(nginx: &Nginx, target: &str, headers: &[(&str, &str)]) -> Shown {
    let answer = get(nginx.port, target, headers);
    let header =
        |name| answer.header(name).unwrap_or_else(|| panic!("{name}: {answer:?}")).to_owned();
    Shown {
        session: header("X-Session"),
        key: header("X-Key"),
        source: header("X-Source"),
        requests: header("X-Requests").parse().unwrap(),
    }
}

/// The id as docs/identity.md words it, computed apart.
fn id(secret: &[u8], namespace: &str, value: &str) -> String {
    let key = blake3::derive_key("api-sessions session id v1", secret);
    let mut input = namespace.as_bytes().to_vec();
    input.push(0);
    input.extend_from_slice(value.as_bytes());
    blake3::keyed_hash(&key, &input).to_hex()[..32].to_owned()
}

#[test]
fn keys_are_tried_in_the_order_of_the_contract_and_ids_are_its() {
    let secret = [b'k'; 40];
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret"), secret).unwrap();
    let nginx = Nginx::builder()
        .directory(directory)
        .http(&format!(
            "
                api_sessions on;
                api_sessions_secret DIR/secret;
                {SHOW}
                session_key request.header.X-Sid name=sid;
                session_key $arg_t name=argument;
                server {{
                    listen 127.0.0.1:PORT;
                    return 204;
                }}
            "
        ))
        .start();
    type Headers = &'static [(&'static str, &'static str)];
    let cases: [(&str, Headers, &str, &str, &str, &str); 6] = [
        ("/?t=two", &[("X-Sid", "one")], "sid", "key", "value", "one"),
        ("/?t=two", &[], "argument", "key", "value", "two"),
        ("/", &[("Cookie", "PHPSESSID=0123456789")], "PHPSESSID", "builtin", "value", "0123456789"),
        ("/", &[("User-Agent", "agent/1")], "ip_ua", "ip_ua", "ip+ua", "127.0.0.1\nagent/1"),
        ("/", &[("User-Agent", "  ")], "ip", "ip", "ip", "127.0.0.1"),
        ("/", &[], "ip", "ip", "ip", "127.0.0.1"),
    ];
    for (target, headers, key, source, namespace, value) in cases {
        let shown = show(&nginx, target, headers);
        assert_eq!((shown.key.as_str(), shown.source.as_str()), (key, source));
        assert_eq!(shown.session, id(&secret, namespace, value), "{value}");
    }
    // Equal values meet through different keys.
    let header = show(&nginx, "/", &[("X-Sid", "same")]).session;
    assert_eq!(show(&nginx, "/?t=same", &[]).session, header);
}

#[test]
fn levels_inherit_keys_as_proxy_set_header_does() {
    let nginx = Nginx::builder()
        .http(&format!(
            r#"
                api_sessions on;
                session_key request.header.A name=http;
                {SHOW}
                server {{
                    listen 127.0.0.1:PORT;
                    location /plain {{ return 204; }}
                    location /own {{
                        session_key request.header.B name=location;
                        return 204;
                    }}
                    location /none {{
                        api_sessions_builtin_keys off;
                        session_key request.header.C;
                        return 204;
                    }}
                    location /off {{
                        api_sessions off;
                        return 200 "[$api_session_id]";
                    }}
                }}
            "#
        ))
        .start();
    let headers = [("A", "aaa"), ("B", "bbb"), ("Cookie", "PHPSESSID=0123456789")];
    assert_eq!(show(&nginx, "/plain", &headers).key, "http");
    assert_eq!(show(&nginx, "/own", &headers).key, "location");
    assert_eq!(show(&nginx, "/none", &headers).key, "ip");
    assert_eq!(get(nginx.port, "/off", &headers).body, "[]");
}

#[test]
fn a_variable_switches_analysis() {
    let nginx = Nginx::builder()
        .http(
            r#"
                map $http_x_watch $watch { default $http_x_watch; }
                api_sessions $watch;
                server {
                    listen 127.0.0.1:PORT;
                    return 200 "[$api_session_source]";
                }
            "#,
        )
        .start();
    assert_eq!(get(nginx.port, "/", &[("X-Watch", "1")]).body, "[ip]");
    for off in [&[("X-Watch", "0")][..], &[]] {
        assert_eq!(get(nginx.port, "/", off).body, "[]");
    }
}

#[test]
fn requests_are_counted_over_all_workers() {
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                session_key request.header.A;
                {SHOW}
                server {{
                    listen 127.0.0.1:PORT;
                    return 204;
                }}
            "
        ))
        .start();
    let mut seen: Vec<u64> = (0..50).map(|_| show(&nginx, "/", &[("A", "x")]).requests).collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=50).collect::<Vec<_>>());
}

#[test]
fn a_request_is_counted_once_whatever_nginx_does_inside() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("html")).unwrap();
    std::fs::write(directory.path().join("html/index.html"), "index").unwrap();
    std::fs::write(directory.path().join("html/page.shtml"), "<!--#include virtual=\"/part\" -->")
        .unwrap();
    let nginx = Nginx::builder()
        .directory(directory)
        .workers(1)
        .http(
            "
                api_sessions on;
                session_key request.header.A;
                access_log DIR/session.log session;
                server {
                    listen 127.0.0.1:PORT;
                    root DIR/html;
                    ssi_types text/plain;
                    error_page 404 /error;
                    location /error { return 404 gone; }
                    location /try { try_files /none @named; }
                    location @named { return 200 named; }
                    location /upstream {
                        api_sessions off;
                        access_log off;
                        return 200 up;
                    }
                    location /auth {
                        auth_request /check;
                        proxy_pass http://127.0.0.1:PORT/upstream;
                    }
                    location /check {
                        internal;
                        proxy_pass http://127.0.0.1:PORT/upstream;
                    }
                    location /mirror {
                        mirror /copy;
                        proxy_pass http://127.0.0.1:PORT/upstream;
                    }
                    location /copy {
                        internal;
                        proxy_pass http://127.0.0.1:PORT/upstream;
                    }
                    location /page.shtml { ssi on; }
                    location /part { return 200 part; }
                    location /post {
                        post_action /after;
                        return 200 post;
                    }
                    location /after {
                        internal;
                        proxy_pass http://127.0.0.1:PORT/upstream;
                    }
                    location /denied { deny all; }
                    location /rewritten { rewrite ^ /part last; }
                }
            ",
        )
        .start();
    let targets = [
        "/",
        "/missing",
        "/try",
        "/auth",
        "/mirror",
        "/page.shtml",
        "/post",
        "/denied",
        "/rewritten",
        "/error",
    ];
    for (number, target) in targets.iter().enumerate() {
        get(nginx.port, target, &[("A", "same")]);
        let want = format!(" {}", number + 1);
        let line = eventually("a line in the log", || {
            nginx.lines("session.log").into_iter().filter(|line| line.contains(" key ")).nth(number)
        });
        assert!(line.ends_with(&want), "{target}: {line}");
    }
}

#[track_caller]
fn four_lines(nginx: &Nginx) -> Vec<String> {
    eventually("lines in the log", || Some(nginx.lines("session.log")).filter(|l| l.len() >= 4))
}

#[test]
fn what_ends_before_the_access_phase_still_has_a_session() {
    let nginx = Nginx::builder()
        .workers(1)
        .http(
            "
                api_sessions on;
                access_log DIR/session.log session;
                server {
                    listen 127.0.0.1:PORT;
                    location /moved { return 301 /; }
                }
            ",
        )
        .start();
    get(nginx.port, "/moved", &[]);
    raw(nginx.port, b"GARBAGE\r\n\r\n");
    raw(nginx.port, b"GET / HTTP/1.1\r\n\r\n");
    raw(nginx.port, b"GET /x HTTP/1.1\r\nHost: a b\r\n\r\n");
    let lines = four_lines(&nginx);
    for (number, line) in lines.iter().enumerate() {
        assert!(line.ends_with(&format!(" ip ip {}", number + 1)), "{lines:#?}");
    }
}

#[test]
fn variables_work_where_nginx_evaluates_variables() {
    let nginx = Nginx::builder().http(r#"
        api_sessions on;
        session_key request.header.A;
        limit_req_zone $api_session_id zone=sessions:1m rate=1r/m;
        map $api_session_requests $second { default no; 2 yes; }
        server {
            listen 127.0.0.1:PORT;
            set $early $api_session_id;
            location /limited {
                limit_req zone=sessions;
                proxy_pass http://127.0.0.1:PORT/echo;
            }
            location /if {
                if ($api_session_source = key) { return 200 key; }
                return 200 other;
            }
            location /map { return 200 $second; }
            location /rewrite {
                return 200 "$early $api_session_id $api_session_age $api_session_attacks $api_session_denied";
            }
            location /header {
                proxy_pass http://127.0.0.1:PORT/echo;
                proxy_set_header X-Id $api_session_id;
            }
            location /echo {
                api_sessions off;
                return 200 $http_x_id;
            }
        }
    "#).start();
    let a = [("A", "x")];
    assert_eq!(get(nginx.port, "/map", &a).body, "no");
    assert_eq!(get(nginx.port, "/map", &a).body, "yes");
    assert_eq!(get(nginx.port, "/if", &a).body, "key");
    let rewrite = get(nginx.port, "/rewrite", &a).body;
    let words: Vec<&str> = rewrite.split(' ').collect();
    assert_eq!((words[0], &words[2..]), (words[1], &["0", "0", "0"][..]), "{rewrite}");
    assert_eq!(get(nginx.port, "/header", &a).body, words[0]);
    assert_eq!(get(nginx.port, "/limited", &a).status, 200);
    assert_eq!(get(nginx.port, "/limited", &a).status, 503);
    assert_eq!(get(nginx.port, "/limited", &[("A", "another")]).status, 200);
}

#[test]
fn every_variable_has_its_value_in_headers_maps_logs_and_for_the_upstream() {
    let nginx = Nginx::builder().workers(1).http("
        api_sessions on;
        session_key request.header.A name=a;
        api_sessions_attack test $arg_bad;
        context_param request.header.X-User type=user;
        context_param request.header.X-Role type=role hash;
        log_format all '$api_session_id|$api_session_key|$api_session_source|$api_session_requests|$api_session_age|$api_session_attacks|$api_session_denied|$api_session_user|$api_session_role';
        map $api_session_user $known { default no; anna yes; }
        access_log DIR/session.log all;
        server {
            listen 127.0.0.1:PORT;
            add_header X-All '$api_session_key $api_session_source $api_session_requests $api_session_user';
            location / {
                proxy_pass http://127.0.0.1:PORT/echo;
                proxy_set_header X-Seen '$api_session_attacks $known';
                proxy_hide_header X-All;
            }
            location /echo {
                api_sessions off;
                access_log off;
                return 200 $http_x_seen;
            }
        }
    ").start();
    let headers = [("A", "x"), ("X-User", "anna"), ("X-Role", "admin")];
    get(nginx.port, "/one?bad=1", &headers);
    let answer = get(nginx.port, "/two", &headers);
    assert_eq!(answer.header("X-All"), Some("a key 2 anna"));
    // The first request's attack is known, this one's not yet.
    assert_eq!(answer.body, "1 yes");
    let line = eventually("two lines", || nginx.lines("session.log").get(1).cloned());
    let fields: Vec<&str> = line.split('|').collect();
    assert_eq!(&fields[1..=3], ["a", "key", "2"]);
    assert_eq!((fields[0].len(), &fields[5..8]), (32, &["1", "0", "anna"][..]), "{line}");
    assert!(fields[4] == "0" || fields[4] == "1", "{line}");
    assert_eq!(fields[8].len(), 32, "hashed: {line}");
}

#[test]
fn a_token_of_a_login_response_ties_the_requests_together() {
    let nginx = Nginx::builder()
        .http(
            r#"
                api_sessions on;
                access_log DIR/session.log session;
                session_key response.body.json.auth.token name=issued;
                session_key request.query.token name=query;
                session_key request.header.Authorization.bearer name=bearer;
                session_key request.body.json.token name=body;
                server {
                    listen 127.0.0.1:PORT;
                    location / { proxy_pass http://127.0.0.1:PORT/api/; }
                    location /api/ {
                        api_sessions off;
                        access_log off;
                        default_type application/json;
                        return 200 '{"ok":true}';
                    }
                    location /api/login {
                        api_sessions off;
                        access_log off;
                        default_type application/json;
                        return 200 '{"user":"u","auth":{"token":"tok-4711"}}';
                    }
                }
            "#,
        )
        .start();
    get(nginx.port, "/login", &[]);
    next_millisecond();
    get(nginx.port, "/list?token=tok-4711", &[]);
    next_millisecond();
    get(nginx.port, "/item", &[("Authorization", "Bearer tok-4711")]);
    let json = [("Content-Type", "application/json")];
    next_millisecond();
    request(nginx.port, "POST", "/order", &json, r#"{"n":1,"token":"tok-4711"}"#);
    let lines = four_lines(&nginx);
    let field = |line: &String, at: usize| line.split(' ').nth(at).unwrap().to_owned();
    let keys: Vec<String> = lines.iter().map(|line| field(line, 3)).collect();
    assert_eq!(keys, ["issued", "query", "bearer", "body"], "{lines:#?}");
    assert!(lines.iter().all(|line| field(line, 2) == field(&lines[0], 2)), "{lines:#?}");
}

#[test]
fn a_body_is_known_in_the_access_phase_where_it_is_read_before() {
    let nginx = Nginx::builder()
        .http(
            "
                api_sessions on;
                session_key request.body.form.user name=user;
                server {
                    listen 127.0.0.1:PORT;
                    location /pre {
                        api_sessions_preread_body on;
                        proxy_pass http://127.0.0.1:PORT/echo;
                        proxy_set_header X-Key $api_session_key;
                    }
                    location /late {
                        proxy_pass http://127.0.0.1:PORT/echo;
                        proxy_set_header X-Key $api_session_key;
                    }
                    location /echo {
                        api_sessions off;
                        return 200 $http_x_key;
                    }
                }
            ",
        )
        .start();
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(request(nginx.port, "POST", "/pre", &form, "user=anna&x=1").body, "user");
    // Larger than memory buffers: a temporary file is no obstacle.
    let large = format!("user=anna&x={}", "y".repeat(300_000));
    assert_eq!(request(nginx.port, "POST", "/pre", &form, &large).body, "user");
    assert_eq!(get(nginx.port, "/pre", &[]).body, "ip");
}

#[test]
fn a_reload_keeps_sessions_and_another_size_begins_anew_and_says_so() {
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_zone s:1m;
                {SHOW}
                server {{
                    listen 127.0.0.1:PORT;
                    return 204;
                }}
            "
        ))
        .start();
    let first = show(&nginx, "/", &[]);
    nginx.reload("worker_processes 2;", "worker_processes 1;");
    let second = show(&nginx, "/", &[]);
    assert_eq!((first.session.clone(), 2), (second.session, second.requests));
    nginx.reload("s:1m", "s:2m");
    // The secret lives in the zone, so the ids are others too.
    let third = show(&nginx, "/", &[]);
    assert!(third.requests == 1 && third.session != first.session);
    assert!(nginx.error_log().contains("it starts empty"), "{}", nginx.error_log());
}

#[test]
fn a_reload_that_fails_left_its_idle_time_to_the_workers_that_stay() {
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_zone s:1m inactive=1h;
                {SHOW}
                server {{
                    listen 127.0.0.1:PORT;
                    return 204;
                }}
            "
        ))
        .start();
    // Longer than the second that the refused configuration allows. Longer still is right as well.
    let idle = std::time::Duration::from_millis(1200);
    assert_eq!(show(&nginx, "/", &[]).requests, 1);
    // An address that is nobody's (RFC 5737): NGINX finds out after it has made the zones.
    let path = nginx.path("nginx.conf");
    let conf = fs::read_to_string(&path).unwrap();
    let listen = "listen 192.0.2.1:9; listen 127.0.0.1:";
    let broken = conf.replace("inactive=1h", "inactive=1s").replace("listen 127.0.0.1:", listen);
    fs::write(&path, broken).unwrap();
    nginx.signal("HUP");
    let is_refused = |line: &str| line.contains("[emerg]") && line.contains("192.0.2.1:9");
    eventually("the reload fails", || nginx.error_log().lines().any(is_refused).then_some(()));
    nginx.expect_log(is_refused);
    std::thread::sleep(idle);
    assert_eq!(show(&nginx, "/", &[]).requests, 2);
    // One that succeeds changes it.
    nginx.reload(listen, "listen 127.0.0.1:");
    std::thread::sleep(idle);
    assert_eq!(show(&nginx, "/", &[]).requests, 1);
}

#[test]
fn a_worker_that_is_killed_takes_nothing_with_it() {
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                {SHOW}
                server {{
                    listen 127.0.0.1:PORT;
                    return 204;
                }}
            "
        ))
        .start();
    let before = show(&nginx, "/", &[]).requests;
    let workers = nginx.workers();
    crate::harness::signal(workers[0], "KILL");
    eventually("another worker", || {
        let now = nginx.workers();
        (now.len() == 2 && now != workers).then_some(())
    });
    assert_eq!(show(&nginx, "/", &[]).requests, before + 1);
    nginx.expect_kills();
}

/// (NGINX's own reload in that mode leaves it without connections to accept.)
#[test]
fn single_process_mode_works() {
    let nginx = Nginx::builder()
        .workers(1)
        .main("master_process off;")
        .http(&format!(
            "
                api_sessions on;
                api_sessions_zone s:1m;
                {SHOW}
                server {{
                    listen 127.0.0.1:PORT;
                    return 204;
                }}
            "
        ))
        .start();
    assert_eq!(show(&nginx, "/", &[]).requests, 1);
    assert_eq!(show(&nginx, "/", &[]).requests, 2);
}

#[test]
fn an_application_that_is_named_by_the_session_does_not_count_a_request_a_hundred_times() {
    let nginx = Nginx::builder()
        .http(&format!(
            "
                map $api_session_source $application {{ key keyed; default other; }}
                api_sessions on;
                session_key request.header.S;
                {SHOW}
                api_sessions_application $application$api_session_id;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ proxy_pass http://127.0.0.1:PORT/up; }}
                    location /returned {{ return 200 returned; }}
                    location /up {{
                        api_sessions off;
                        return 200 up;
                    }}
                    location /status {{
                        api_sessions off;
                        api_sessions_status;
                    }}
                }}
            "
        ))
        .start();
    for (target, expected) in [("/", 1), ("/", 2), ("/returned", 3), ("/", 4)] {
        let shown = show(&nginx, target, &[("S", "anna")]);
        assert_eq!(shown.requests, expected, "{target}");
    }
    // What the application got of its session is nothing, and that is said.
    let status = get(nginx.port, "/status", &[]).json();
    assert!(status["table"]["reentries_total"].as_u64() >= Some(4), "{status}");
    let log = nginx.error_log();
    assert!(!log.contains("cycle while evaluating"), "{log}");
}

#[test]
fn a_session_cookie_that_is_there_twice_was_not_counted() {
    let nginx = Nginx::builder()
        .http(
            "
                api_sessions on;
                add_header X-Session $api_session_id;
                server {
                    listen 127.0.0.1:PORT;
                    location / { return 200 $api_session_key; }
                    location /status {
                        api_sessions off;
                        api_sessions_status;
                    }
                }
            ",
        )
        .start();
    let ask = |cookies: &str| {
        get(nginx.port, "/x", &[("Cookie", cookies)]).header("X-Session").unwrap().to_owned()
    };
    let first = ask("PHPSESSID=first-first; theme=dark");
    assert_eq!(ask("PHPSESSID=first-first; theme=dark; phpsessid=second-second"), first);
    ask("theme=dark; theme=light; PHPSESSID=first-first");
    let counted =
        || get(nginx.port, "/status", &[]).json()["table"]["duplicate_cookies_total"].as_u64();
    eventually("it is counted, once", || (counted() == Some(1)).then_some(()));
    let text = get(nginx.port, "/status?format=prometheus", &[]).body;
    assert!(text.contains("\napi_sessions_duplicate_cookies_total 1\n"), "{text}");
    assert!(text.contains("\napi_sessions_reentries_total 0\n"), "{text}");
}
