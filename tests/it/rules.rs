//! Rules over sessions, with no cloud.

mod cloud;
mod counting;
mod denials;

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{
    Cloud, Nginx, check_prometheus, eventually, fields, frame, get, raw, request, signal,
};

/// The upstream answers as the header `Answer` asks it to.
const UP: &str = "
        location /up {
            api_sessions off;
            access_log off;
            default_type application/json;
            if ($http_answer = 401) { return 401; }
            if ($http_answer = 404) { return 404; }
            if ($http_answer = json) { return 200 '{\"ok\":false}'; }
            return 200 '{\"ok\":true}';
        }
        location /control { api_sessions off; access_log off; api_sessions_control; }
        location /status { api_sessions off; access_log off; api_sessions_status; }
";

fn server(rules: &str) -> String {
    format!(
        "
    api_sessions on;
    session_key request.header.S;
    context_param request.query.user type=user plain;
    real_ip_header X-Forwarded-For;
    set_real_ip_from 127.0.0.1;
    add_header X-Session $api_session_id always;
    log_format rules '$http_s $status $api_session_rule $api_session_rule_count';
    access_log DIR/rules.log rules;
    {rules}
    server {{
        listen 127.0.0.1:PORT;
        location / {{
            proxy_pass http://127.0.0.1:PORT/up;
        }}
        {UP}
    }}"
    )
}

fn start(rules: &str) -> Nginx {
    Nginx::builder().http(&server(rules)).start()
}

/// Lines of the log, once there are so many.
fn logged(nginx: &Nginx, lines: usize) -> Vec<String> {
    eventually("the log", || Some(nginx.lines("rules.log")).filter(|all| all.len() >= lines))
}

fn fired(lines: &[String], name: &str) -> usize {
    lines.iter().filter(|line| line.split(' ').nth(2) == Some(name)).count()
}

const LOGIN: &str =
    "session_rule login on=POST:/login when=status=401 over=9/10m then=deny:10m mode=enforce;";

/// `over=N` fires with request N+1, which is answered, and refuses from the next one on.
#[test]
fn exactly_the_eleventh_failed_login_is_refused_over_nine_and_the_twelfth_over_ten() {
    for (over, refused) in [(9, 11), (10, 12)] {
        let nginx = start(&LOGIN.replace("over=9", &format!("over={over}")));
        for n in 1..=refused + 3 {
            let headers = [("S", "bad"), ("Answer", "401")];
            let status = request(nginx.port, "POST", "/login", &headers, "").status;
            // Counted before it is logged.
            let lines = logged(&nginx, n);
            assert_eq!(status, if n < refused { 401 } else { 403 }, "over={over}: {n}");
            let fires = lines[n - 1] == format!("bad 401 login {n}");
            assert_eq!(fires, n == refused - 1, "over={over}: {lines:?}");
        }
    }
}

#[test]
fn the_eleventh_failed_login_is_refused_in_every_worker() {
    let nginx = start(LOGIN);
    let login = |session: &str, answer: &str| {
        request(nginx.port, "POST", "/login", &[("S", session), ("Answer", answer)], "").status
    };
    for n in 1..=10 {
        assert_eq!(login("bad", "401"), 401, "{n}");
        assert_eq!(login("good", "200"), 200, "{n}");
    }
    eventually("the denial", || (login("bad", "401") == 403).then_some(()));
    for _ in 0..20 {
        assert_eq!(login("bad", "200"), 403);
        assert_eq!(get(nginx.port, "/other", &[("S", "bad")]).status, 403);
        assert_eq!(login("good", "200"), 200);
    }
    let listed = get(nginx.port, "/control", &[]).json();
    assert_eq!(listed["denylist"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["denylist"][0]["reason"], "rule login");
    let until = listed["denylist"][0]["until"].as_u64().unwrap();
    assert_eq!(until - listed["denylist"][0]["since"].as_u64().unwrap(), 600_000);

    let lines = logged(&nginx, 60);
    assert!(lines.contains(&"bad 401 login 10".to_owned()), "{lines:?}");
    assert!(lines.contains(&"bad 403 login 0".to_owned()), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("good") && line.contains("login")));

    let status = get(nginx.port, "/status", &[]).json();
    assert_eq!(status["rules"][0]["name"], "login");
    assert_eq!(status["rules"][0]["hits"], 1);
    assert!(status["rules"][0]["refusals"].as_u64().unwrap() >= 40);
    let text = get(nginx.port, "/status?format=prometheus", &[]).body;
    check_prometheus(&text);
    assert!(text.contains("api_sessions_rule_hits_total{rule=\"login\"} 1\n"), "{text}");
}

