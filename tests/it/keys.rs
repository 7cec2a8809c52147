//! How good keys are: twelve applications with a known truth, on a real node with a real cloud.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Cloud, Nginx, eventually, get, request};

const WINDOW: Duration = Duration::from_secs(2);
/// Longest time until all is as it should be: six windows make an hour, others may use the machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Visitors of an application in which something is to be suggested, and of others: few, for many rounds.
const VISITORS: u64 = 54;
const FEW: u64 = 24;

/// What stands of a key in the end.
const VERDICTS: [(&str, &str, &str); 13] = [
    ("cookie", "request.cookie.shop_visit", "good"),
    ("api-key", "X-API-Key", "shared"),
    ("test-token", "X-Auth-Token", "good"),
    ("changing", "X-Session-Id", "volatile"),
    ("jwt", "jwt.sub", "good"),
    ("jwt", "request.header.authorization.jwt.payload.account", "good"),
    ("nothing", "ip_ua", "good"),
    ("two", "request.header.x-visit", "good"),
    ("cgnat", "connect.sid", "too_little"),
    ("roaming", "sid", "good"),
    ("attacked", "PHPSESSID", "good"),
    ("checked", "X-Auth-Token", "good"),
    ("good-here", "X-Session-Token", "good"),
];

/// A key that is good in the application before.
const SHARED_THERE: (&str, &str, &str) = ("shared-there", "X-Session-Token", "shared");

/// The best suggestion of an application.
const SUGGESTIONS: [(&str, Option<&str>); 13] = [
    ("cookie", Some("request.cookie.shop_visit")),
    ("api-key", Some("request.cookie.basket")),
    ("test-token", None),
    ("changing", Some("request.header.x-installation")),
    ("jwt", Some("request.cookie.device")),
    ("nothing", None),
    ("two", Some("request.header.x-visit")),
    ("cgnat", None),
    ("roaming", None),
    ("attacked", None),
    ("checked", None),
    ("good-here", None),
    ("shared-there", Some("request.cookie.customer")),
];

/// A random text.
fn token(seed: u64) -> String {
    let mixed = (u128::from(seed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_0c1e_4f2a_91b7);
    format!("{mixed:032x}")
}

/// A request of visitor `client`: its address, then headers.
fn visit(client: u64, headers: &str) -> String {
    format!(
        "X-Forwarded-For: 10.{}.{}.7\r\nUser-Agent: Browser/{client}\r\n{headers}",
        client / 200,
        client % 200
    )
}

/// All applications in one round, which is the `round`th, `second`s after the first.
fn round(round: u64, second: u64) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let mut each = |app: &'static str, make: &dyn Fn(u64) -> String| {
        let visitors =
            if SUGGESTIONS.iter().any(|it| it.0 == app && it.1.is_some()) { VISITORS } else { FEW };
        all.extend((0..visitors).map(|client| (app, visit(client, &make(client)))));
    };
    let unique = |client: u64| token(1_000_000 + round * 10_000 + client);
    each("cookie", &|client| {
        format!(
            "Cookie: _ga=GA1.2.{}; shop_visit={1}\r\nX-Set: shop_visit={1}\r\n",
            token(client),
            token(client + 500)
        )
    });
    each("api-key", &|client| {
        format!("X-API-Key: the-key-of-the-application\r\nCookie: basket={}\r\n", token(client))
    });
    each("test-token", &|client| format!("X-Auth-Token: {}\r\n", token(client)));
    each("changing", &|client| {
        format!("X-Session-Id: {}\r\nX-Installation: {}\r\n", unique(client), token(client))
    });
    each("jwt", &|client| {
        let account = 7_000_000 + client;
        let payload = base64(&format!(
            "{{\"iss\":\"i\",\"azp\":\"a\",\"sub\":\"user-{client}\",\"account\":{account}}}"
        ));
        format!(
            "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.{payload}.c2ln\r\nCookie: device={}\r\n",
            token(client + 900)
        )
    });
    each("nothing", &|_| String::new());
    each("two", &|client| {
        format!("X-Visit: {}\r\nX-Account: {}\r\n", token(client), token(700 + client / 2))
    });
    each("attacked", &|client| format!("Cookie: PHPSESSID={}\r\n", token(client)));
    each("checked", &|client| format!("X-Auth-Token: {}\r\n", token(client)));
    each("good-here", &|client| format!("X-Session-Token: {}\r\n", token(client)));
    each("shared-there", &|client| {
        let shared = "X-Session-Token: one-for-all-of-the-shop\r\n";
        format!("{shared}Cookie: customer={}\r\n", token(client))
    });
    // One monitor with a token of its own.
    all.extend(
        (0..20).map(|_| ("test-token", visit(990, "X-Auth-Token: the-token-for-tests-alone\r\n"))),
    );
    // Behind one address, with ten kinds of phones.
    all.extend((0..if round % 8 < 2 { 500 } else { 0 }).map(|n| {
        let kind = n % 10;
        ("cgnat", format!("X-Forwarded-For: 100.64.0.9\r\nUser-Agent: Phone/{kind}\r\nCookie: connect.sid={}\r\n", token(n)))
    }));
    // Each in another network every second.
    all.extend((0..FEW).map(|n| {
        let address =
            format!("X-Forwarded-For: 172.{}.{n}.1\r\nUser-Agent: Phone/{n}\r\n", 16 + second % 16);
        ("roaming", format!("{address}Cookie: sid={}\r\n", token(n)))
    }));
    all.extend(
        (0..50).map(|n| {
            ("attacked", visit(991, &format!("Cookie: PHPSESSID={}\r\n", unique(100 + n))))
        }),
    );
    // Probes of many places, with one token, at one path.
    all.extend((0..20).map(|n| {
        ("checked", visit(600 + n, "X-Auth-Token: the-token-of-health-checks\r\nPath: health\r\n"))
    }));
    all
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

