//! One visitor, one session, whatever a client adds to its requests.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::json;

use crate::harness::{Answer, Nginx, eventually, get, request};

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

/// An application that sets what it is asked to: `/set/VALUE` a session cookie, `/cookie/VALUE` any, `/gone` deletes.
const APPLICATION: &str = r#"
    api_sessions on;
    add_header X-Session $api_session_id always;
    add_header X-Key $api_session_key always;
    add_header X-Source $api_session_source always;
    access_log DIR/session.log session;
    server {
        listen 127.0.0.1:PORT;
        api_sessions_deny on;
        location / { proxy_pass http://127.0.0.1:PORT/up/; }
        location /off/ {
            api_sessions_follow off;
            proxy_pass http://127.0.0.1:PORT/up/;
        }
        location /late/ {
            add_header Set-Cookie "late=$arg_v; path=/";
            proxy_pass http://127.0.0.1:PORT/up/;
        }
        location /untold/ {
            api_sessions_follow on tokens=off;
            proxy_pass http://127.0.0.1:PORT/up/;
        }
        location /user/ {
            context_param request.header.X-User type=user;
            proxy_pass http://127.0.0.1:PORT/up/;
        }
        location /up/ {
            api_sessions off;
            access_log off;
            location ~ ^/up/set/(.*) {
                add_header Set-Cookie "PHPSESSID=$1; path=/";
                return 200;
            }
            location ~ ^/up/cookie/(.*) {
                add_header Set-Cookie "$1; path=/";
                return 200;
            }
            location ~ ^/up/token/(.*) {
                default_type application/json;
                return 200 '{"data":{"token":"$1","token_type":"Bearer"}}';
            }
            location = /up/gone {
                add_header Set-Cookie "PHPSESSID=deleted; Max-Age=0";
                return 200;
            }
            location = /up/mcp {
                add_header Mcp-Session-Id 0f1e2d3c4b5a69788796a5b4c3d2e1f0;
                return 200 "{}";
            }
            location = /up/login {
                return 302 "/shop;jsessionid=00112233445566778899AABBCCDDEEFF?a=1";
            }
            return 200 up;
        }
        location /control {
            api_sessions off;
            api_sessions_control;
        }
        location /status {
            api_sessions off;
            api_sessions_status;
        }
    }
"#;

const OLD: &str = "PHPSESSID=oldid0123456789abcdef";
const NEW: &str = "PHPSESSID=newid0123456789abcdef";

#[track_caller]
fn session(answer: &Answer) -> String {
    answer.header("X-Session").expect("a session").to_owned()
}

#[track_caller]
fn last_line(nginx: &Nginx, lines: usize) -> String {
    eventually("a line in the log", || nginx.lines("session.log").into_iter().nth(lines - 1))
}

#[test]
fn a_new_id_at_login_split_the_session() {
    let nginx = Nginx::builder().http(APPLICATION).start();
    let visit = |target: &str, cookie: &str| get(nginx.port, target, &[("Cookie", cookie)]);
    let page = session(&visit("/", OLD));
    assert_eq!(session(&visit("/set/newid0123456789abcdef", OLD)), page);
    let after = visit("/", NEW);
    assert_eq!(session(&after), page);
    assert_eq!(after.header("X-Source"), Some("link"));
    assert_eq!(after.header("X-Key"), Some("PHPSESSID"));
    // A cookie of any name, and one that NGINX itself adds.
    visit("/cookie/basket=0011223344556677889900aabb", NEW);
    let basket = visit("/", "basket=0011223344556677889900aabb");
    assert_eq!((session(&basket), basket.header("X-Key")), (page.clone(), Some("basket")));
    visit("/late/?v=aabbccddeeff00112233445566", NEW);
    let late = eventually("the value of add_header is known", || {
        let answer = visit("/", "late=aabbccddeeff00112233445566");
        (answer.header("X-Source") == Some("link")).then_some(answer)
    });
    assert_eq!(session(&late), page);
    // A denied session is denied under each of its values.
    let body = json!({ "session": page }).to_string();
    assert_eq!(request(nginx.port, "POST", "/control", &[], &body).status, 201);
    for cookie in [OLD, NEW, "basket=0011223344556677889900aabb"] {
        assert_eq!(visit("/", cookie).status, 403, "{cookie}");
    }
    let other = [("Cookie", "basket=ffeeddccbbaa00998877665544"), ("User-Agent", "another")];
    assert_eq!(get(nginx.port, "/", &other).status, 200);
}

#[test]
fn the_request_that_begins_a_session_was_in_another() {
    let nginx = Nginx::builder().workers(1).http(APPLICATION).start();
    let agent = ("User-Agent", "mcp/1");
    let page = session(&get(nginx.port, "/", &[agent]));
    assert_eq!(session(&get(nginx.port, "/mcp", &[agent])), page);
    let mcp = ("Mcp-Session-Id", "0f1e2d3c4b5a69788796a5b4c3d2e1f0");
    assert_eq!(session(&get(nginx.port, "/", &[agent, mcp])), page);
    // Somebody else with the same address and agent.
    get(nginx.port, "/set/00112233445566778899aabbccddeeff", &[agent]);
    let cookie = ("Cookie", "PHPSESSID=00112233445566778899aabbccddeeff");
    let other = session(&get(nginx.port, "/", &[agent, cookie]));
    assert_ne!(other, page);
    assert!(last_line(&nginx, 4).contains(&other), "{}", last_line(&nginx, 4));
    // Servlets, where the client takes no cookies.
    let agent = ("User-Agent", "browser/1");
    let login = session(&get(nginx.port, "/login", &[agent]));
    let shop = "/shop;jsessionid=00112233445566778899AABBCCDDEEFF";
    assert_eq!(session(&get(nginx.port, shop, &[agent])), login);
}

#[test]
fn a_password_guesser_without_cookies_is_one_session() {
    let nginx = Nginx::builder().workers(1).http(APPLICATION).start();
    for n in 0..30 {
        get(nginx.port, &format!("/set/{n:032x}"), &[("User-Agent", "guesser")]);
    }
    last_line(&nginx, 30);
    let mut sessions: Vec<_> = nginx
        .lines("session.log")
        .iter()
        .map(|line| line.split(' ').nth(2).unwrap_or_default().to_owned())
        .collect();
    sessions.sort();
    sessions.dedup();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
}

#[test]
fn a_renewed_token_began_a_session() {
    let nginx = Nginx::builder().workers(1).http(APPLICATION).start();
    let agent = ("User-Agent", "spa/1");
    let json = ("Content-Type", "application/json");
    let post = |target: &str, body: &str| request(nginx.port, "POST", target, &[agent, json], body);
    let page = |token: &str| {
        let bearer = format!("Bearer {token}");
        get(nginx.port, "/", &[agent, ("Authorization", &bearer)])
    };
    let first = "0011223344556677889900aabb";
    let login = session(&post(&format!("/token/{first}"), r#"{"user":"ann"}"#));
    let answer = page(first);
    assert_eq!(session(&answer), login);
    assert_eq!(
        (answer.header("X-Source"), answer.header("X-Key")),
        (Some("link"), Some("Authorization"))
    );
    // Somebody else beside it.
    let other = "ffeeddccbbaa00998877665544";
    let begun = session(&post(&format!("/token/{other}"), "{}"));
    assert_ne!(session(&page(other)), login);
    assert!(begun == login || begun == session(&page(other)));
    // The old one says whose the new one is; the log knows it.
    let renewed = "a0b1c2d3e4f5061728394a5b6c";
    post(&format!("/token/{renewed}"), &format!(r#"{{"refreshToken":"{first}"}}"#));
    assert_eq!(session(&page(renewed)), login);
    assert!(last_line(&nginx, 6).contains(&login), "{}", last_line(&nginx, 6));
    // Denied under each.
    let body = json!({ "session": login }).to_string();
    assert_eq!(request(nginx.port, "POST", "/control", &[], &body).status, 201);
    assert_eq!((page(first).status, page(renewed).status, page(other).status), (403, 403, 200));
    // Where tokens are not followed.
    let untold = "1a2b3c4d5e6f7a8b9c0d1e2f3a";
    post(&format!("/untold/token/{untold}"), &format!(r#"{{"refreshToken":"{other}"}}"#));
    assert_eq!(page(untold).header("X-Source"), Some("builtin"));
}

#[test]
fn nobody_follows_where_it_is_off() {
    let nginx = Nginx::builder().http(APPLICATION).start();
    let visit = |target: &str, cookie: &str| get(nginx.port, target, &[("Cookie", cookie)]);
    let page = session(&visit("/off/", OLD));
    visit("/off/set/newid0123456789abcdef", OLD);
    assert_ne!(session(&visit("/off/", NEW)), page);
}

#[test]
fn another_user_in_the_same_browser_was_in_the_same_session() {
    let nginx = Nginx::builder().workers(1).http(APPLICATION).start();
    let visit = |user: &str| get(nginx.port, "/user/", &[("Cookie", OLD), ("X-User", user)]);
    let ann = session(&visit("ann"));
    assert_eq!(session(&visit("")), ann);
    visit("bob");
    let line = last_line(&nginx, 3);
    assert!(!line.contains(&ann), "{line}");
    let bob = session(&visit("bob"));
    assert_ne!(bob, ann);
    assert!(line.contains(&bob), "{line}");
}

#[test]
fn links_survive_reloads_and_killed_workers() {
    let nginx = Nginx::builder().http(APPLICATION).start();
    let visit = |target: &str, cookie: &str| get(nginx.port, target, &[("Cookie", cookie)]);
    let page = session(&visit("/", OLD));
    visit("/set/newid0123456789abcdef", OLD);
    assert_eq!(session(&visit("/", NEW)), page);
    for _ in 0..3 {
        nginx.reload("listen", "listen");
        assert_eq!(session(&visit("/", NEW)), page);
    }
    let before = nginx.workers();
    before.iter().for_each(|pid| crate::harness::signal(*pid, "KILL"));
    eventually("new workers", || {
        let now = nginx.workers();
        (now.len() == 2 && now.iter().all(|pid| !before.contains(pid))).then_some(())
    });
    assert_eq!(session(&visit("/", NEW)), page);
    nginx.expect_kills();
    let links = get(nginx.port, "/status", &[]).json()["links"].clone();
    assert!(links["links_created_total"].as_u64().unwrap() >= 2, "{links}");
}

/// Ends the visits even where a test fails.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn twenty_reloads_under_load_lose_no_link() {
    let nginx = Nginx::builder().http(APPLICATION).start();
    let (port, over, values) = (nginx.port, AtomicBool::new(false), AtomicU32::new(0));
    let visit = |visitor: u32, n: u32| {
        let value = |n: u32| format!("{visitor:08x}{n:08x}0123456789abcdef");
        let agent = format!("visitor/{visitor}");
        let cookie = format!("PHPSESSID={}", value(n));
        let headers = [("User-Agent", &*agent), ("Cookie", &*cookie)];
        session(&get(port, &format!("/set/{}", value(n + 1)), &headers))
    };
    std::thread::scope(|scope| {
        let (over, values, visit) = (&over, &values, &visit);
        let visitors: Vec<_> = (0..3)
            .map(|visitor| {
                scope.spawn(move || {
                    let first = visit(visitor, 0);
                    let mut n = 1;
                    while !over.load(Ordering::Relaxed) {
                        assert_eq!(visit(visitor, n), first, "visitor {visitor}, value {n}");
                        values.fetch_add(1, Ordering::Relaxed);
                        n += 1;
                    }
                })
            })
            .collect();
        let end = Over(over);
        for _ in 0..20 {
            let before = values.load(Ordering::Relaxed);
            nginx.reload("listen", "listen");
            eventually("visitors go on", || {
                let is_over = visitors.iter().any(|visitor| visitor.is_finished());
                (is_over || values.load(Ordering::Relaxed) > before + 5).then_some(())
            });
        }
        drop(end);
        visitors.into_iter().for_each(|visitor| visitor.join().expect("no link is lost"));
    });
}

#[test]
fn the_directives_say_what_they_accept() {
    for (directive, message) in [
        ("api_sessions_follow maybe;", "api_sessions_follow"),
        ("api_sessions_follow on; api_sessions_follow off;", "is duplicate"),
        ("api_sessions_follow on tokens=maybe;", "tokens=maybe"),
        ("api_sessions_follow on token=on;", "tokens="),
        ("api_sessions_follow on tokens=on tokens=off;", "is duplicate"),
        ("api_sessions_links 1k;", "api_sessions_links"),
        ("api_sessions_links huge;", "huge"),
    ] {
        let http = format!("api_sessions on; {directive}");
        let check = Nginx::builder().http(&http).check();
        assert!(!check.ok && check.stderr.contains(message), "{directive}: {}", check.stderr);
    }
    assert!(
        Nginx::builder()
            .http("api_sessions on; api_sessions_follow on tokens=off; api_sessions_links 4m;")
            .check()
            .ok
    );
}
