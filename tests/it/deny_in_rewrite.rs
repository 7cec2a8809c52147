//! Requests that end in the rewrite phases, before the access phase.

use serde_json::json;

use crate::harness::{Cloud, Nginx, raw};

const SERVERS: &str = "
    server {
        listen 127.0.0.1:PORT;
        server_name access;
        api_sessions_deny on;
        location / { return 200 $api_session_id; }
    }
    server {
        listen 127.0.0.1:PORT;
        server_name whole;
        api_sessions_deny on phase=rewrite;
        return 301 https://elsewhere$request_uri;
    }
    server {
        listen 127.0.0.1:PORT;
        server_name server;
        api_sessions_deny on status=418 phase=rewrite;
        error_page 418 /page;
        rewrite ^/moved /new redirect;
        if ($arg_stop) { return 410; }
        if ($arg_text) { return 200 text; }
        location /slash/ { proxy_pass http://127.0.0.1:1; }
        location / { return 200 ok; }
        location = /page { api_sessions_deny off; return 200 page; }
    }
    server {
        listen 127.0.0.1:PORT;
        server_name locations;
        location / { return 200 ok; }
        location /refused { api_sessions_deny on phase=rewrite; return 200 ok; }
        location /redirect { api_sessions_deny on phase=rewrite; rewrite ^ /x redirect; }
        location /dry { api_sessions_deny dry_run phase=rewrite; return 200 ok; }
    }
    server {
        listen 127.0.0.1:PORT;
        server_name control;
        location / { api_sessions off; api_sessions_control; }
    }
";

/// Status and body.
fn ask(nginx: &Nginx, host: &str, target: &str, session: &str) -> (u16, String) {
    send(nginx, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nS: {session}\r\n"), "")
}

fn send(nginx: &Nginx, head: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let text = format!("{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let answer = String::from_utf8_lossy(&raw(nginx.port, text.as_bytes())).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn requests_that_end_in_the_rewrite_phase_were_never_refused() {
    let cloud = Cloud::start();
    let http = format!(
        "api_sessions on; session_key request.header.S; api_sessions_export {}; {SERVERS}",
        cloud.export()
    );
    let nginx = Nginx::builder().http(&http).start();
    let (_, bad) = ask(&nginx, "access", "/id", "bad");
    let body = json!({ "session": bad }).to_string();
    assert_eq!(send(&nginx, "POST / HTTP/1.1\r\nHost: control\r\n", &body).0, 201);
    // The default asks in the access phase, which such a request does not reach.
    assert_eq!(ask(&nginx, "access", "/return", "bad").0, 200);
    let refused = [
        ("whole", "/everything", 403, 301),
        ("server", "/go", 418, 200),
        ("server", "/moved", 418, 302),
        ("server", "/if?stop=1", 418, 410),
        ("server", "/text?text=1", 418, 200),
        ("server", "/slash", 418, 301),
        ("locations", "/refused", 403, 200),
        ("locations", "/redirect", 403, 302),
        ("locations", "/dry", 200, 200),
    ];
    for (host, target, for_bad, for_good) in refused {
        let (status, body) = ask(&nginx, host, target, "bad");
        assert_eq!(status, for_bad, "{host}{target}");
        // The page of a refused request is not refused once more.
        assert_eq!(body == "page", host == "server", "{host}{target}: {body}");
        let (status, body) = ask(&nginx, host, target, "good");
        assert_eq!(status, for_good, "{host}{target}");
        assert_ne!(body, "page");
    }
    assert_eq!(ask(&nginx, "locations", "/", "bad").0, 200, "nothing is denied there");
    for record in cloud.records(&bad, 3 + refused.len()) {
        let path = record["path"].as_str().unwrap();
        let is_denied = refused.iter().any(|case| case.1.split('?').next() == Some(path));
        assert_eq!(record["denied"], is_denied, "{record:#}");
    }
}

/// Locations of every kind where the module answers, in a server that refuses before the rewrite module runs.
const ANSWERING: &str = "
    server {
        listen 127.0.0.1:PORT;
        server_name site;
        api_sessions_deny on phase=rewrite;
        if ($arg_stop) { return 410; }
        rewrite ^/rewritten /exact;
        if ($arg_go) { rewrite ^ /outer/deep last; }
        location /old { rewrite ^ /exact last; }
        location /broken/ { rewrite ^ /prefix/no/ last; }
        location = /id { return 200 $api_session_id; }
        location / { return 200 ok; }
        location = /exact { api_sessions_control; }
        location /prefix { api_sessions_control; }
        location /prefix/no/ { return 200 ok; }
        location ~ ^/e[a-z]+pression$ { api_sessions_control; }
        location /outer/ {
            location = /outer/inner { api_sessions_control; }
            location ~ deep$ { api_sessions_status; }
        }
        location = /status { api_sessions off; api_sessions_status; }
        location = /if { api_sessions_control; if ($arg_x) { set $y 1; } }
    }
    server {
        listen 127.0.0.1:PORT;
        server_name access;
        api_sessions_deny on;
        location / { api_sessions_control; }
    }
";

#[test]
fn a_denied_admin_could_not_reach_the_control_endpoint() {
    let http = format!("api_sessions on; session_key request.header.S; {ANSWERING}");
    let nginx = Nginx::builder().http(&http).start();
    let (_, admin) = ask(&nginx, "site", "/id", "admin");
    let body = json!({ "session": admin }).to_string();
    assert_eq!(send(&nginx, "POST /exact HTTP/1.1\r\nHost: site\r\n", &body).0, 201);
    for target in [
        "/id",
        "/",
        "/elsewhere?stop=1",
        "/prefix/no/x",
        "/outer/x",
        "/e1pression",
        "/exactly",
        "/broken/x",
    ] {
        assert_eq!(ask(&nginx, "site", target, "admin").0, 403, "{target}");
    }
    for target in [
        "/exact",
        "/prefix",
        "/prefix/more",
        "/expression",
        "/outer/inner",
        "/outer/deep",
        "/status",
        "/if?x=1",
        "/rewritten",
        "/?go=1",
        "/old",
    ] {
        assert_eq!(ask(&nginx, "site", target, "admin").0, 200, "{target}");
    }
    assert_eq!(ask(&nginx, "access", "/", "admin").0, 200);
    let lift = format!("DELETE /?session={admin} HTTP/1.1\r\nHost: access\r\nS: admin\r\n");
    assert_eq!(send(&nginx, &lift, "").0, 200);
    assert_eq!(ask(&nginx, "site", "/", "admin").0, 200);
}

/// What ends the requests of a server before the access phase, whose page for refusals answers, or is refused too.
fn ending(name: &str, page: &str) -> String {
    format!(
        "server {{
            listen 127.0.0.1:PORT;
            server_name {name};
            api_sessions_deny on phase=rewrite;
            client_max_body_size 10;
            error_page 403 {page}
            error_page 410 503 /other;
            if ($arg_text) {{ return 200 $arg_text; }}
            if ($arg_gone) {{ return 410; }}
            if ($arg_away) {{ return 301 https://elsewhere/; }}
            location /slash/ {{ proxy_pass http://127.0.0.1:1; }}
            location /inside {{ internal; }}
            location /limited {{ limit_req zone=one; return 200 ok; }}
            location / {{ return 200 ok; }}
        }}"
    )
}

#[test]
fn an_answer_that_was_replaced_came_without_its_page_and_closed_the_connection() {
    let http = format!(
        "api_sessions on; session_key request.header.S; limit_req_zone $host zone=one:1m rate=1r/m;
        server {{ listen 127.0.0.1:PORT; server_name pages; location / {{ return 200 'from upstream'; }} }}
        server {{
            listen 127.0.0.1:PORT;
            server_name control;
            location = /id {{ return 200 $api_session_id; }}
            location / {{ api_sessions_control; }}
        }}
        {} {} {}",
        ending(
            "upstream",
            "/page; location = /page { api_sessions_deny off;
                proxy_pass http://127.0.0.1:PORT; proxy_set_header Host pages; }"
        ),
        ending("named", "@page; location @page { api_sessions_deny off; return 200 named; }"),
        ending("circle", "/page; location = /page { return 200 page; }"),
    );
    let nginx = Nginx::builder().http(&http).start();
    let (_, bad) = ask(&nginx, "control", "/id", "bad");
    let body = json!({ "session": bad }).to_string();
    assert_eq!(send(&nginx, "POST / HTTP/1.1\r\nHost: control\r\n", &body).0, 201);
    let targets = ["/?text=a", "/?gone=1", "/?away=1", "/slash", "/inside", "/limited", "/x"];
    for (host, page) in [
        ("upstream", "from upstream"),
        ("named", "named"),
        ("circle", "<center><h1>403 Forbidden</h1></center>"),
    ] {
        // All on one connection: its end is that of the last answer.
        let mut text = String::new();
        for target in targets {
            text += &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nS: bad\r\n\r\n");
        }
        text += &format!(
            "HEAD /?text=a HTTP/1.1\r\nHost: {host}\r\nS: bad\r\nConnection: close\r\n\r\n"
        );
        let answers = String::from_utf8_lossy(&raw(nginx.port, text.as_bytes())).into_owned();
        assert_eq!(
            answers.matches("HTTP/1.1 403 ").count(),
            targets.len() + 1,
            "{host}: {answers}"
        );
        assert_eq!(answers.matches("HTTP/1.1 ").count(), targets.len() + 1, "{host}: {answers}");
        assert_eq!(answers.matches(page).count(), targets.len(), "{host}: {answers}");
        assert!(!answers.contains("elsewhere"), "{host}: {answers}");
    }
    for (session, status) in [("bad", 403), ("good", 413)] {
        let head = format!("POST / HTTP/1.1\r\nHost: named\r\nS: {session}\r\n");
        assert_eq!(send(&nginx, &head, "longer than ten bytes").0, status);
    }
}

#[test]
fn a_control_request_was_recorded_as_denied_in_dry_run() {
    let cloud = Cloud::start();
    let http = format!(
        "api_sessions on; session_key request.header.S; api_sessions_export {};
        server {{
            listen 127.0.0.1:PORT;
            server_name site;
            api_sessions_deny dry_run phase=rewrite;
            location = /id {{ return 200 $api_session_id; }}
            location = /control {{ api_sessions_control; }}
            location / {{ return 200 ok; }}
        }}",
        cloud.export()
    );
    let nginx = Nginx::builder().http(&http).start();
    let (_, bad) = ask(&nginx, "site", "/id", "bad");
    let body = json!({ "session": bad }).to_string();
    assert_eq!(send(&nginx, "POST /control HTTP/1.1\r\nHost: site\r\n", &body).0, 201);
    assert_eq!(ask(&nginx, "site", "/control", "bad").0, 200);
    assert_eq!(ask(&nginx, "site", "/page", "bad").0, 200);
    for record in cloud.records(&bad, 3) {
        assert_eq!(record["denied"], record["path"] == "/page", "{record:#}");
    }
}