/// Sends requests on one connection, and reads their answers.
fn send(stream: &mut TcpStream, requests: &[(&str, String)], round: u64) {
    for part in requests.chunks(50) {
        let mut bytes = String::new();
        for (at, (app, headers)) in part.iter().enumerate() {
            let path = match headers.contains("Path: health") {
                true => "health".to_owned(),
                false => format!("page/{}", (round + at as u64) % 7),
            };
            bytes += &format!("GET /{path} HTTP/1.1\r\nHost: h\r\nX-App: {app}\r\n{headers}\r\n");
        }
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut answers = Vec::new();
        let mut buffer = [0; 16384];
        // Each answer has one body of two bytes, "ok", behind an empty line.
        while answers.windows(6).filter(|end| *end == b"\r\n\r\nok").count() < part.len() {
            let len = stream.read(&mut buffer).unwrap();
            assert!(len > 0, "{}", String::from_utf8_lossy(&answers));
            answers.extend_from_slice(&buffer[..len]);
        }
    }
}

/// All keys, in their order.
fn keys(cloud: &Cloud) -> Vec<Value> {
    let answer = cloud.get("/v1/keys");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["keys"].as_array().unwrap().clone()
}

fn key<'k>(keys: &'k [Value], application: &str, name: &str) -> &'k Value {
    let is_it = |key: &&Value| key["application"] == application && key["name"] == name;
    keys.iter().find(is_it).unwrap_or(&Value::Null)
}

/// The best suggestion of an application, which comes first.
fn suggestion<'k>(keys: &'k [Value], application: &str) -> Option<&'k str> {
    let is_it = |key: &&Value| key["application"] == application && key["suggested"] == true;
    keys.iter().find(is_it)?["name"].as_str()
}