#[test]
fn a_denial_taken_off_by_hand_is_not_put_back_at_once() {
    let nginx = start(LOGIN);
    let login = || request(nginx.port, "POST", "/login", &[("S", "x"), ("Answer", "401")], "");
    for _ in 0..10 {
        login();
    }
    eventually("the denial", || (login().status == 403).then_some(()));
    let listed = get(nginx.port, "/control", &[]).json();
    let id = listed["denylist"][0]["session"].as_str().unwrap().to_owned();
    let target = format!("/control?session={id}");
    assert_eq!(request(nginx.port, "DELETE", &target, &[], "").status, 200);
    // Still over the threshold: it fires each time.
    for _ in 0..20 {
        assert_eq!(login().status, 401);
    }
    assert!(fired(&logged(&nginx, 31), "login") > 20);
}

#[test]
fn monitoring_refuses_nobody_and_off_does_nothing() {
    let nginx =
        start("session_rule seen over=4/10m then=deny:10m; session_rule off over=0/10m mode=off;");
    for _ in 0..20 {
        assert_eq!(get(nginx.port, "/", &[("S", "x")]).status, 200);
    }
    let lines = logged(&nginx, 20);
    assert_eq!(fired(&lines, "seen"), 16, "{lines:?}");
    assert_eq!(fired(&lines, "off"), 0);
    assert!(lines.contains(&"x 200 seen 20".to_owned()));
}

#[test]
fn many_users_from_few_addresses_are_found_and_a_nat_of_good_users_is_not() {
    let nginx = start(
        "session_rule stuffing on=POST:/login when=status=401 count=distinct:user over=20/1h per=ip then=deny_ip:1h mode=enforce;",
    );
    let login = |ip: &str, user: usize, answer: &str| {
        let headers = [("X-Forwarded-For", ip), ("Answer", answer)];
        request(nginx.port, "POST", &format!("/login?user=u{user}"), &headers, "").status
    };
    for user in 0..200 {
        assert_eq!(login("192.0.2.1", user, "200"), 200);
    }
    for user in 0..21 {
        assert_eq!(login("192.0.2.2", user, "401"), 401);
    }
    eventually("the denial", || (login("192.0.2.2", 7, "200") == 403).then_some(()));
    // With a session too.
    let headers = [("X-Forwarded-For", "192.0.2.2"), ("S", "new")];
    assert_eq!(get(nginx.port, "/", &headers).status, 403);
    assert_eq!(login("192.0.2.1", 7, "401"), 401);
    assert_eq!(login("192.0.2.3", 7, "200"), 200);
}

