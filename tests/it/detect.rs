//! `api_sessions_detect`: what is found in real requests, and what a WAF beside the module says.

use crate::harness::{Cloud, Nginx, eventually, get, request, skip};
use serde_json::Value;

fn start(cloud: &Cloud, detect: &str) -> Nginx {
    Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                session_key request.header.S;
                {detect}
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ proxy_pass http://127.0.0.1:PORT/up; }}
                    location /sqli {{
                        api_sessions_detect on sqli;
                        proxy_pass http://127.0.0.1:PORT/up;
                    }}
                    location /off {{
                        api_sessions_detect off;
                        proxy_pass http://127.0.0.1:PORT/up;
                    }}
                    location /status {{
                        api_sessions off;
                        api_sessions_status;
                    }}
                    location /up {{
                        api_sessions off;
                        return 200 ok;
                    }}
                }}
            ",
            cloud.export()
        ))
        .start()
}

/// The one record of a session of that many requests.
fn record(cloud: &Cloud, path: &str) -> Value {
    eventually(&format!("the record of {path}"), || {
        let sessions = cloud.get("/v1/sessions?limit=100").json();
        sessions["sessions"].as_array()?.iter().find_map(|session| {
            let id = session["session"].as_str()?;
            let all = cloud.get(&format!("/v1/sessions/{id}/requests?limit=500")).json();
            let record =
                all["requests"].as_array()?.iter().find(|record| record["path"] == path)?;
            let id = record["id"].as_str()?;
            Some(cloud.get(&format!("/v1/requests/{id}")).json())
        })
    })
}

