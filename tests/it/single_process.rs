//! `master_process off`: one process that is master and worker, as for development.

use serde_json::json;

use crate::harness::{Cloud, Nginx, eventually, get, request};

#[test]
fn one_process_counts_denies_and_exports_to_its_end() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .main("master_process off;")
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {} sync=on spool=DIR/spool;
                session_key request.header.S;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{
                        api_sessions_deny on;
                        add_header X-Session $api_session_id always;
                        proxy_pass http://127.0.0.1:PORT/up;
                    }}
                    location /up {{ api_sessions off; return 200 up; }}
                    location /control {{ api_sessions off; api_sessions_control; }}
                    location /status {{ api_sessions off; api_sessions_status; }}
                }}
            ",
            cloud.export()
        ))
        .start();
    assert!(nginx.workers().is_empty(), "there is one process");
    let ask = |name| get(nginx.port, "/", &[("S", name)]);
    let id = ask("x").header("X-Session").unwrap().to_owned();
    for _ in 1..20 {
        assert_eq!(ask("x").status, 200);
    }
    cloud.records(&id, 20);
    // Denied by the node, and by the cloud.
    let body = json!({ "session": id }).to_string();
    assert_eq!(request(nginx.port, "POST", "/control", &[], &body).status, 201);
    assert_eq!(ask("x").status, 403);
    let other = ask("y").header("X-Session").unwrap().to_owned();
    let token = format!("Bearer {}", cloud.admin_token());
    let headers = [("Authorization", &*token), ("Content-Type", "application/json")];
    let body = json!({ "session": other }).to_string();
    assert_eq!(request(cloud.port, "POST", "/v1/denylist", &headers, &body).status / 100, 2);
    let mut asked = 1;
    eventually("the cloud's denial", || {
        asked += 1;
        (ask("y").status == 403).then_some(())
    });
    // What is still in the queue is sent when the process ends.
    for _ in 0..10 {
        ask("z");
    }
    let log = nginx.error_log();
    nginx.finish();
    assert!(!log.contains("[error]"), "{log}");
    cloud.records(&other, asked);
    assert_eq!(cloud.sessions(21 + asked as u64 + 10).len(), 3);
}