#[test]
fn twelve_applications_get_the_right_verdicts_and_suggestions() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
    api_sessions_export {} sync=on;
    api_sessions on;
    api_sessions_application $http_x_app;
    api_sessions_key_facts report window=2s;
    real_ip_header X-Forwarded-For;
    set_real_ip_from 127.0.0.1;
    keepalive_requests 1000000;
    access_log off;
    server {{
        listen 127.0.0.1:PORT;
        add_header Set-Cookie $http_x_set;
        return 200 ok;
    }}",
            cloud.export()
        ))
        .start();
    let begin = Instant::now();
    let is_over = AtomicBool::new(false);
    let found = std::thread::scope(|scope| {
        // A client each, for both workers to have some.
        for half in 0..2 {
            let (port, is_over) = (nginx.port, &is_over);
            scope.spawn(move || {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let mut number = half;
                while !is_over.load(Relaxed) {
                    send(&mut stream, &round(number, begin.elapsed().as_secs()), number);
                    number += 2;
                }
            });
        }
        loop {
            // Seldom: an unoptimized cloud reads many figures.
            std::thread::sleep(WINDOW);
            let found = keys(&cloud);
            let verdict = |(app, name, verdict): (&str, &str, &str)| {
                key(&found, app, name)["verdict"] == verdict
            };
            let first = |(app, first): (&str, Option<&str>)| suggestion(&found, app) == first;
            let is_so = VERDICTS.into_iter().all(verdict)
                && SUGGESTIONS.into_iter().all(first)
                && verdict(SHARED_THERE);
            if is_so || begin.elapsed() > PATIENCE {
                is_over.store(true, Relaxed);
                break found;
            }
        }
    });
    for (application, name, verdict) in VERDICTS.into_iter().chain([SHARED_THERE]) {
        let key = key(&found, application, name);
        assert_eq!(key["verdict"], verdict, "{application}, {name}: {key:#}");
    }
    for (application, first) in SUGGESTIONS {
        assert_eq!(suggestion(&found, application), first, "{application} of {found:#?}");
    }
    assert!(!found.iter().any(|key| key["name"].to_string().contains("_ga")), "{found:#?}");
    let session = cloud.get("/v1/sessions?application=api-key").json()["sessions"][0].clone();
    let path = format!("/v1/sessions/{}", session["session"].as_str().unwrap());
    let why = cloud.get(&path).json()["why"].clone();
    assert_eq!(why["verdict"], "shared", "{why}");
    assert_eq!((&why["key"], &why["kind"]), (&"X-API-Key".into(), &"builtin".into()), "{why}");
}

/// What groups a request of an application with its static key.
fn grouped_by(nginx: &Nginx, application: &str, path: &str) -> String {
    let headers = [("X-App", application), ("X-API-Key", "the-key-of-the-application")];
    get(nginx.port, path, &headers).header("x-key").unwrap_or_default().to_owned()
}

#[test]
fn a_shared_key_is_demoted_on_running_nodes_of_its_application_and_back_once_somebody_undoes_it() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
    api_sessions_export {} sync=on;
    api_sessions on;
    api_sessions_application $http_x_app;
    api_sessions_key_facts on window=1s;
    real_ip_header X-Forwarded-For;
    set_real_ip_from 127.0.0.1;
    keepalive_requests 1000000;
    access_log off;
    server {{
        listen 127.0.0.1:PORT;
        add_header X-Key $api_session_key;
        location / {{ return 200 ok; }}
        location /reported {{ api_sessions_key_facts report; return 200 ok; }}
    }}",
            cloud.export()
        ))
        .start();
    assert_eq!(grouped_by(&nginx, "shop", "/"), "X-API-Key");
    let mut stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
    let mut number = 0;
    let mut traffic = |seconds: u64| {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(seconds) {
            let headers = "X-API-Key: the-key-of-the-application\r\n";
            let all: Vec<_> = (0..VISITORS).map(|n| ("shop", visit(n, headers))).collect();
            send(&mut stream, &all, number);
            number += 1;
        }
    };
    eventually("it is demoted", || {
        traffic(1);
        (0..10).all(|_| grouped_by(&nginx, "shop", "/") == "ip").then_some(())
    });
    assert_eq!(grouped_by(&nginx, "blog", "/"), "X-API-Key", "another application");
    assert_eq!(grouped_by(&nginx, "shop", "/reported"), "X-API-Key", "where it is only reported");
    // It is measured still, so that it can return.
    let requests = || key(&keys(&cloud), "shop", "X-API-Key")["requests"].as_u64();
    let before = requests();
    traffic(1);
    eventually("it is measured", || (requests() > before).then_some(()));
    let token = format!("Bearer {}", cloud.admin_token());
    let headers = [("Authorization", &*token), ("Content-Type", "application/json")];
    let body = "{\"application\": \"shop\", \"name\": \"X-API-Key\"}";
    let answer = request(cloud.port, "POST", "/v1/keys/undo", &headers, body);
    assert_eq!(answer.status, 204, "{answer:?}");
    eventually("it is used again", || {
        (0..10).all(|_| grouped_by(&nginx, "shop", "/") == "X-API-Key").then_some(())
    });
}