#[test]
fn attacks_are_marked_let_through_and_exported_in_full() {
    let cloud = Cloud::start();
    let nginx = start(&cloud, "api_sessions_detect on;");
    let json = [("S", "x"), ("Content-Type", "application/json")];
    for (method, target, body) in [
        ("GET", "/a?q=1%27%20OR%20%271%27%3D%271", ""),
        ("GET", "/b?q=%3Cscript%3Ealert(1)%3C/script%3E", ""),
        ("POST", "/c", r#"{"name":"; cat /etc/passwd"}"#),
        ("GET", "/d?q=O%27Brien", ""),
        ("GET", "/sqli?q=%3Cscript%3Ealert(1)%3C/script%3E", ""),
        ("GET", "/off?q=1%27%20OR%20%271%27%3D%271", ""),
    ] {
        // Never blocked.
        assert_eq!(request(nginx.port, method, target, &json, body).status, 200);
    }
    assert_eq!(record(&cloud, "/a")["attacks"], serde_json::json!(["sqli"]));
    assert_eq!(record(&cloud, "/b")["attacks"], serde_json::json!(["xss"]));
    let with_body = record(&cloud, "/c");
    let attacks = with_body["attacks"].as_array().unwrap();
    assert!(attacks.contains(&"command_injection".into()), "{with_body:#}");
    assert!(attacks.contains(&"path_traversal".into()), "{with_body:#}");
    assert_eq!(with_body["request"]["body"], r#"{"name":"; cat /etc/passwd"}"#);
    assert_eq!(
        record(&cloud, "/a")["evidence"],
        serde_json::json!([{"type": "sqli", "place": "query", "name": "q", "match": "1' OR '1'='1"}])
    );
    let evidence = with_body["evidence"].as_array().unwrap();
    assert_eq!(evidence.len(), 2, "{with_body:#}");
    assert!(
        evidence.iter().all(|it| it["place"] == "json" && it["name"] == "name"),
        "{with_body:#}"
    );
    for benign in ["/d", "/sqli", "/off"] {
        let record = record(&cloud, benign);
        assert!(record.get("attacks").is_none() && record.get("request").is_none(), "{record:#}");
    }
    let status = get(nginx.port, "/status", &[]).json();
    assert_eq!(status["table"]["requests_detected_total"], 3);
    assert_eq!(status["table"]["requests_malicious_total"], 3);
}

#[test]
fn an_attack_behind_padding_was_hidden_by_the_body_size_of_records() {
    let cloud = Cloud::start();
    let nginx = start(
        &cloud,
        "api_sessions_detect on; api_sessions_detect_body_size 64k; client_body_buffer_size 256k;",
    );
    let json = [("S", "x"), ("Content-Type", "application/json")];
    let padded =
        |bytes: usize| format!("{{\"pad\":\"{}\",\"q\":\"1' OR '1'='1\"}}", "x".repeat(bytes));
    request(nginx.port, "POST", "/behind", &json, &padded(20_000));
    request(nginx.port, "POST", "/beyond", &json, &padded(70_000));
    let behind = record(&cloud, "/behind");
    assert_eq!(behind["attacks"], serde_json::json!(["sqli"]));
    assert_eq!(behind["request"]["truncated"], true);
    let shown = behind["request"]["body"].as_str().unwrap().len();
    assert_eq!(shown, 16 * 1024, "no more is shown than before");
    // What is not in the content is shown by its grammar alone.
    let evidence = &behind["evidence"][0];
    assert_eq!((&evidence["place"], &evidence["match"]), (&"json".into(), &"1' OR '1'='1".into()));
    assert!(record(&cloud, "/beyond").get("attacks").is_none());
    let mut encoded = json.to_vec();
    encoded.push(("Content-Encoding", "br"));
    request(nginx.port, "POST", "/encoded", &encoded, "xxxx");
    record(&cloud, "/encoded");
    let table = &get(nginx.port, "/status", &[]).json()["table"];
    assert_eq!(table["detect_unread_size_total"], 1);
    assert_eq!(table["detect_unread_encoding_total"], 1);
    assert_eq!(table["detect_unread_values_total"], 0);
    let many = format!("[{}]", "\"a (b) c d e f\",".repeat(600) + "1");
    request(nginx.port, "POST", "/many", &json, &many);
    record(&cloud, "/many");
    let table = &get(nginx.port, "/status", &[]).json()["table"];
    assert_eq!(table["detect_unread_values_total"], 1);
    assert_eq!(table["detect_unread_steps_total"], 0);
}

#[test]
fn findings_of_one_request_are_no_evidence_of_the_next() {
    let cloud = Cloud::start();
    let nginx = start(&cloud, "api_sessions_detect on; api_sessions_attack custom $arg_waf;");
    get(nginx.port, "/a?q=1%27%20OR%20%271%27%3D%271", &[("S", "x")]);
    get(nginx.port, "/off?waf=1", &[("S", "x")]);
    let marked = record(&cloud, "/off");
    assert_eq!(marked["attacks"], serde_json::json!(["custom"]));
    assert!(marked.get("evidence").is_none(), "{marked:#}");
    assert!(record(&cloud, "/a").get("evidence").is_some());
}

#[test]
fn a_type_that_two_say_is_written_once() {
    let cloud = Cloud::start();
    let nginx = start(
        &cloud,
        "api_sessions_detect on; api_sessions_attack sqli $arg_waf; api_sessions_attack custom $arg_waf;",
    );
    get(nginx.port, "/a?waf=1&q=1%27%20OR%20%271%27%3D%271", &[("S", "x")]);
    assert_eq!(record(&cloud, "/a")["attacks"], serde_json::json!(["sqli", "custom"]));
}

#[test]
fn wrong_words_are_named() {
    for (directive, word) in [
        ("api_sessions_detect;", "\"off\" or \"on\" is missing"),
        ("api_sessions_detect maybe;", "\"maybe\""),
        ("api_sessions_detect on sqlinjection;", "\"sqlinjection\""),
        ("api_sessions_detect off sqli;", "\"sqli\" behind \"off\""),
    ] {
        let tested = Nginx::builder().http(directive).check();
        assert!(!tested.ok && tested.stderr.contains(word), "{}", tested.stderr);
    }
    assert!(Nginx::builder().http("api_sessions_detect on sqli xss scanner;").check().ok);
}

/// With Debian's ModSecurity beside the module, where it is installed for the NGINX under test.
#[test]
fn what_modsecurity_blocks_is_recorded_in_its_session() {
    let module = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so";
    if !std::path::Path::new(module).exists()
        || crate::harness::built("API_SESSIONS_NGINX") != "/usr/sbin/nginx"
    {
        return skip("needs Debian's NGINX with its ModSecurity module");
    }
    let cloud = Cloud::start();
    let rule = "SecRuleEngine On\\nSecRule ARGS \\\"@contains attack\\\" \\\"id:1,phase:1,deny,status:403\\\"";
    let nginx = Nginx::builder()
        .workers(1)
        .main(&format!("load_module {module};"))
        .http(
            &format!(
                "
                    api_sessions on;
                    api_sessions_export {};
                    session_key request.header.S;
                    map $status $blocked {{ 403 1; default 0; }}
                    server {{
                        listen 127.0.0.1:PORT;
                        modsecurity on;
                        modsecurity_rules '{rule}';
                        api_sessions_attack waf $blocked;
                        location / {{ proxy_pass http://127.0.0.1:PORT/up; }}
                        location /up {{
                            modsecurity off;
                            api_sessions off;
                            return 200 ok;
                        }}
                    }}
                ",
                cloud.export()
            )
            .replace("\\n", "\n")
            .replace("\\\"", "\""),
        )
        .start();
    assert_eq!(get(nginx.port, "/fine", &[("S", "x")]).status, 200);
    assert_eq!(get(nginx.port, "/bad?q=attack", &[("S", "x")]).status, 403);
    let session = cloud.sessions(2).remove(0);
    assert_eq!(session["requests"], 2);
    let blocked = record(&cloud, "/bad");
    assert_eq!(
        (blocked["status"].as_u64(), &blocked["attacks"]),
        (Some(403), &serde_json::json!(["waf"]))
    );
    assert_eq!(blocked["session"], session["session"]);
    assert_eq!(blocked["request"]["line"], "GET /bad?q=attack HTTP/1.1");
}
