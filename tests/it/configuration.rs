//! What may be written, and what a wrong word is answered with.

use std::fs;

use crate::harness::{Nginx, get};

#[test]
fn a_wrong_word_is_named_with_file_line_and_what_is_accepted() {
    let cases = [
        ("api_sessions maybe;", "\"maybe\"", "\"on\", \"off\" or a variable is accepted"),
        ("api_sessions;", "a value is missing", "on|off|$variable"),
        ("api_sessions on off;", "\"off\"", "one value is accepted"),
        ("api_sessions on; api_sessions off;", "is duplicate", "api_sessions"),
        ("api_sessions_zone sessions;", "\"sessions\"", "\"name:size\" is accepted"),
        ("api_sessions_zone s:lots;", "\"lots\"", "a number with an optional"),
        ("api_sessions_zone s:1k;", "\"1k\"", "bytes are accepted"),
        ("api_sessions_zone s:1m idle=1h;", "\"idle=1h\"", "\"inactive=\" is accepted"),
        ("api_sessions_zone s:1m inactive=soon;", "\"soon\"", "a number with \"ms\""),
        ("api_sessions_secret /nowhere;", "/nowhere", "No such file"),
        ("api_sessions_export ftp://h;", "\"ftp://h\"", "\"http://host[:port][/path]\""),
        ("api_sessions_export http://u:p@h;", "invalid URL", "without user"),
        ("api_sessions_export http://h flash=1s;", "\"flash=1s\"", "flush"),
        ("api_sessions_export http://h flush=1x;", "\"1x\"", "a number with \"ms\""),
        ("api_sessions_export http://h token_file=/nowhere;", "/nowhere", "No such file"),
        (
            "api_sessions_export http://h compression=br;",
            "\"br\"",
            "\"gzip\" or \"off\" is accepted",
        ),
        ("api_sessions_export http://h queue=1;", "\"1\"", "bytes are accepted"),
        ("api_sessions_export http://h spool=/s:much;", "\"much\"", "a number with an optional"),
        ("api_sessions_export http://h sync=1;", "\"1\"", "\"on\" or \"off\" is accepted"),
        ("api_sessions_export off now;", "\"now\"", "off"),
        ("api_sessions_json_types;", "a media type", "type ...|any"),
        ("api_sessions_json_types json;", "\"json\"", "\"any\" is accepted"),
        ("api_sessions_json_types any text/plain;", "\"any\"", "alone"),
        ("api_sessions_json_types any; api_sessions_json_types any;", "is duplicate", "json_types"),
        ("session_key;", "a point is missing", "session_key point"),
        ("session_key request.heder.X;", "\"heder\"", "\"header\", \"cookie\""),
        ("session_key request.header.X label=x;", "\"label=x\"", "\"name=\" or \"export=\""),
        (
            "session_key request.header.X export=clear;",
            "\"clear\"",
            "\"hashed\", \"plain\" or \"off\"",
        ),
        (
            "context_param request.header.X type=boss;",
            "\"boss\"",
            "\"context\", \"user\" or \"role\"",
        ),
        ("context_param request.header.X name=;", "invalid name", "1 to 128 bytes"),
        (
            "context_param request.header.Authorization;",
            "whole credential",
            "\"hash\" or \"plain\"",
        ),
        (
            "context_param request.header.Cookie type=user;",
            "whole credential",
            "\"hash\" or \"plain\"",
        ),
        ("context_param request.header.X hash plain;", "\"plain\" is duplicate", "context_param"),
        (
            "context_param request.header.X name=a name=b;",
            "\"name=b\" is duplicate",
            "one of its kind",
        ),
        ("context_param request.header.X type=user type=role;", "\"type=role\"", "is duplicate"),
        ("session_key request.header.X name=a name=b;", "\"name=b\" is duplicate", "session_key"),
        ("session_key request.header.X export=off export=off;", "\"export=off\"", "is duplicate"),
        ("session_key request.header.Exämple;", "\"Exämple\"", "letters, digits"),
        ("context_param $http_authorization;", "$http_authorization", "\"hash\" or \"plain\""),
        ("context_param \"x ${http_cookie}\";", "${http_cookie}", "\"hash\" or \"plain\""),
        (
            "context_param $sent_http_set_cookie type=user;",
            "whole credential",
            "\"hash\" or \"plain\"",
        ),
        (
            "context_param request.header.Authorization.urldecode;",
            "whole credential",
            "\"hash\" or \"plain\"",
        ),
        ("api_sessions_zone s:1m inactive=1h inactive=2h;", "\"inactive=2h\"", "is duplicate"),
        ("api_sessions_export http://h node=a node=b;", "\"node=b\" is duplicate", "\"node=\""),
        ("api_sessions_export http://h:99999;", "\"http://h:99999\"", "from 1 to 65535"),
        ("api_sessions_export http://h:0;", "\"http://h:0\"", "from 1 to 65535"),
        ("api_sessions_builtin_keys yes;", "\"yes\"", "\"on\" or \"off\" is accepted"),
        ("api_sessions_body_size 2g;", "\"2g\"", "a number"),
        ("api_sessions_fallback ua;", "\"ua\"", "\"ip_ua_ja4\", \"ip_ua\" or \"ip\" is accepted"),
        (
            "api_sessions_fallback ip; api_sessions_fallback ip;",
            "is duplicate",
            "ip_ua_ja4|ip_ua|ip",
        ),
        ("api_sessions_ja4 on;", "\"on\"", "a variable or \"off\" is accepted"),
        (
            "api_sessions on; api_sessions_ja4 $nowhere;",
            "unknown \"nowhere\" variable",
            "api_sessions_ja4",
        ),
        ("session_key request.tls.ja3;", "\"ja3\"", "\"ja4\" or \"ja4_stable\" is accepted"),
        ("session_key $api_session_id;", "\"$api_session_id\"", "not of this module is accepted"),
        ("api_sessions_preread_body 1;", "\"1\"", "\"on\" or \"off\" is accepted"),
        (
            "api_sessions_attack sqli;",
            "a type and a variable are accepted",
            "api_sessions_attack type",
        ),
        ("api_sessions_attack a/b $arg_x;", "\"a/b\"", "letters, digits"),
        ("api_sessions_attack sqli yes;", "\"yes\"", "a variable is accepted"),
        ("api_sessions_deny maybe;", "\"maybe\"", "\"off\", \"on\" or \"dry_run\" is accepted"),
        ("api_sessions_deny on status=200;", "\"status=200\"", "400 to 599 is accepted"),
        ("api_sessions_deny on phase=content;", "\"phase=content\"", "\"access\" or \"rewrite\""),
        (
            "api_sessions_deny dry_run connections=cut;",
            "\"connections=cut\"",
            "\"keep\" or \"close\"",
        ),
        ("api_sessions_deny on phase=access phase=access;", "\"phase=access\"", "is duplicate"),
        ("api_sessions_deny on code=403;", "\"code=403\"", "\"status=\", \"connections=\""),
        ("api_sessions_deny off status=403;", "\"status=403\"", "unexpected"),
        ("api_sessions_application;", "a value is missing", "api_sessions_application value"),
        ("api_sessions_mask request.body.xml.a;", "\"xml\"", "\"json\""),
        ("api_sessions_show request.ip;", "\"request.ip\"", "a header, cookie"),
        ("api_sessions_show response.header.x;", "\"response.header.x\"", "of the request"),
        (
            "api_sessions_show request.query.a.base64;",
            "\"request.query.a.base64\"",
            "without decoders",
        ),
        ("session_key request.header.X name=\"my label\";", "name=\"my", "enclose the whole word"),
        ("session_key request.header.X name=\"x\";", "name=\"x\"", "as in \"name=value\""),
        ("context_param request.header.X name='x y';", "name='x", "as in \"name=value\""),
        (
            "session_rule r when=\"status=401;user=absent\" over=1/1m;",
            "when=\"status",
            "\"when=value\"",
        ),
        ("session_rule r when=method=\"a b\" over=1/1m;", "b\"", "enclose the whole word"),
        ("session_rules_except user=\"Ann B\";", "user=\"Ann", "as in \"user=value\""),
        ("session_key request.body.json[\"a b\"];", "json", "enclose the whole word"),
        ("api_sessions_zone s:1m inactive=\"1h\";", "inactive=\"1h\"", "\"inactive=value\""),
        ("api_sessions_export http://h spool=\"/a b\";", "spool=\"/a", "\"spool=value\""),
        ("api_sessions_export http://h header=\"X: a;b\";", "header=\"X\"", "\"header=value\""),
        ("api_sessions_export http://h header='X: a';", "header='X:", "\"header=value\""),
        ("api_sessions_full_content some;", "\"some\"", "\"redacted\" or \"all\""),
    ];
    for (directive, word, accepted) in cases {
        let tested = Nginx::builder().http(directive).check();
        assert!(!tested.ok, "accepted: {directive}");
        let message =
            tested.stderr.lines().find(|line| line.contains("[emerg]")).unwrap_or_default();
        for part in [word, accepted, "nginx.conf:"] {
            assert!(message.contains(part), "{directive}\n  lacks {part}\n  in {}", tested.stderr);
        }
    }
}