#[test]
fn walking_ids_is_marked_and_paging_through_a_list_is_not() {
    let nginx = start("session_rules default;");
    for n in 0..50 {
        get(nginx.port, &format!("/orders/{n}"), &[("S", "walker")]);
        get(nginx.port, &format!("/orders?page={n}"), &[("S", "reader")]);
    }
    let lines = logged(&nginx, 100);
    assert_eq!(fired(&lines, "objects-walked"), 10, "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("reader") && line.contains("walked")));
    let status = get(nginx.port, "/status", &[]).json();
    assert_eq!(status["rules"].as_array().unwrap().len(), 9);
}

#[test]
fn a_failure_may_be_told_by_the_body_of_a_200() {
    let nginx =
        start("session_rule failed on=POST:/login when=response.body.json.ok=false over=3/10m;");
    for answer in ["json", "200"] {
        for _ in 0..6 {
            request(nginx.port, "POST", "/login", &[("S", answer), ("Answer", answer)], "");
        }
    }
    let lines = logged(&nginx, 12);
    assert_eq!(fired(&lines, "failed"), 3, "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("200") && line.contains("failed")));
}

#[test]
fn a_limit_answers_429_and_says_when_to_come_again() {
    let nginx = start("session_rule busy on=/a/** over=2/1h then=mark,limit:1r/h mode=enforce;");
    let ask = |target: &str, session: &str| get(nginx.port, target, &[("S", session)]);
    for _ in 0..3 {
        assert_eq!(ask("/a", "x").status, 200);
    }
    eventually("the limit", || (ask("/a/b", "x").status == 429).then_some(()));
    let answer = ask("/%61/b", "x");
    assert_eq!(answer.status, 429);
    let wait: u64 = answer.header("Retry-After").expect("Retry-After").parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
    assert_eq!(ask("/b", "x").status, 200);
    assert_eq!(ask("/a", "y").status, 200);
    let lines = logged(&nginx, 7);
    assert!(lines.iter().any(|line| line.starts_with("x 429 busy ")), "{lines:?}");
}

#[test]
fn exceptions_are_neither_counted_nor_refused() {
    let nginx = start(
        "session_rule all over=0/1h; session_rules_except 192.0.2.0/24 2001:db8::/32 user=ann;",
    );
    for (ip, target, fires) in [
        ("192.0.2.77", "/", false),
        ("2001:db8::1", "/", false),
        ("198.51.100.1", "/?user=ann", false),
        ("198.51.100.1", "/?user=bob", true),
    ] {
        let before = fired(&nginx.lines("rules.log"), "all");
        let lines = nginx.lines("rules.log").len();
        get(nginx.port, target, &[("X-Forwarded-For", ip)]);
        let after = fired(&logged(&nginx, lines + 1), "all");
        assert_eq!(after - before, usize::from(fires), "{ip} {target}");
    }
}

#[test]
fn an_exception_was_refused_by_the_denial_of_a_rule() {
    let nginx = start(
        "session_rules_except 192.0.2.0/24 user=ann;
         session_rule busy over=0/1h then=deny:1h,deny_ip:1h mode=enforce;",
    );
    let ask = |session: &str, ip: &str, target: &str| {
        get(nginx.port, target, &[("S", session), ("X-Forwarded-For", ip)]).status
    };
    assert_eq!(ask("x", "198.51.100.1", "/"), 200);
    eventually("the denial", || (ask("x", "198.51.100.1", "/") == 403).then_some(()));
    assert_eq!(ask("x", "192.0.2.7", "/"), 200, "its session");
    assert_eq!(ask("y", "198.51.100.1", "/"), 403, "its address");
    assert_eq!(ask("y", "198.51.100.1", "/?user=ann"), 200, "its address, for an excepted user");
    // Whom somebody has denied by hand, no exception frees.
    let id = get(nginx.port, "/", &[("S", "z"), ("X-Forwarded-For", "192.0.2.8")]);
    let id = id.header("x-session").unwrap().to_owned();
    let body = format!("{{\"session\": \"{id}\"}}");
    let answer = request(nginx.port, "POST", "/control", &[], &body);
    assert!((200..300).contains(&answer.status), "{answer:?}");
    assert_eq!(ask("z", "192.0.2.8", "/"), 403, "by hand");
    let from_denied_address = ask("z", "198.51.100.1", "/?user=ann");
    assert_eq!(from_denied_address, 403, "by hand, at an address that a rule denies");
}

#[test]
fn a_denied_address_was_let_into_other_locations() {
    let rule = "session_rule ip on=/busy over=0/1h per=ip then=deny_ip:1h mode=enforce;";
    let conf = server("api_sessions_deny on;").replace(
        "location / {",
        &format!("location /busy {{ {rule} proxy_pass http://127.0.0.1:PORT/up; }} location / {{"),
    );
    let nginx = Nginx::builder().http(&conf).start();
    let ask = |session: &str, target: &str| {
        get(nginx.port, target, &[("S", session), ("X-Forwarded-For", "198.51.100.1")]).status
    };
    assert_eq!(ask("x", "/busy"), 200);
    eventually("the denial", || (ask("y", "/busy") == 403).then_some(()));
    assert_eq!(ask("z", "/other"), 403);
    let listed = get(nginx.port, "/control", &[]).json()["denylist"][0]["by"].clone();
    assert_eq!(listed, "rule, address 198.51.100.1", "whose id nobody can read");
}

#[test]
fn a_denial_that_nobody_asks_for_was_recorded_as_enforced() {
    for (deny, enforced) in [("off", false), ("dry_run", false), ("on", true)] {
        let cloud = Cloud::start();
        let rules = format!(
            "api_sessions_export {} sync=on; api_sessions_deny {deny};
             session_rule busy over=1/1h then=mark,deny:1h mode=enforce;",
            cloud.export()
        );
        let nginx = Nginx::builder().http(&server(&rules)).start();
        for _ in 0..3 {
            get(nginx.port, "/", &[("S", "x")]);
        }
        let hits = eventually("its hits", || {
            let hits = cloud.get("/v1/rules/hits?rule=busy").json()["rules"][0].clone();
            (hits["hits"].as_u64() >= Some(2)).then_some(hits)
        });
        let refused = hits["subjects_refused"].as_u64().unwrap();
        assert_eq!(refused, u64::from(enforced), "{deny}: {hits}");
    }
}

#[test]
fn a_rule_of_the_pack_that_is_switched_off_by_name_was_in_force() {
    let nginx = start("session_rules default; session_rule forced-browsing over=0/1h mode=off;");
    for n in 0..40 {
        get(nginx.port, &format!("/none/x{n}y"), &[("S", "x"), ("Answer", "404")]);
    }
    let lines = logged(&nginx, 40);
    assert_eq!(fired(&lines, "forced-browsing"), 0, "{lines:?}");
}

#[test]
fn a_hundred_parallel_streams_are_counted_exactly() {
    let rules = "http2_max_concurrent_streams 128; session_rule many over=0/1h;";
    let config = server(rules)
        .replace("listen 127.0.0.1:PORT;", "listen 127.0.0.1:PORT; listen 127.0.0.1:PORT2 http2;");
    let port2 = crate::harness::free_port();
    let config = config.replace("PORT2", &port2.to_string());
    let nginx = Nginx::builder().http(&config).start();
    let mut stream = TcpStream::connect(("127.0.0.1", port2)).unwrap();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    for n in 0..100 {
        let head = fields(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "a"),
            (":path", "/x"),
            ("s", "one"),
        ]);
        // END_STREAM and END_HEADERS.
        bytes.extend(frame(1, 5, 2 * n + 1, &head));
    }
    stream.write_all(&bytes).unwrap();
    let lines = logged(&nginx, 100);
    let mut counts: Vec<u64> =
        lines.iter().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=100).collect::<Vec<_>>());
    drop(stream.read(&mut [0; 16]));
}

