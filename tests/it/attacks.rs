//! Malicious requests: marked by a variable, exported in full, with what is to be hidden hidden.

use crate::harness::{Cloud, Nginx, get, next_millisecond, request};

#[test]
fn a_marked_request_arrives_in_full_without_its_secrets() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                map $arg_q $sqli {{ default 0; ~OR 1; }}
                map $http_x_bot $bot {{ default 0; yes scanner; }}
                api_sessions on;
                api_sessions_export {};
                session_key request.cookie.sid;
                context_param request.header.X-Card hash;
                api_sessions_mask request.body.form.password;
                api_sessions_attack sqli $sqli;
                api_sessions_attack bot $bot;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ proxy_pass http://127.0.0.1:PORT/up; }}
                    location /up {{
                        api_sessions off;
                        return 200 up;
                    }}
                    location /status {{
                        api_sessions off;
                        api_sessions_status;
                    }}
                }}
            ",
            cloud.export()
        ))
        .start();
    let headers = [
        ("Cookie", "sid=secret-session-4711; theme=dark"),
        ("X-Card", "4111111111111111"),
        ("X-Bot", "yes"),
        ("Referer", "https://example.com/?card=4111111111111111"),
        ("Authorization", "Basic c2VjcmV0LXVzZXI6cGFzcw=="),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    let target = "/login?q=1'%20OR%20'1&s=secret-session-4711";
    request(nginx.port, "POST", target, &headers, "user=x&password=hunter2");
    next_millisecond();
    get(nginx.port, "/benign?q=1", &headers[..1]);

    let session = cloud.sessions(2).remove(0);
    assert_eq!((&session["requests"], &session["attacks"]), (&2.into(), &1.into()), "{session}");
    let records = cloud.records(session["session"].as_str().unwrap(), 2);
    let [malicious, benign] = &records[..] else { panic!("{records:?}") };
    assert_eq!(malicious["attacks"], serde_json::json!(["sqli", "bot"]));
    assert!(benign["attacks"].is_null() && benign["request"].is_null(), "{benign}");
    let id = malicious["id"].as_str().unwrap();
    let full = cloud.get(&format!("/v1/requests/{id}")).json();
    let content = &full["request"];
    assert_eq!(content["line"], "POST /login?q=1'%20OR%20'1&s=[hidden] HTTP/1.1");
    let header = |name: &str| {
        let all = content["headers"].as_array().unwrap();
        let found =
            all.iter().find(|pair| pair[0] == name).unwrap_or_else(|| panic!("{name}: {full}"));
        found[1].as_str().unwrap().to_owned()
    };
    assert_eq!(header("Cookie"), "sid=[hidden]; theme=dark");
    assert_eq!(header("X-Card"), "[hidden]");
    assert_eq!(header("Referer"), "https://example.com/?card=[hidden]");
    assert!(header("Authorization").starts_with("Basic [hash:"), "{}", header("Authorization"));
    assert_eq!(content["body"], "user=x&password=[hidden]");
    for secret in ["secret-session", "4111111111111111", "hunter2", "c2VjcmV0"] {
        assert!(!full.to_string().contains(secret), "{secret} in {full:#}");
        assert!(!nginx.error_log().contains(secret), "{secret} in the error log");
    }
}

#[test]
fn a_body_that_hides_nothing_is_exported_within_its_limit() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                api_sessions_attack any $request_method;
                api_sessions_body_size 64;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ proxy_pass http://127.0.0.1:PORT/up; }}
                    location /up {{
                        api_sessions off;
                        return 200 up;
                    }}
                }}
            ",
            cloud.export()
        ))
        .start();
    request(nginx.port, "POST", "/short", &[], "{\"a\":1}");
    next_millisecond();
    let long = "x".repeat(100_000);
    request(nginx.port, "POST", "/long", &[], &long);
    let session = cloud.sessions(2).remove(0);
    let records = cloud.records(session["session"].as_str().unwrap(), 2);
    let content = |record: &serde_json::Value| {
        let id = record["id"].as_str().unwrap();
        cloud.get(&format!("/v1/requests/{id}")).json()["request"].clone()
    };
    let (short, long) = (content(&records[0]), content(&records[1]));
    assert_eq!((&short["body"], &short["truncated"]), (&"{\"a\":1}".into(), &false.into()));
    assert_eq!((long["body"].as_str().unwrap().len(), &long["truncated"]), (64, &true.into()));
}

#[test]
fn real_names_left_in_clear_and_one_member_hid_a_body() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                api_sessions_attack probe $http_x_evil;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{
                        api_sessions_show request.header.X-Tenant-Key;
                        api_sessions_show request.path[1];
                        proxy_pass http://127.0.0.1:PORT/up;
                    }}
                    location /all {{
                        api_sessions_full_content all;
                        proxy_pass http://127.0.0.1:PORT/up;
                    }}
                    location /up {{
                        api_sessions off;
                        return 200 up;
                    }}
                }}
            ",
            cloud.export()
        ))
        .start();
    let live = "Zq000000000000000000000000000007";
    let token = "AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc";
    let headers = [
        ("X-Evil", "1"),
        ("X-Functions-Key", live),
        ("X-Tenant-Key", "Tenant0000000000000000000000042"),
        ("Cookie", "fe_typo_user=Zq000000000000000000000000000007; theme=dark"),
        ("Content-Type", "application/json"),
    ];
    let body = format!(r#"{{"user": "bob", "client_secret": "{live}", "note": "kept \u0041"}}"#);
    let target = format!("/bot123456789:{token}/{token}/x?api_key={live}&page=2");
    request(nginx.port, "POST", &target, &headers, &body);
    next_millisecond();
    // Of a benign request too.
    get(nginx.port, &format!("/bot123456789:{token}/getMe"), &headers[3..4]);
    next_millisecond();
    request(nginx.port, "POST", "/all", &headers, &body);

    let session = cloud.sessions(3).remove(0);
    let records = cloud.records(session["session"].as_str().unwrap(), 3);
    let content = |record: &serde_json::Value| {
        let id = record["id"].as_str().unwrap();
        cloud.get(&format!("/v1/requests/{id}")).json()["request"].clone()
    };
    let redacted = content(&records[0]);
    let hash = redacted["headers"][header_at(&redacted, "X-Functions-Key")][1].clone();
    assert!(hash.as_str().unwrap().starts_with("[hash:"), "{redacted}");
    let hash = hash.as_str().unwrap();
    assert_eq!(
        redacted["line"],
        format!("POST /[hidden]/{token}/x?api_key={hash}&page=2 HTTP/1.1")
    );
    let header = |name: &str| redacted["headers"][header_at(&redacted, name)][1].clone();
    // Equal values are recognised.
    assert_eq!(header("Cookie"), format!("fe_typo_user={hash}; theme=dark"));
    assert_eq!(header("X-Tenant-Key"), "Tenant0000000000000000000000042");
    assert_eq!(redacted["body"], body.replace(live, hash));
    assert!(!redacted.to_string().contains(live), "{redacted}");
    assert_eq!(records[1]["path"], "/[hidden]/getMe");
    let all = content(&records[2]);
    let tenant = &all["headers"][header_at(&all, "X-Tenant-Key")][1];
    assert_eq!(tenant, "Tenant0000000000000000000000042");
}

fn header_at(request: &serde_json::Value, name: &str) -> usize {
    let headers = request["headers"].as_array().unwrap();
    headers.iter().position(|pair| pair[0] == name).unwrap_or_else(|| panic!("{name}: {request}"))
}