/// As NGINX says of `allow`, `geo` and `set_real_ip_from`.
#[test]
fn low_address_bits_of_a_network_were_taken_silently() {
    let directive = "session_rules_except 10.0.0.1/8 192.0.2.0/24 192.0.2.1 2001:db8::1/32 ::1;";
    let tested = Nginx::builder().http(directive).check();
    assert!(tested.ok, "{}", tested.stderr);
    let warned: Vec<&str> = tested.stderr.lines().filter(|line| line.contains("[warn]")).collect();
    assert_eq!(warned.len(), 2, "{warned:#?}");
    for (line, network) in warned.iter().zip(["10.0.0.1/8", "2001:db8::1/32"]) {
        let message = format!("low address bits of {network} are meaningless in ");
        assert!(line.contains(&message) && line.contains("nginx.conf:"), "{line}");
    }
}

/// Variables may be defined further down, so NGINX asks for them at the end, and knows no line then.
#[test]
fn of_an_unknown_variable_nobody_said_where_it_stands() {
    for directive in [
        "api_sessions $nobody;",
        "session_key $nobody;",
        "context_param a-${Nobody};",
        "api_sessions_mask $nobody;",
        "api_sessions_application $nobody;",
        "api_sessions_attack sqli $nobody;",
    ] {
        let tested = Nginx::builder()
            .http(&format!("api_sessions on; server {{ location / {{\n{directive} }} }}\n\n"))
            .check();
        let name = directive.split(' ').next().unwrap();
        // A clean configuration of the harness has so many lines before the test's own.
        let line = 1 + Nginx::builder()
            .http("api_sessions maybe;")
            .check()
            .stderr
            .rsplit_once("nginx.conf:")
            .and_then(|(_, line)| line.lines().next()?.trim().parse::<u32>().ok())
            .unwrap();
        let said = |line: &str| {
            ["[emerg]", "obody\" variable", name].iter().all(|part| line.contains(part))
        };
        let place = format!("nginx.conf:{line}");
        let found = tested.stderr.lines().find(|line| said(line) && line.ends_with(&place));
        assert!(!tested.ok && found.is_some(), "{directive}: {}", tested.stderr);
    }
}