#[test]
fn counts_survive_a_reload_and_a_killed_worker() {
    let nginx = start("session_rule many over=0/1h then=mark;");
    let count = |lines: usize| {
        let all = logged(&nginx, lines);
        all.last().unwrap().rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    for _ in 0..5 {
        get(nginx.port, "/", &[("S", "x")]);
    }
    assert_eq!(count(5), 5);
    // Another reaction counts the same.
    nginx.reload("then=mark;", "then=mark mode=enforce;");
    get(nginx.port, "/", &[("S", "x")]);
    assert_eq!(count(6), 6);
    let before = nginx.workers();
    for worker in &before {
        signal(*worker, "KILL");
    }
    eventually("other workers", || {
        let now = nginx.workers();
        (now.len() == before.len() && now.iter().all(|pid| !before.contains(pid))).then_some(())
    });
    get(nginx.port, "/", &[("S", "x")]);
    assert_eq!(count(7), 7);
    nginx.expect_kills();
}

#[test]
fn a_rule_is_about_the_path_that_the_client_meant() {
    let nginx = start("session_rule one on=GET:/a/*/c over=0/1h;");
    for (target, fires) in
        [("/a/b/c", true), ("/a/%62//c", true), ("/x/../a/b/./c", true), ("/a/b/c/d", false)]
    {
        let lines = nginx.lines("rules.log");
        raw(nginx.port, format!("GET {target} HTTP/1.0\r\nHost: a\r\nS: x\r\n\r\n").as_bytes());
        let after = logged(&nginx, lines.len() + 1);
        assert_eq!(fired(&after, "one") - fired(&lines, "one"), usize::from(fires), "{target}");
    }
}

#[test]
fn a_bad_rule_stops_the_test_of_the_configuration() {
    for (rule, said) in [
        ("session_rule a over=1;", "invalid parameter \"over=1\""),
        ("session_rule a over=1/1m per=user then=deny:1m;", "lock that user out"),
        ("session_rule a over=1/1m; session_rule a over=2/1m;", "\"a\" is duplicate"),
        ("session_rule a over=1/1m when=$nothing=1;", "unknown \"nothing\" variable"),
        ("session_rule a over=1/1m fleet=on;", "\"fleet=on\" is not supported yet"),
        ("session_rules all;", "invalid value \"all\": \"default\" or \"off\""),
        ("session_rules_except 192.0.2.0/33;", "invalid value \"192.0.2.0/33\""),
        ("session_rules_except group=x;", "invalid value \"group=x\""),
        ("api_sessions_rules_zone 1k;", "invalid size \"1k\""),
    ] {
        let checked = Nginx::builder().http(&server(rule)).check();
        assert!(!checked.ok, "{rule}");
        assert!(checked.stderr.contains(said), "{rule}: {}", checked.stderr);
        assert!(checked.stderr.contains("nginx.conf:"), "{}", checked.stderr);
    }
}
