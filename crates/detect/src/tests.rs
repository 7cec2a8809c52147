use super::*;
use api_sessions_extract::testing::FakeExchange;

#[test]
fn types_have_names_and_unknown_ones_are_told_which() {
    for kind in AttackKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
    let error = "sqlinjection".parse::<AttackKind>().unwrap_err().to_string();
    assert!(error.contains("\"sqlinjection\"") && error.contains("\"sqli\", \"xss\""), "{error}");
    assert_eq!(AttackKinds::all().iter().count(), AttackKind::ALL.len());
}

#[test]
fn nothing_is_looked_for_behind_the_last_finding() {
    let exchange = FakeExchange::get("/?a=<script>alert(1)</script>");
    let wanted = AttackKind::Xss.into();
    assert_eq!(detect(&exchange, wanted, &mut Workspace::default()), wanted);
}

#[test]
fn authorization_and_structured_headers_are_left_alone() {
    let exchange = FakeExchange::get("/")
        .header("Authorization", "Bearer ' OR 1=1 --")
        .header("Sec-CH-UA", "\"Chromium\";v=\"126\" <script>");
    assert!(detect(&exchange, AttackKinds::all(), &mut Workspace::default()).is_empty());
}

#[test]
fn a_finding_says_where_its_match_stands() {
    let exchange = FakeExchange::get("/?page=1&q=%3Cscript%3Ealert(1)%3C/script%3E")
        .header("Cookie", "theme=dark; v=..%2f..%2f..%2f..%2fetc%2fpasswd");
    let mut workspace = Workspace::default();
    let found = detect(&exchange, AttackKinds::all(), &mut workspace);
    let findings = workspace.findings();
    assert_eq!(findings.len(), found.iter().count());
    let of = |kind| findings.iter().find(|finding| finding.kind == kind).unwrap();
    let xss = of(AttackKind::Xss);
    assert_eq!((xss.source, xss.name.as_slice(), xss.in_name), (Source::Query, &b"q"[..], false));
    assert!(xss.text[xss.matched.clone()].starts_with(b"<script>"));
    let path = of(AttackKind::PathTraversal);
    assert_eq!((path.source.as_str(), path.name.as_slice()), ("cookie", &b"v"[..]));
    assert!(path.index > xss.index);

    // What was found before is gone with the next request.
    detect(&FakeExchange::get("/"), AttackKinds::all(), &mut workspace);
    assert!(workspace.findings().is_empty());
}

/// What somebody can make of 16 KB whose only aim is to be expensive.
fn hostile() -> impl Iterator<Item = Vec<u8>> {
    const UNITS: &[&str] = &[
        "'",
        "\"'",
        "' or ",
        "1 or 1=",
        "(",
        ")(",
        ")(a=",
        "(&(",
        "((select ",
        "union select ",
        "/*",
        "/**/",
        "--",
        ";",
        ";ls ",
        "|id",
        "`",
        "$(",
        "${",
        "${${",
        "${a:",
        "}",
        "{{",
        "{",
        "{%",
        "#{",
        "<",
        "<a ",
        "<a b=",
        "<a on",
        "<script",
        "on",
        " onx=",
        "onload=",
        "javascript:",
        "../",
        "..\\",
        "./",
        "/",
        "\\",
        "/etc/",
        "/etc/passwd",
        "=/etc/passwd",
        "\n",
        "\r\n",
        "\na ",
        "\nto:",
        "\nget ",
        "$",
        "$ne",
        "{$ne:",
        "[$ne]",
        "db.",
        "db.a.",
        "this.",
        "||",
        "&&",
        "&",
        "&#",
        "&#x3c;",
        "&lt",
        "%",
        "%25",
        "%2525",
        "\\u00",
        "\\u0041",
        "+AD",
        "+ADw-",
        "0x2f",
        "\u{ff07}",
        "\u{e9}",
        "'+'",
        "a'+'b",
        "a<b>c",
        "<!--",
        "<!--#",
        "<!doctype ",
        "<!entity ",
        "<xsl:",
        "eval(",
        "alert(",
        "system(",
        "chr(",
        "expression(",
        "select ",
        "a,",
        "a b ",
        "1-1+",
        ":",
        "http:",
        "a",
        "A",
        " ",
        "\0",
        "<?php",
        "java.lang.",
        "()",
        "() {",
        "case when ",
        "if(",
        "select char(1)+",
        "\t",
        "or",
        "x'or",
        "union",
        "a@b\n",
        "bcc:",
        "(a=*)",
        "*",
    ];
    UNITS.iter().map(|unit| unit.bytes().cycle().take(16 * 1024).collect())
}