#[test]
fn variables_of_every_kind_are_known() {
    let all = "$http_x $arg_y $cookie_z $sent_http_a $upstream_http_b $request_id $remote_addr \
        $later $mapped $captured $one $1 $geo";
    let tested = Nginx::builder()
        .http(&format!(
            r#"
                api_sessions on;
                context_param "{all}";
                api_sessions_application "{all}";
                server {{
                    location ~ ^/(?<captured>.) {{
                        set $later 1;
                        session_key "{all}";
                    }}
                    if ($uri ~ (?<one>x)) {{ return 200; }}
                }}
                map $uri $mapped {{ default 1; }}
                geo $geo {{ default 1; }}
            "#
        ))
        .check();
    assert!(tested.ok && !tested.stderr.contains("[emerg]"), "{}", tested.stderr);
}

#[test]
fn a_misquoted_header_was_shown_with_its_secret() {
    for header in
        ["header=\"Authorization: Bearer secretvalue123", "'Authorization: Bearer secretvalue123'"]
    {
        let conf = format!(
            "api_sessions_export http://h {header}; server {{ listen 127.0.0.1:PORT; return 204; }}"
        );
        let tested = Nginx::builder().http(&conf).check_in(&tempfile::tempdir().unwrap());
        assert!(!tested.ok && tested.stderr.contains("[emerg]"), "{header}: {}", tested.stderr);
        assert!(!tested.stderr.contains("secretvalue"), "{header}: {}", tested.stderr);
    }
}

#[test]
fn a_secret_that_is_too_short_and_a_token_that_is_none_are_refused_without_showing_them() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("secret"), "short-secret-value").unwrap();
    fs::write(directory.path().join("token"), "two words-of-token").unwrap();
    for (directive, accepted) in [
        ("api_sessions_secret DIR/secret;", "32 or more are accepted"),
        (
            "api_sessions_export http://h token_file=DIR/token;",
            "one line of visible ASCII is accepted",
        ),
    ] {
        let tested = Nginx::builder().http(directive).check_in(&directory);
        assert!(!tested.ok && tested.stderr.contains(accepted), "{}", tested.stderr);
        assert!(
            !tested.stderr.contains("short-secret") && !tested.stderr.contains("words-of-token")
        );
    }
}

