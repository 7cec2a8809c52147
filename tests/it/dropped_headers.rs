//! Points on headers that NGINX drops.

use crate::harness::{Nginx, get};

fn warnings(http: &str) -> Vec<String> {
    let check = Nginx::builder().http(http).check();
    assert!(check.ok, "{}", check.stderr);
    check.stderr.lines().filter(|line| line.contains("[warn]")).map(str::to_owned).collect()
}

/// A configuration with keys and parameters in `http`, and two servers.
fn config(http: &str, first: &str, second: &str) -> String {
    format!(
        "
            api_sessions on;
            {http}
            server {{
                listen 127.0.0.1:PORT;
                {first}
            }}
            server {{
                listen 127.0.0.1:PORT;
                server_name second;
                {second}
            }}
        "
    )
}

#[test]
fn a_key_on_a_header_that_nginx_drops_was_accepted_silently() {
    let key = "session_key request.header.session_id name=k;";
    let found = warnings(&config(key, "", ""));
    assert_eq!(found.len(), 1, "{found:?}");
    for part in
        ["\"session_id\"", "session_key", "set \"underscores_in_headers on\"", "nginx.conf:"]
    {
        assert!(found[0].contains(part), "{part} in {found:?}");
    }
    let param = "context_param request.header[\"x.tenant\"];";
    let found = warnings(&config(param, "", ""));
    assert!(found.len() == 1 && found[0].contains("\"ignore_invalid_headers off\""), "{found:?}");
}

#[test]
fn only_keys_and_parameters_told_of_a_header_that_nginx_drops() {
    for (directive, header) in [
        ("api_sessions_mask request.header.a_b;", "\"a_b\""),
        ("api_sessions_show request.header.a_b;", "\"a_b\""),
        ("session_rule r when=request.header.a_b=x over=1/1m;", "\"a_b\""),
        ("session_rule r \"when=status=200;request.header.a_b!=x\" over=1/1m;", "\"a_b\""),
        ("session_rule r count=distinct:request.header.a_b over=1/1m;", "\"a_b\""),
    ] {
        let found = warnings(&config(directive, "", ""));
        let name = directive.split(' ').next().unwrap();
        assert!(found.len() == 1 && found[0].contains(header), "{directive}: {found:?}");
        assert!(found[0].contains(&format!("\"{name}\"")), "{directive}: {found:?}");
        assert_eq!(warnings(&config(directive, "", "api_sessions off;")).len(), 1, "{directive}");
        let on = "underscores_in_headers on;";
        assert_eq!(warnings(&config(directive, on, on)), Vec::<String>::new(), "{directive}");
    }
    for silent in [
        "session_rule r when=request.header.a_b=x over=1/1m mode=off;",
        "session_rule r when=request.cookie.a_b=x per=ip over=1/1m;",
        "api_sessions_mask response.header.a_b;",
    ] {
        assert_eq!(warnings(&config(silent, "", "")), Vec::<String>::new(), "{silent}");
    }
    // A level of its own replaces what it would inherit.
    let mask = "api_sessions_mask request.header.a_b;";
    let own = "api_sessions_mask request.header.ab;";
    assert_eq!(warnings(&config(mask, own, own)), Vec::<String>::new());
}

#[test]
fn settings_of_each_server_count_and_only_where_requests_are_looked_at() {
    let key = "session_key request.header.session_id name=k;";
    let on = "underscores_in_headers on;";
    let silent = [
        config(&format!("{key} {on}"), "", ""),
        config(key, on, on),
        config(&format!("{key} ignore_invalid_headers off;"), "", ""),
        config(key, on, "api_sessions off;"),
        config("", &format!("{on} {key}"), ""),
        config(key, on, "session_key request.header.session-id;"),
        config("session_key $http_session_id;", "", ""),
        config("session_key response.header.session_id;", "", ""),
        config("session_key request.header.x-id; context_param request.header.X-b;", "", ""),
    ];
    for conf in silent {
        assert_eq!(warnings(&conf), Vec::<String>::new(), "{conf}");
    }
    let heard = [
        config(key, on, ""),
        config(key, "", on),
        config(&format!("{key} {on}"), "underscores_in_headers off;", ""),
        config("", "", key),
        config("session_key request.header.sess_*;", "", ""),
        config("", "", &format!("location / {{ {key} }}")),
        config(key, on, "api_sessions off; location /on { api_sessions on; }"),
    ];
    for conf in heard {
        assert_eq!(warnings(&conf).len(), 1, "{conf}");
    }
}

#[test]
fn the_warning_is_in_the_error_log_of_the_configuration_once() {
    let conf = config("session_key request.header.session_id;", "", "");
    let nginx = Nginx::builder().http(&conf).start();
    let log = nginx.error_log();
    assert_eq!(log.matches("NGINX drops the header").count(), 1, "{log}");
}

#[test]
fn with_underscores_on_the_header_identifies_the_session() {
    let nginx = Nginx::builder()
        .http(
            "
                api_sessions on;
                underscores_in_headers on;
                session_key request.header.session_id name=k;
                server {
                    listen 127.0.0.1:PORT;
                    return 200 $api_session_key;
                }
            ",
        )
        .start();
    assert_eq!(get(nginx.port, "/", &[("session_id", "0011223344556677")]).body, "k");
    assert!(!nginx.error_log().contains("[warn]"), "{}", nginx.error_log());
}