/// The configuration of a node that judges keys itself.
fn alone(export: &str, key_facts: &str) -> String {
    format!(
        "
    {export}
    api_sessions on;
    api_sessions_application $http_x_app;
    {key_facts}
    real_ip_header X-Forwarded-For;
    set_real_ip_from 127.0.0.1;
    access_log off;
    server {{
        listen 127.0.0.1:PORT;
        add_header X-Key $api_session_key;
        location / {{ return 200 ok; }}
        location /reported {{ api_sessions_key_facts report; return 200 ok; }}
        location /receiver {{ api_sessions off; access_log DIR/received.log; return 204; }}
        location /status {{ api_sessions off; api_sessions_status; }}
    }}"
    )
}

/// One request of each of several visitors of the application `shop` with its static key, on several connections, so
/// that both workers get some.
fn visit_shop(nginx: &Nginx, number: u64) {
    let headers = "X-API-Key: the-key-of-the-application\r\n";
    let all: Vec<_> = (0..FEW).map(|n| ("shop", visit(n, headers))).collect();
    for part in all.chunks(4) {
        let mut stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
        send(&mut stream, part, number);
    }
}

/// Whether no worker groups the application `shop` by its static key.
fn is_demoted(nginx: &Nginx) -> bool {
    (0..20).all(|_| grouped_by(nginx, "shop", "/") == "ip")
}

fn verdicts(nginx: &Nginx) -> Value {
    get(nginx.port, "/status", &[]).json()["key_verdicts"].clone()
}

#[test]
fn without_a_cloud_a_shared_key_was_never_demoted_or_only_until_a_reload() {
    let nginx = Nginx::builder().http(&alone("", "api_sessions_key_facts on window=1s;")).start();
    assert_eq!(grouped_by(&nginx, "shop", "/"), "X-API-Key");
    assert_eq!(verdicts(&nginx), Value::Array(vec![]));
    let mut number = 0;
    eventually("both workers leave it out", || {
        visit_shop(&nginx, number);
        number += 1;
        is_demoted(&nginx).then_some(())
    });
    let (found, first) = (verdicts(&nginx), |found: &Value| found[0].clone());
    let bad = first(&found);
    assert_eq!(
        (&bad["application"], &bad["key"]),
        (&"shop".into(), &"X-API-Key".into()),
        "{found}"
    );
    assert_eq!((&bad["kind"], &bad["verdict"]), (&"builtin".into(), &"shared".into()), "{found}");
    assert_eq!(bad["demoted"], true, "{found}");
    let told = "the built-in key X-API-Key is shared in application \"shop\"";
    assert!(nginx.error_log().contains(told), "{}", nginx.error_log());
    assert_eq!(grouped_by(&nginx, "blog", "/"), "X-API-Key", "another application");
    assert_eq!(grouped_by(&nginx, "shop", "/reported"), "X-API-Key", "where it is only reported");
    // At once, without a window in between.
    nginx.reload("worker_connections 256", "worker_connections 255");
    assert!(is_demoted(&nginx));
    assert_eq!(first(&verdicts(&nginx))["since"], bad["since"]);
    // Without measuring it is used again.
    nginx.reload("api_sessions_key_facts on window=1s", "api_sessions_key_facts off");
    assert_eq!(grouped_by(&nginx, "shop", "/"), "X-API-Key");
}

#[test]
fn a_receiver_that_is_no_cloud_got_key_facts_or_left_keys_unjudged() {
    let export = "api_sessions_export http://127.0.0.1:PORT/receiver flush=100ms;";
    let nginx =
        Nginx::builder().http(&alone(export, "api_sessions_key_facts on window=1s;")).start();
    let mut number = 0;
    eventually("both workers leave it out", || {
        visit_shop(&nginx, number);
        number += 1;
        is_demoted(&nginx).then_some(())
    });
    let received = nginx.lines("received.log");
    assert!(!received.is_empty());
    assert!(!received.iter().any(|line| line.contains("key-facts")), "{received:?}");
}

#[test]
fn keys_were_measured_by_default_where_nothing_is_exported() {
    let nginx = Nginx::builder().http(&alone("", "")).start();
    assert_eq!(verdicts(&nginx), Value::Array(vec![]), "/reported measures");
    nginx.reload("api_sessions_key_facts report;", "");
    assert_eq!(verdicts(&nginx), Value::Null);
    let export = "api_sessions_export http://127.0.0.1:PORT/receiver;";
    let nginx = Nginx::builder().http(&alone(export, "")).start();
    assert_eq!(verdicts(&nginx), Value::Array(vec![]));
}
