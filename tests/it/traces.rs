//! The module evaluates variables of NGINX before others do: they must not notice.

use crate::harness::{Cloud, Nginx, eventually, get, request};

fn logged(nginx: &Nginx, count: usize) -> Vec<String> {
    eventually("the log", || {
        let lines = nginx.lines("own.log");
        (lines.len() >= count).then_some(lines)
    })
}

const UP: &str = "location /up { api_sessions off; add_header X-Tok TK; return 200 up; }";

#[test]
fn a_key_that_reads_the_response_leaves_no_empty_variable_behind() {
    let nginx = Nginx::builder()
        .http(&format!(
            r#"
                map $sent_http_x_tok $mapped {{ default "got-$sent_http_x_tok"; '' none; }}
                log_format own '$api_session_key $sent_http_x_tok $mapped';
                api_sessions on;
                session_key $sent_http_x_tok name=direct;
                session_key $mapped name=mapped;
                server {{
                    listen 127.0.0.1:PORT;
                    access_log DIR/own.log own;
                    {UP}
                    location / {{ proxy_pass http://127.0.0.1:PORT/up; }}
                }}
            "#
        ))
        .start();
    get(nginx.port, "/", &[]);
    let lines = logged(&nginx, 2);
    assert!(lines.contains(&"direct TK got-TK".to_owned()), "{lines:?}");
}

#[test]
fn a_switch_by_status_leaves_no_early_status_behind() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                map $status $seen {{ default m$status; }}
                map $status $wanted {{ default 1; 404 0; }}
                log_format own '$seen $wanted';
                api_sessions_export {};
                api_sessions $wanted;
                api_sessions_application $seen;
                server {{
                    listen 127.0.0.1:PORT;
                    access_log DIR/own.log own;
                    location /gone {{ proxy_pass http://127.0.0.1:PORT/none; }}
                    location / {{ proxy_pass http://127.0.0.1:PORT/up; }}
                    location /none {{
                        api_sessions off;
                        access_log off;
                        return 404;
                    }}
                    location /up {{
                        api_sessions off;
                        access_log off;
                        return 200;
                    }}
                }}
            ",
            cloud.export()
        ))
        .start();
    get(nginx.port, "/", &[]);
    get(nginx.port, "/gone", &[]);
    let lines = logged(&nginx, 2);
    assert_eq!(lines, ["m200 1", "m404 0"]);
    let sessions = cloud.sessions(1);
    let id = sessions[0]["session"].as_str().unwrap();
    let records = cloud.records(id, 1);
    assert_eq!((&records[0]["app"], &records[0]["status"]), (&"m200".into(), &200.into()));
}

#[test]
fn a_request_has_one_id_whoever_asks_first() {
    let nginx = Nginx::builder()
        .http(&format!(
            "
                log_format own '$request_id $api_session_id $status';
                map $sent_http_x_tok $unsettled {{ default x; }}
                api_sessions on;
                session_key $request_id;
                api_sessions_application $unsettled;
                add_header X-Id $request_id;
                add_header X-Session $api_session_id;
                server {{
                    listen 127.0.0.1:PORT;
                    access_log DIR/own.log own;
                    {UP}
                    location / {{
                        proxy_pass http://127.0.0.1:PORT/up;
                        proxy_set_header X-Id $request_id;
                    }}
                }}
            "
        ))
        .start();
    let answer = get(nginx.port, "/", &[]);
    let shown =
        format!("{} {} 200", answer.header("X-Id").unwrap(), answer.header("X-Session").unwrap());
    let lines = logged(&nginx, 1);
    assert!(lines.contains(&shown), "{shown}: {lines:?}");
}

#[test]
fn a_map_of_expressions_leaves_the_groups_of_a_location_alone() {
    let nginx = Nginx::builder()
        .http(
            "
                map $http_x_app $app { ~^(.)(.*)$ $2; }
                api_sessions on;
                api_sessions_application $app;
                session_key $app;
                server {
                    listen 127.0.0.1:PORT;
                    location ~ ^/re/(.*)$ { proxy_pass http://127.0.0.1:PORT/up/$1; }
                    location ~ ^/up/(.*)$ {
                        api_sessions off;
                        return 200 $1;
                    }
                }
            ",
        )
        .start();
    assert_eq!(get(nginx.port, "/re/kept", &[("X-App", "shop")]).body, "kept");
}

#[test]
fn an_error_page_says_that_the_request_was_denied() {
    let nginx = Nginx::builder()
        .http(
            "
                log_format own '$uri $status $api_session_denied';
                api_sessions on;
                session_key request.header.S;
                add_header X-Session $api_session_id always;
                server {
                    listen 127.0.0.1:PORT;
                    access_log DIR/own.log own;
                    error_page 403 /sorry;
                    location / {
                        api_sessions_deny on;
                        proxy_pass http://127.0.0.1:PORT/up;
                    }
                    location = /sorry { return 403 sorry; }
                    location /up {
                        api_sessions off;
                        access_log off;
                        return 200 up;
                    }
                    location /control {
                        api_sessions off;
                        access_log off;
                        api_sessions_control;
                    }
                }
            ",
        )
        .start();
    let id = get(nginx.port, "/", &[("S", "bad")]).header("X-Session").unwrap().to_owned();
    let order = format!("{{\"session\":\"{id}\"}}");
    assert_eq!(request(nginx.port, "POST", "/control", &[], &order).status, 201);
    assert_eq!(get(nginx.port, "/", &[("S", "bad")]).body, "sorry");
    assert_eq!(logged(&nginx, 2)[1], "/sorry 403 1");
}
