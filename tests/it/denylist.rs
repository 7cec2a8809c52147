//! Sessions that are denied.

use std::io::{Read, Write};

use crate::harness::{
    Answer, Cloud, Daemon, Nginx, eventually, get, next_millisecond, request, signal,
};
use serde_json::json;

const SERVER: &str = "
    api_sessions on;
    session_key request.header.S;
    api_sessions_application $http_app;
    add_header X-Session $api_session_id always;
    server {
        listen 127.0.0.1:PORT;
        api_sessions_deny on;
        location / { proxy_pass http://127.0.0.1:PORT/up; }
        location /teapot {
            api_sessions_deny on status=418;
            proxy_pass http://127.0.0.1:PORT/up;
        }
        location /dry {
            api_sessions_deny dry_run;
            proxy_pass http://127.0.0.1:PORT/up;
            proxy_set_header X-Denied $api_session_denied;
        }
        location /off {
            api_sessions_deny off;
            proxy_pass http://127.0.0.1:PORT/up;
        }
        location /any {
            satisfy any;
            allow all;
            proxy_pass http://127.0.0.1:PORT/up;
        }
        location /up {
            api_sessions off;
            return 200 up$http_x_denied;
        }
        location /control {
            api_sessions off;
            allow 127.0.0.1;
            deny all;
            api_sessions_control;
        }
    }
";

fn post(nginx: &Nginx, body: &serde_json::Value) -> Answer {
    request(nginx.port, "POST", "/control", &[], &body.to_string())
}

fn session(nginx: &Nginx, name: &str) -> String {
    get(nginx.port, "/", &[("S", name)]).header("X-Session").expect("a session").to_owned()
}

#[test]
fn a_denied_session_is_refused_everywhere_it_should_be_and_nobody_else() {
    let nginx = Nginx::builder().http(SERVER).start();
    let bad = session(&nginx, "bad");
    let answer = post(&nginx, &json!({ "session": bad, "reason": "test" }));
    assert_eq!((answer.status, answer.json()["session"].as_str()), (201, Some(bad.as_str())));
    for (target, status) in
        [("/", 403), ("/teapot", 418), ("/dry", 200), ("/off", 200), ("/any", 403)]
    {
        assert_eq!(get(nginx.port, target, &[("S", "bad")]).status, status, "{target}");
        assert_eq!(get(nginx.port, target, &[("S", "good")]).status, 200, "{target}");
    }
    assert_eq!(get(nginx.port, "/dry", &[("S", "bad")]).body, "up1");
    assert_eq!(get(nginx.port, "/dry", &[("S", "good")]).body, "up0");

    let listed = get(nginx.port, "/control", &[]).json();
    assert_eq!(listed["denylist"][0]["reason"], "test");
    assert_eq!(listed["denylist"].as_array().unwrap().len(), 1);
    let delete =
        |id: &str| request(nginx.port, "DELETE", &format!("/control?session={id}"), &[], "");
    assert_eq!(delete(&bad).status, 200);
    assert_eq!(delete(&bad).status, 404);
    assert_eq!(get(nginx.port, "/", &[("S", "bad")]).status, 200);
}

#[test]
fn an_entry_may_end_and_may_count_for_some_applications() {
    let nginx = Nginx::builder().http(SERVER).start();
    let bad = session(&nginx, "bad");
    post(&nginx, &json!({ "session": bad, "applications": ["shop"], "seconds": 2 }));
    assert_eq!(get(nginx.port, "/", &[("S", "bad"), ("App", "shop")]).status, 403);
    assert_eq!(get(nginx.port, "/", &[("S", "bad"), ("App", "blog")]).status, 200);
    eventually("the entry has ended", || {
        (get(nginx.port, "/", &[("S", "bad"), ("App", "shop")]).status == 200).then_some(())
    });
}

#[test]
fn a_reload_keeps_the_denylist() {
    let nginx = Nginx::builder().http(SERVER).start();
    let directory = nginx.path("");
    assert!(directory.exists());
    let bad = session(&nginx, "bad");
    post(&nginx, &json!({ "session": bad }));
    nginx.reload("worker_processes 2;", "worker_processes 1;");
    assert_eq!(get(nginx.port, "/", &[("S", "bad")]).status, 403);
}

#[test]
fn bad_orders_are_answered_clearly() {
    let nginx = Nginx::builder().http(SERVER).start();
    for (body, word) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("{\"session\":\"x\"}", "32 lower-case"),
        ("{\"session\":\"0123456789abcdef0123456789abcdef\",\"seconds\":0}", "seconds"),
        ("{\"seconds\":5}", "missing field"),
    ] {
        let answer = request(nginx.port, "POST", "/control", &[], body);
        assert!(answer.status == 400 && answer.body.contains(word), "{body}: {answer:?}");
    }
    assert_eq!(request(nginx.port, "POST", "/control", &[], &"x".repeat(100_000)).status, 413);
    assert_eq!(request(nginx.port, "DELETE", "/control", &[], "").status, 400);
    let refused = request(nginx.port, "PUT", "/control", &[], "");
    assert_eq!((refused.status, refused.header("Allow")), (405, Some("GET, HEAD, POST, DELETE")));
    let told = refused.json();
    assert!(told["error"] == "method_not_allowed" && told["detail"].is_string(), "{told}");
}

