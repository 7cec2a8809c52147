//! Records after redirects inside NGINX.

use crate::harness::{Cloud, Nginx, request};

#[test]
fn a_record_said_get_where_the_client_sent_post() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                api_sessions_attack probe $http_x_evil;
                session_key request.header.S;
                context_param request.method name=method;
                context_param request.query.q name=q;
                context_param request.path[1] name=path;
                context_param request.header.Content-Length name=length;
                context_param request.body.json.name name=body;
                server {{
                    listen 127.0.0.1:PORT;
                    error_page 404 502 /50x.html;
                    error_page 406 /refused?q=changed;
                    location = /50x.html {{
                        internal;
                        return 200 sorry;
                    }}
                    location = /refused {{
                        internal;
                        return 403 refused;
                    }}
                    location /dead {{ proxy_pass http://127.0.0.1:1; }}
                    location /missing {{ return 404; }}
                    location /waf {{ return 406; }}
                    location /named {{
                        error_page 502 = @fallback;
                        proxy_pass http://127.0.0.1:1;
                    }}
                    location @fallback {{ return 200 fallback; }}
                    location /accel {{ proxy_pass http://127.0.0.1:PORT/up; }}
                    location /up {{
                        api_sessions off;
                        add_header X-Accel-Redirect /file?q=changed;
                        return 200;
                    }}
                    location /file {{
                        internal;
                        return 200 file;
                    }}
                    location /rewritten {{ rewrite ^ /dead/other?q=changed last; }}
                    location /tried {{ try_files /nothing /file?q=changed; }}
                }}
            ",
            cloud.export()
        ))
        .start();
    let body = r#"{"name":"bob"}"#;
    let targets = ["/dead", "/missing", "/waf", "/named", "/accel", "/rewritten", "/tried"];
    for method in ["POST", "PUT", "DELETE", "PROPFIND"] {
        for target in targets {
            let session = format!("{method}{target}");
            let headers = [("S", &*session), ("X-Evil", "1"), ("Content-Type", "application/json")];
            request(nginx.port, method, &format!("{target}/login?q=sent"), &headers, body);
        }
    }
    for session in cloud.sessions(4 * targets.len() as u64) {
        let record = cloud.records(session["session"].as_str().unwrap(), 1).remove(0);
        let full = cloud.get(&format!("/v1/requests/{}", record["id"].as_str().unwrap()));
        let full: serde_json::Value = serde_json::from_str(&full.body).unwrap();
        let line = full["request"]["line"].as_str().unwrap();
        let method = record["method"].as_str().unwrap();
        let path = record["path"].as_str().unwrap();
        let param = |name: &str| {
            let params = record["params"].as_array().unwrap().iter();
            params.clone().find(|param| param["name"] == name).map(|param| param["value"].clone())
        };
        assert_ne!(method, "GET", "{record:#}");
        assert!(path.ends_with("/login"), "{record:#}");
        assert_eq!(line, format!("{method} {path}?q=sent HTTP/1.1"));
        assert_eq!(param("method").unwrap(), method);
        assert_eq!(param("path").unwrap(), "login");
        assert_eq!(param("q").unwrap(), "sent");
        assert_eq!(param("length").unwrap(), body.len().to_string());
        assert!(record["request_bytes"].as_u64().unwrap() as usize > line.len() + body.len());
    }
}
