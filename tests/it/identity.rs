//! One visitor, one session, whatever a client adds to its requests.

use serde_json::json;

use crate::harness::{Nginx, get, request};

const SERVER: &str = "
    api_sessions on;
    add_header X-Session $api_session_id always;
    add_header X-Key $api_session_key always;
    add_header X-Source $api_session_source always;
    server {
        listen 127.0.0.1:PORT;
        api_sessions_deny on;
        location / { proxy_pass http://127.0.0.1:PORT/up; }
        location /own {
            session_key request.header.X-Sid;
            session_key request.cookie.shop*;
            proxy_pass http://127.0.0.1:PORT/up;
        }
        location /up {
            api_sessions off;
            return 200 up;
        }
        location /control {
            api_sessions off;
            api_sessions_control;
        }
    }
";

#[test]
fn one_more_identifier_freed_a_denied_session() {
    let nginx = Nginx::builder().http(SERVER).start();
    let status = |target: &str, headers: &[(&str, &str)]| get(nginx.port, target, headers).status;
    let deny = |target: &str, headers: &[(&str, &str)]| {
        let answer = get(nginx.port, target, headers);
        let session = answer.header("X-Session").expect("a session");
        let body = json!({ "session": session }).to_string();
        assert_eq!(request(nginx.port, "POST", "/control", &[], &body).status, 201);
        assert_eq!(status(target, headers), 403);
    };
    let cookie = ("Cookie", "PHPSESSID=realrealreal0123456789");
    deny("/", &[cookie]);
    for headers in [
        &[("Mcp-Session-Id", "bogusbogus12"), cookie][..],
        &[("Cookie", "phpsessid=bogusbogus1; PHPSESSID=realrealreal0123456789")],
        &[("Cookie", "__Host-PHPSESSID=bogusbogus1; PHPSESSID=realrealreal0123456789")],
        &[("Cookie", "PHPSESSID=%72ealrealreal0123456789")],
        &[("Cookie", "PHPSESSID=bogusbogus1; PHPSESSID=realrealreal0123456789")],
        &[("Cookie", "PHPSESSID=bogusbogus1"), cookie],
    ] {
        assert_eq!(status("/", headers), 403, "{headers:?}");
    }
    // {"iss":"https://kc","sub":"u1","sid":"sid-1234567"}
    let token = "Bearer eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJodHRwczovL2tjIiwic3ViIjoidTEiLCJzaWQiOiJzaWQtMTIzNDU2NyJ9.c2ln";
    let token = ("Authorization", token);
    deny("/", &[token]);
    for added in [("Cookie", "PHPSESSID=bogusbogus77"), ("X-Session-Id", "bogusbogus77")] {
        assert_eq!(status("/", &[added, token]), 403, "{added:?}");
    }
    deny("/own", &[("X-Sid", "real")]);
    assert_eq!(status("/own", &[("X-Sid", "bogus"), ("X-Sid", "real")]), 403);
    deny("/own", &[("Cookie", "shop_1=real")]);
    assert_eq!(status("/own", &[("Cookie", "shop_0=bogus; shop_1=real")]), 403);
    // Nobody else is.
    assert_eq!(status("/", &[("Cookie", "PHPSESSID=bogusbogus1")]), 200);
    assert_eq!(status("/own", &[("X-Sid", "bogus")]), 200);
}

#[test]
fn a_made_up_header_hid_a_session() {
    let nginx = Nginx::builder().http(SERVER).start();
    let session = |header: &str| {
        let headers = [("Mcp-Session-Id", header), ("Cookie", "PHPSESSID=userrealsession1")];
        get(nginx.port, "/", &headers).header("X-Session").expect("a session").to_owned()
    };
    assert_eq!(session("0123456789abcdef"), session("fedcba9876543210"));
}

#[test]
fn clients_have_a_source_of_their_own() {
    let nginx = Nginx::builder().http(SERVER).start();
    let answer = get(nginx.port, "/", &[("X-API-Key", "0123456789abcdef")]);
    assert_eq!(answer.header("X-Source"), Some("client"));
    assert_eq!(answer.header("X-Key"), Some("X-API-Key"));
}