#[test]
fn an_order_that_says_what_nobody_understands_denied_for_good() {
    let nginx = Nginx::builder().http(SERVER).start();
    let id = "0123456789abcdef0123456789abcdef";
    for (body, word) in [
        (json!({ "session": id, "secconds": 60 }), "secconds"),
        (json!([id, 60, null, null]), "object"),
        (json!(id), "object"),
        (json!({ "session": id, "applications": [""] }), "applications"),
        (json!({ "session": id, "applications": ["a\0b"] }), "applications"),
        (json!({ "session": id, "reason": "x".repeat(257) }), "256 bytes"),
        (json!({ "session": id, "reason": "a\0b" }), "reason"),
    ] {
        let answer = post(&nginx, &body);
        assert!(answer.status == 400 && answer.body.contains(word), "{body}: {answer:?}");
        assert_eq!(answer.json()["error"], "bad_request");
    }
    assert_eq!(get(nginx.port, "/control", &[]).json()["denylist"], json!([]));
    let reason = "x".repeat(256);
    let whole = json!({ "session": id, "seconds": null, "applications": null, "reason": reason });
    assert_eq!(post(&nginx, &whole).status, 201);
    let listed = get(nginx.port, "/control", &[]).json();
    assert_eq!(listed["denylist"][0]["reason"], reason);
}

#[test]
fn records_say_what_was_denied() {
    let cloud = Cloud::start();
    let nginx =
        Nginx::builder().http(&format!("api_sessions_export {}; {SERVER}", cloud.export())).start();
    let bad = session(&nginx, "bad");
    post(&nginx, &json!({ "session": bad }));
    next_millisecond();
    get(nginx.port, "/", &[("S", "bad")]);
    next_millisecond();
    get(nginx.port, "/dry", &[("S", "bad")]);
    let records = cloud.records(&bad, 3);
    let seen: Vec<_> =
        records.iter().map(|r| (r["status"].as_u64(), r["denied"].as_bool())).collect();
    assert_eq!(seen, [(Some(200), Some(false)), (Some(403), Some(true)), (Some(200), Some(true))]);
}