#[test]
fn everything_of_the_contract_is_accepted_on_each_of_its_levels() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("secret"), [b's'; 32]).unwrap();
    fs::write(directory.path().join("token"), "abc\n").unwrap();
    let anywhere = "
        api_sessions on;
        session_key request.header.A;
        session_key request.cookie.b name=b export=plain;
        session_key $arg_c export=off;
        context_param request.query.d name=d type=role hash;
        context_param request.header.Authorization plain;
        api_sessions_builtin_keys off;
        api_sessions_application app-$host;
        api_sessions_body_size 32k;
        api_sessions_json_types text/plain;
        api_sessions_preread_body on;
        api_sessions_mask request.query.password;
        api_sessions_show request.body.json.order.code;
        api_sessions_full_content all;
    ";
    let params: String =
        (0..64).map(|n| format!("context_param request.header.X-{n} name=p{n};")).collect();
    let conf = format!(
        "
            api_sessions_zone s:1m inactive=1h;
            api_sessions_secret DIR/secret;
            api_sessions_export http://127.0.0.1:1/base token_file=DIR/token node=n queue=1m flush=2s batch=64k compression=gzip timeout=5s shutdown=500ms sync=off spool=DIR/spool:1g;
            {anywhere}
            server {{
                listen 127.0.0.1:PORT;
                {anywhere}
                location / {{ {anywhere} }}
                location /p {{ {params} }}
                location /s {{ api_sessions_status; }}
            }}
        "
    );
    let tested = Nginx::builder().http(&conf).check_in(&directory);
    assert!(tested.ok, "{}", tested.stderr);
}

#[test]
fn a_configuration_without_http_loads() {
    let directory = tempfile::tempdir().unwrap();
    let module = crate::harness::built("API_SESSIONS_MODULE");
    let dir = directory.path().display();
    let conf =
        format!("load_module {module}; pid {dir}/pid; error_log {dir}/error.log; events {{}}");
    let tested = Nginx::builder().full_config(&conf).check_in(&directory);
    assert!(tested.ok, "{}", tested.stderr);
}

#[test]
fn a_module_that_is_only_loaded_does_nothing() {
    let nginx = Nginx::builder()
        .http("server { listen 127.0.0.1:PORT; return 200 \"[$api_session_id]\"; }")
        .start();
    assert_eq!(get(nginx.port, "/", &[]).body, "[]");
    assert!(!nginx.error_log().contains("api_sessions"));
}

#[test]
fn the_examples_load() {
    for name in ["minimal.conf", "full.conf"] {
        let path = format!("{}/nginx-conf/{name}", env!("CARGO_MANIFEST_DIR"));
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path().display().to_string();
        // Where an NGINX of its own prefix logs to.
        fs::create_dir(directory.path().join("logs")).unwrap();
        fs::write(directory.path().join("api-sessions.secret"), [b's'; 32]).unwrap();
        fs::write(directory.path().join("api-sessions.token"), "token").unwrap();
        let conf = fs::read_to_string(path)
            .unwrap()
            .replace(
                "modules/ngx_http_api_sessions_module.so",
                &crate::harness::built("API_SESSIONS_MODULE"),
            )
            .replace("/etc/nginx", &dir)
            .replace("/var/log/nginx", &dir)
            .replace("/var/lib/nginx", &dir)
            .replace("listen 80;", &format!("listen 127.0.0.1:{};", crate::harness::free_port()));
        let tested =
            Nginx::builder().full_config(&format!("pid {dir}/pid; {conf}")).check_in(&directory);
        assert!(tested.ok, "{name}: {}", tested.stderr);
    }
}

#[test]
fn testing_a_configuration_beside_a_running_nginx_changes_nothing() {
    let nginx = Nginx::builder()
        .http(
            "
                api_sessions on;
                server {
                    listen 127.0.0.1:PORT;
                    return 200 $api_session_requests;
                }
            ",
        )
        .start();
    assert_eq!(get(nginx.port, "/", &[]).body, "1");
    let tested = nginx.check();
    assert!(tested.ok, "{}", tested.stderr);
    assert_eq!(get(nginx.port, "/", &[]).body, "2");
}