#[test]
fn steps_are_bounded_by_the_length_of_a_value() {
    use api_sessions_values::{FREE_STEPS, STEPS_PER_BYTE};
    for (value, content_type) in hostile().flat_map(|value| {
        [
            ("text/plain", ""),
            ("application/json", "{\"a\":\""),
            ("application/x-www-form-urlencoded", "a="),
        ]
        .map(|(kind, head)| ([head.as_bytes(), &value].concat(), kind))
    }) {
        let exchange = FakeExchange::get("/").body(content_type, &value);
        let mut workspace = Workspace::default();
        detect(&exchange, AttackKinds::all(), &mut workspace);
        // A value may be handed out twice, and each form of it is looked at by itself.
        let most = 2 * forms::MAX_FORMS * (value.len() * STEPS_PER_BYTE + FREE_STEPS);
        assert!(
            workspace.steps() <= most,
            "{} steps for {} bytes of {:?}",
            workspace.steps(),
            value.len(),
            String::from_utf8_lossy(&value[..24])
        );
    }
}

#[test]
fn padding_hides_nothing() {
    for padding in ["a", "word ", "0", "\u{e9}"] {
        let text = padding.repeat(60_000 / padding.len()) + "\"><script>alert(1)</script>";
        for body in [
            FakeExchange::get("/").body("application/json", format!("{{\"a\":{text:?}}}")),
            FakeExchange::get("/").body("application/x-www-form-urlencoded", format!("a={text}")),
            FakeExchange::get("/").body("text/plain", &text),
        ] {
            let found = detect(&body, AttackKind::Xss.into(), &mut Workspace::default());
            assert!(found.has(AttackKind::Xss), "{padding:?}");
        }
    }
}

#[test]
fn a_body_without_a_type_is_read_by_its_first_byte() {
    for (body, kind) in [
        ("{\"a\":\"1' or '1'='1\"}", AttackKind::Sqli),
        ("a=1&b=%3Cscript%3Ealert(1)%3C/script%3E", AttackKind::Xss),
        ("<r><a>&lt;img src=x onerror=alert(1)&gt;</a></r>", AttackKind::Xss),
        ("<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///x\">]><a>&b;</a>", AttackKind::Xxe),
        ("1' union select null, version() --", AttackKind::Sqli),
    ] {
        let exchange = FakeExchange::get("/").body("", body);
        let found = detect(&exchange, AttackKinds::all(), &mut Workspace::default());
        assert!(found.has(kind), "{body}");
    }
}

#[test]
fn a_match_names_its_member_or_element() {
    let mut workspace = Workspace::default();
    for (kind, body, name) in [
        ("application/json", "{\"x\":{\"note\":\"<script>alert(1)</script>\"}}", "note"),
        ("text/xml", "<r><note>&lt;script>alert(1)&lt;/script></note></r>", "note"),
        ("application/x-www-form-urlencoded", "x=1&note=<script>alert(1)</script>", "note"),
    ] {
        let exchange = FakeExchange::get("/").body(kind, body);
        assert!(detect(&exchange, AttackKind::Xss.into(), &mut workspace).has(AttackKind::Xss));
        assert_eq!(workspace.findings()[0].name, name.as_bytes(), "{kind}");
    }
}

#[test]
fn words_and_numbers_used_up_the_values_that_are_looked_at() {
    let mut body = "{\"a\":\"word\",".repeat(2000);
    body.push_str("\"q\":\"1' OR '1'='1\"}");
    let mut workspace = Workspace::default();
    let exchange = FakeExchange::get("/").body("application/json", body);
    let found = detect(&exchange, AttackKinds::all(), &mut workspace);
    assert!(found.has(AttackKind::Sqli));
    assert_eq!(workspace.left(), Left::default());
    let many = format!("[{}]", "\"two words\",".repeat(MAX_FIELDS + 1));
    let exchange = FakeExchange::get("/").body("application/json", many);
    detect(&exchange, AttackKinds::all(), &mut workspace);
    assert_eq!(workspace.left(), Left { values: true, ..Left::default() });
}