#[test]
fn what_the_denylist_says_of_one_application_does_not_count_for_the_next() {
    let nginx = Nginx::builder()
        .http(
            "
                api_sessions on;
                session_key request.header.S;
                add_header X-Session $api_session_id always;
                server {
                    listen 127.0.0.1:PORT;
                    api_sessions_deny on;
                    root DIR;
                    location / {
                        api_sessions_application a;
                        try_files /none /b;
                    }
                    location /b {
                        api_sessions_application b;
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
            ",
        )
        .start();
    let bad = session(&nginx, "bad");
    post(&nginx, &json!({ "session": bad, "applications": ["b"] }));
    assert_eq!(get(nginx.port, "/b", &[("S", "bad")]).status, 403);
    // The request is of application "a" first, then of "b".
    assert_eq!(get(nginx.port, "/", &[("S", "bad")]).status, 403);
    assert_eq!(get(nginx.port, "/", &[("S", "good")]).status, 200);
}

#[test]
fn a_denial_that_was_acknowledged_was_lost_when_nginx_was_killed_at_once() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret"), [7; 32]).unwrap();
    let http = format!(
        "api_sessions_secret DIR/secret; api_sessions_export http://127.0.0.1:9 spool=DIR/spool; {SERVER}"
    );
    let start = |directory| Nginx::builder().directory(directory).http(&http).start();
    let nginx = start(directory);
    let (bad, good) = (session(&nginx, "bad"), session(&nginx, "good"));
    for id in [&bad, &good] {
        assert_eq!(post(&nginx, &json!({ "session": id })).status, 201);
    }
    let removed = request(nginx.port, "DELETE", &format!("/control?session={good}"), &[], "");
    assert_eq!(removed.status, 200);
    let nginx = start(nginx.kill_all());
    assert_eq!(get(nginx.port, "/", &[("S", "bad")]).status, 403);
    assert_eq!(get(nginx.port, "/", &[("S", "good")]).status, 200);
}

#[test]
fn a_denial_just_before_a_binary_upgrade_was_lost() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, [7; 32]).unwrap();
    let secret = secret.display();
    let nginx = Daemon::start(&format!(
        "api_sessions_secret {secret}; api_sessions_export http://127.0.0.1:9 spool=DIR/spool; {SERVER}"
    ));
    let denied = |name: &str| get(nginx.port, "/", &[("S", name)]).status == 403;
    let bad = get(nginx.port, "/", &[("S", "bad")]).header("X-Session").unwrap().to_owned();
    let body = json!({ "session": bad }).to_string();
    assert_eq!(request(nginx.port, "POST", "/control", &[], &body).status, 201);
    let old = nginx.pid();
    signal(old, "USR2");
    let new =
        eventually("a new master", || Some(nginx.pid()).filter(|pid| *pid != 0 && *pid != old));
    signal(old, "QUIT");
    eventually("the old one has ended", || nginx.has_ended(old).then_some(()));
    assert!(denied("bad") && !denied("good"));
    signal(new, "QUIT");
    eventually("the new one has ended", || nginx.has_ended(new).then_some(()));
}

#[test]
fn orders_that_the_old_binary_took_during_an_upgrade_were_lost_and_new_ones_did_not_reach_it() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, [7; 32]).unwrap();
    std::fs::write(directory.path().join("large"), vec![b'x'; 4 << 20]).unwrap();
    let (secret, files) = (secret.display(), directory.path().display());
    let server = SERVER.replace(
        "location /up {",
        &format!("location /files/ {{ alias {files}/; limit_rate 20k; }} location /up {{"),
    );
    let nginx = Daemon::start(&format!(
        "api_sessions_secret {secret}; api_sessions_export http://127.0.0.1:9 spool=DIR/spool; {server}"
    ));
    let session =
        |name| get(nginx.port, "/", &[("S", name)]).header("X-Session").unwrap().to_owned();
    let [first, second, third] = ["first", "second", "third"].map(session);
    let order = |session: &str| {
        let body = json!({ "session": session }).to_string();
        let length = body.len();
        format!("POST /control HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let connect = |text: &str| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        assert_ne!(stream.read(&mut [0; 1000]).unwrap(), 0);
        stream
    };
    let download = connect("GET /files/large HTTP/1.1\r\nHost: h\r\nS: third\r\n\r\n");
    let mut kept_alive = connect("GET / HTTP/1.1\r\nHost: h\r\nS: other\r\n\r\n");
    let old = nginx.pid();
    signal(old, "USR2");
    let new =
        eventually("a new master", || Some(nginx.pid()).filter(|pid| *pid != 0 && *pid != old));
    // The old worker has this connection.
    let mut answer = [0; 1000];
    for session in [&first, &second] {
        kept_alive.write_all(order(session).as_bytes()).unwrap();
        let read = kept_alive.read(&mut answer).unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 201"));
    }
    drop(kept_alive);
    signal(old, "QUIT");
    let denied = |name: &str| get(nginx.port, "/", &[("S", name)]).status == 403;
    eventually("the new binary has them", || (denied("first") && denied("second")).then_some(()));
    assert!(!nginx.has_ended(old), "the download goes on");
    // To the new worker: the old one accepts no connection any more.
    let body = json!({ "session": third }).to_string();
    assert_eq!(request(nginx.port, "POST", "/control", &[], &body).status, 201);
    eventually("the download is cut, and the old binary ends", || {
        nginx.has_ended(old).then_some(())
    });
    drop(download);
    assert!(denied("first") && denied("second") && denied("third") && !denied("other"));
    signal(new, "QUIT");
    eventually("the new one has ended", || nginx.has_ended(new).then_some(()));
}

#[test]
fn a_denial_that_cannot_be_kept_is_not_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let http = format!("api_sessions_export http://127.0.0.1:9 spool=DIR/spool; {SERVER}");
    let nginx = Nginx::builder().directory(directory).http(&http).start();
    let bad = session(&nginx, "bad");
    // A directory in the place of the lock: nobody can open it to write.
    let lock = nginx.path("spool").join("denylist.lock");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    let answer = post(&nginx, &json!({ "session": bad }));
    assert_eq!((answer.status, answer.json()["error"].as_str()), (503, Some("not_durable")));
    assert!(answer.body.contains("denied until NGINX restarts"), "{}", answer.body);
    // In force all the same.
    assert_eq!(get(nginx.port, "/", &[("S", "bad")]).status, 403);
    std::fs::remove_dir(&lock).unwrap();
}

#[test]
fn acknowledged_orders_of_several_workers_survive_sigkill_at_any_moment() {
    let mut directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret"), [7; 32]).unwrap();
    let http = format!(
        "api_sessions_secret DIR/secret; api_sessions_export http://127.0.0.1:9 spool=DIR/spool; {SERVER}"
    );
    let acknowledged = parking_lot::Mutex::new(Vec::new());
    for round in 0..4_u32 {
        let nginx = Nginx::builder().directory(directory).workers(3).http(&http).start();
        let listed = get(nginx.port, "/control", &[]).body;
        let lost: Vec<_> = acknowledged
            .lock()
            .iter()
            .filter(|id: &&String| !listed.contains(&**id))
            .cloned()
            .collect();
        assert_eq!(lost, [""; 0], "round {round}");
        let port = nginx.port;
        directory = std::thread::scope(|scope| {
            for client in 0..4_u32 {
                let acknowledged = &acknowledged;
                scope.spawn(move || {
                    for number in 0.. {
                        let id = format!("{round:08x}{client:08x}{number:016x}");
                        let body = json!({ "session": id }).to_string();
                        let order = format!(
                            "POST /control HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                            body.len()
                        );
                        // The last one meets no NGINX, or one that dies.
                        let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { return };
                        let mut answer = Vec::new();
                        let _ = stream.write_all(order.as_bytes());
                        let _ = stream.read_to_end(&mut answer);
                        if !answer.starts_with(b"HTTP/1.1 201") {
                            return;
                        }
                        acknowledged.lock().push(id);
                    }
                });
            }
            let enough = acknowledged.lock().len() + 15 + round as usize * 10;
            eventually("orders are taken", || (acknowledged.lock().len() >= enough).then_some(()));
            nginx.kill_all()
        });
    }
    let nginx = Nginx::builder().directory(directory).workers(3).http(&http).start();
    let listed = get(nginx.port, "/control", &[]).body;
    for id in acknowledged.lock().iter() {
        assert!(listed.contains(&**id), "{id}");
    }
}
