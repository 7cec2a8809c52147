//! Only secrets are cut out; everything around them stays byte for byte. The tests write documents piece by
//! piece, once with secrets and once with marks in their place, so that they need no parser.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::tests::shown;
use super::*;
use api_sessions_extract::testing::FakeExchange;
use api_sessions_extract::{NoVariables, Point};

const SECRET_NAMES: &[&str] = &[
    "password",
    "apiKey",
    "client_secret",
    "access_token",
    "pin",
    "card[number]",
    "x-auth-token",
    "sessionId",
    "otp",
    "SAMLResponse",
];
const PLAIN_NAMES: &[&str] = &[
    "user",
    "keyword",
    "status_code",
    "author",
    "page",
    "note",
    "a.b",
    "",
    "passenger",
    "zip_code",
    "prénom",
];
const PLAIN: &[&str] = &[
    "bob",
    "1' OR '1'='1",
    "<script>alert(1)</script>",
    "hello \"world\"",
    "back\\slash",
    "日本語",
    "",
    "a\nb\tc",
    "100%",
    "x=1&y=2",
    "../../etc/passwd",
    "${jndi:ldap://evil/a}",
    "{{7*7}}",
    "{\"a\": [1, \"x\"]}",
    "550e8400-e29b-41d4-a716-446655440000",
];
const MARK: &str = "\u{1}";

/// The shown body, with a mark in place of each placeholder; and the reason why it is hidden.
pub(super) fn body_with(
    points: [&[&Point]; 2],
    kind: &str,
    body: &[u8],
    cut: bool,
) -> (String, Option<String>) {
    let mut secrets = Secrets::default();
    secrets.clear();
    let exchange =
        FakeExchange { request_body_cut: cut, ..FakeExchange::get("/").body(kind, body) };
    let full = shown(points[0], points[1], FullContent::Redacted, &exchange, &mut secrets);
    let text = full.body.map(|body| body.into_owned()).unwrap_or_default();
    (marked(&text), full.hidden.map(|why| why.into_owned()))
}

fn body(kind: &str, body: &str) -> String {
    body_with([&[], &[]], kind, body.as_bytes(), false).0
}

/// Replaces each placeholder with a mark.
fn marked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.replace("[hidden]", MARK);
    while let Some(at) = rest.find("[hash:") {
        out.push_str(&rest[..at]);
        out.push_str(MARK);
        rest = rest[at..].split_once(']').unwrap().1.to_owned();
    }
    out + &rest
}

/// A text as it is sent and as it must be shown.
#[derive(Debug, Clone, Default)]
struct Pair {
    sent: String,
    shown: String,
}

impl Pair {
    fn push(&mut self, text: &str) {
        self.sent.push_str(text);
        self.shown.push_str(text);
    }

    fn secret(&mut self, text: &str) {
        self.sent.push_str(text);
        self.shown.push_str(MARK);
    }

    fn add(&mut self, other: &Pair) {
        self.sent.push_str(&other.sent);
        self.shown.push_str(&other.shown);
    }
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{2,40}", "[a-z]{3,12}", "[0-9]{4,6}", "[a-zé\u{1F600}\"\\\\\n]{2,20}"]
        .prop_filter("stands for something", |text| {
            let text = text.trim().to_ascii_lowercase();
            ![
                "",
                "true",
                "false",
                "null",
                "none",
                "undefined",
                "nil",
                "yes",
                "no",
                "on",
                "off",
                "0",
                "1",
            ]
            .contains(&&*text)
                && !text.contains("[hash:")
                && !text.contains("[hidden]")
        })
}

fn pick(list: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(list)
}

/// A JSON string, optionally with every character escaped.
fn json_string(text: &str, escaped: bool) -> String {
    match escaped {
        true => text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect(),
        false => {
            let quoted = serde_json::to_string(text).unwrap();
            quoted[1..quoted.len() - 1].to_owned()
        }
    }
}

fn json_leaf() -> impl Strategy<Value = Pair> {
    let number = prop_oneof![
        Just("0"),
        Just("-1.5e3"),
        Just("42"),
        Just("true"),
        Just("null"),
        Just("12345678901")
    ];
    prop_oneof![
        number.prop_map(|text| Pair { sent: text.into(), shown: text.into() }),
        (pick(PLAIN), any::<bool>()).prop_map(|(text, escaped)| {
            let text = format!("\"{}\"", json_string(text, escaped));
            Pair { sent: text.clone(), shown: text }
        }),
    ]
}

fn json_member(value: impl Strategy<Value = Pair>) -> impl Strategy<Value = Pair> {
    let name = |name: &str, escaped: bool, blank: &str| {
        format!("\"{}\"{blank}:{blank}", json_string(name, escaped))
    };
    let blank = pick(&["", " ", "\n  ", "\t"]);
    let plain = (pick(PLAIN_NAMES), any::<bool>(), blank, value).prop_map(
        move |(n, escaped, blank, value)| {
            let mut pair = Pair::default();
            pair.push(&name(n, escaped, blank));
            pair.add(&value);
            pair
        },
    );
    let blank = pick(&["", " "]);
    let hidden = (pick(SECRET_NAMES), any::<bool>(), blank, secret(), any::<bool>(), any::<bool>());
    let hidden = hidden.prop_map(move |(n, escaped, blank, value, more, in_list)| {
        let mut pair = Pair::default();
        pair.push(&name(n, escaped, blank));
        if in_list {
            pair.push("[");
        }
        if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0') && more {
            pair.sent.push_str(&value);
            pair.shown.push_str(&format!("\"{MARK}\""));
        } else {
            pair.push("\"");
            pair.secret(&json_string(&value, more));
            pair.push("\"");
        }
        if in_list {
            pair.push("]");
        }
        pair
    });
    prop_oneof![plain, hidden]
}

fn json() -> impl Strategy<Value = Pair> {
    json_leaf().prop_recursive(5, 40, 5, |inner| {
        let members = proptest::collection::vec(json_member(inner.clone()), 0..5);
        let items = proptest::collection::vec(inner, 0..4);
        let list = |open: &'static str, close: &'static str, items: Vec<Pair>| {
            let mut pair = Pair::default();
            pair.push(open);
            for (at, item) in items.iter().enumerate() {
                pair.push(if at > 0 { " , " } else { "" });
                pair.add(item);
            }
            pair.push(close);
            pair
        };
        prop_oneof![
            members.prop_map(move |members| list("{", "}", members)),
            items.prop_map(move |items| list("[", "]", items)),
        ]
    })
}

/// Percent-encodes like browsers; without plus signs, which form decoders read as spaces.
pub(super) fn percent(text: &str, all: bool) -> String {
    let encode = |byte: u8| match byte {
        b' ' if !all => "%20".to_owned(),
        byte if byte.is_ascii_alphanumeric() && !all => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn encoded(pair: &Pair) -> Pair {
    let shown: Vec<_> = pair.shown.split(MARK).map(|text| percent(text, false)).collect();
    Pair { sent: percent(&pair.sent, false), shown: shown.join(MARK) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn of_json_a_secret_member_loses_its_value_alone(document in json()) {
        prop_assert!(serde_json::from_str::<serde_json::Value>(&document.sent).is_ok(), "{}", document.sent);
        prop_assert_eq!(body("application/json", &document.sent), document.shown.clone());
        // The result is valid JSON.
        let left = document.shown.replace(MARK, "[hidden]");
        prop_assert!(serde_json::from_str::<serde_json::Value>(&left).is_ok(), "{}", left);
    }

    #[test]
    fn of_json_in_a_form_or_in_json_a_member_loses_its_value_alone(document in json()) {
        prop_assume!(document.sent.starts_with(['{', '[']));
        let in_form = encoded(&document);
        let sent = format!("a=1&payload={}&b=%41", in_form.sent);
        let shown = format!("a=1&payload={}&b=%41", in_form.shown);
        prop_assert_eq!(body("application/x-www-form-urlencoded", &sent), shown);
        let shown: Vec<_> = document.shown.split(MARK).map(|text| json_string(text, false)).collect();
        let sent = format!("{{\"payload\": \"{}\", \"x\": 1}}", json_string(&document.sent, false));
        let shown = format!("{{\"payload\": \"{}\", \"x\": 1}}", shown.join(MARK));
        prop_assert_eq!(body("application/json", &sent), shown);
    }

    #[test]
    fn of_json_in_base64_a_member_loses_its_value_alone(document in json()) {
        prop_assume!(document.sent.starts_with('{') && document.sent.len() > 24);
        prop_assume!(!document.sent.contains(['\u{1}']));
        let sent = format!("{{\"blob\": \"{}\"}}", STANDARD.encode(&document.sent));
        let mut secrets = Secrets::default();
        secrets.clear();
        let exchange = FakeExchange::get("/").body("application/json", &sent);
        let full = super::tests::shown(&[], &[], FullContent::Redacted, &exchange, &mut secrets);
        let left: serde_json::Value = serde_json::from_str(full.body.as_deref().unwrap()).unwrap();
        let blob = STANDARD.decode(left["blob"].as_str().unwrap()).unwrap();
        prop_assert_eq!(marked(std::str::from_utf8(&blob).unwrap()), document.shown);
    }

    #[test]
    fn of_a_form_and_a_query_an_argument_loses_its_value_alone(
        items in proptest::collection::vec((any::<bool>(), pick(PLAIN_NAMES), pick(SECRET_NAMES), pick(PLAIN), secret(), any::<bool>()), 1..8),
    ) {
        let mut pair = Pair::default();
        for (at, (is_secret, plain, hidden, value, secret, all)) in items.iter().enumerate() {
            pair.push(if at > 0 { "&" } else { "" });
            if *is_secret {
                pair.push(&format!("{}=", percent(hidden, *all)));
                pair.secret(&percent(secret, *all));
            } else {
                pair.push(&format!("{}={}", percent(plain, *all), percent(value, *all)));
            }
        }
        prop_assert_eq!(body("application/x-www-form-urlencoded", &pair.sent), pair.shown.clone());
        let mut secrets = Secrets::default();
        secrets.clear();
        let exchange = FakeExchange::get(&format!("/x?{}", pair.sent));
        let full = super::tests::shown(&[], &[], FullContent::Redacted, &exchange, &mut secrets);
        prop_assert_eq!(marked(&full.line), format!("GET /x?{} HTTP/1.1", pair.shown));
    }

    #[test]
    fn of_multipart_a_part_loses_its_content_alone(
        items in proptest::collection::vec((any::<bool>(), pick(PLAIN_NAMES), pick(SECRET_NAMES), pick(PLAIN), secret()), 1..6),
    ) {
        let mut pair = Pair::default();
        for (is_secret, plain, hidden, value, secret) in &items {
            let name = if *is_secret { hidden } else { plain };
            pair.push(&format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n"));
            if *is_secret { pair.secret(secret) } else { pair.push(value) }
            pair.push("\r\n");
        }
        pair.push("--b0undary--\r\n");
        prop_assert_eq!(body("multipart/form-data; boundary=b0undary", &pair.sent), pair.shown);
    }

    #[test]
    fn of_xml_an_element_or_attribute_loses_its_text_alone(
        items in proptest::collection::vec((0..5_u8, pick(&["user", "note", "Status", "x:item"]), pick(&["password", "wsse:Password", "apiKey", "Assertion"]), pick(&["bob", "1' OR '1'='1", "日本語", "42"]), "[a-zA-Z0-9!]{2,30}"), 1..6),
    ) {
        let mut pair = Pair::default();
        pair.push("<?xml version=\"1.0\"?>\n<!DOCTYPE r [<!ENTITY xxe SYSTEM \"file:///etc/passwd\">]>\n<r a=\"1\">");
        for (kind, plain, hidden, value, secret) in &items {
            let secret = &format!("{secret}Zq");
            match kind {
                0 => pair.push(&format!("<{plain} b='{value}'>{value}</{plain}>").replace("b='1' OR '1'='1'", "b='2'")),
                1 => {
                    pair.push(&format!("<{hidden}> "));
                    pair.secret(secret);
                    pair.push(&format!("</{hidden}>"));
                }
                2 => {
                    pair.push(&format!("<{plain} {hidden}=\""));
                    pair.secret(secret);
                    pair.push("\" c='&lt;'/>");
                }
                3 => {
                    pair.push(&format!("<{hidden}><![CDATA["));
                    pair.secret(secret);
                    pair.push(&format!("]]></{hidden}>"));
                }
                _ => {
                    pair.push("<field name=\"password\">");
                    pair.secret(secret);
                    pair.push("</field>");
                }
            }
        }
        pair.push("</r>\n");
        prop_assert_eq!(body("text/xml", &pair.sent), pair.shown);
    }

    #[test]
    fn any_body_of_any_type_is_shown_or_hidden_without_a_panic(
        kind in 0..6_usize,
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
        text in "([{}\\[\\]\",:=&<>/!a\\\\-]|password|--b|\\r\\n|%2|eyJ){0,60}",
        cut in any::<bool>(),
    ) {
        const TYPES: [&str; 6] = ["application/json", "application/x-www-form-urlencoded", "text/xml", "multipart/form-data; boundary=b", "text/plain", ""];
        body_with([&[], &[]], TYPES[kind], &bytes, cut);
        body_with([&[], &[]], TYPES[kind], text.as_bytes(), cut);
    }
}

#[test]
fn one_secret_member_hid_the_whole_body() {
    let sent = r#"{"user": "bob", "a": [{"password": "hunter2", "n": 1}], "q": "1' OR '1'='1", "pin": 1234, "password": "again"}"#;
    let shown = "{\"user\": \"bob\", \"a\": [{\"password\": \"\u{1}\", \"n\": 1}], \"q\": \"1' OR '1'='1\", \"pin\": \"\u{1}\", \"password\": \"\u{1}\"}";
    assert_eq!(body("application/json", sent), shown);
    // With the content type that curl sends by default, with none, and as lines.
    assert_eq!(body("application/x-www-form-urlencoded", sent), shown);
    assert_eq!(body("", sent), shown);
    assert_eq!(
        body("application/x-ndjson", &format!("{sent}\n{sent}\n")),
        format!("{shown}\n{shown}\n")
    );
}

#[test]
fn names_beside_values_and_around_them_count() {
    for (sent, shown) in [
        (
            r#"[{"name":"password","value":"x7"},{"name":"user","value":"bob"}]"#,
            "[{\"name\":\"password\",\"value\":\"\u{1}\"},{\"name\":\"user\",\"value\":\"bob\"}]",
        ),
        (
            r#"{"credentials":{"user":"bob7","data":["x7"]}}"#,
            "{\"credentials\":{\"user\":\"\u{1}\",\"data\":[\"\u{1}\"]}}",
        ),
        (
            r#"{"query":"mutation{login(user:\"bob\",password:\"x7\"){id}}"}"#,
            "{\"query\":\"mutation{login(user:\\\"bob\\\",password:\\\"\u{1}\\\"){id}}\"}",
        ),
        (r#"{"uri2":"postgres://app:x7z@db/app"}"#, "{\"uri2\":\"postgres://app:\u{1}@db/app\"}"),
        (r#"{"next":"/cb?code=Zq7fL29x&page=2"}"#, "{\"next\":\"/cb?code=\u{1}&page=2\"}"),
    ] {
        assert_eq!(body("application/json", sent), shown, "{sent}");
    }
}

#[test]
fn what_does_not_parse_goes_as_a_whole_and_says_so() {
    for (kind, sent) in [
        ("application/json", "{\"a\": 1' OR '1'='1}"),
        ("application/json", "{\"password\": \"x\""),
        ("text/xml", "<a><password>x</a>"),
        ("multipart/form-data; boundary=b", "--b\r\nno head"),
        ("multipart/form-data", "--b\r\n\r\nx\r\n--b--"),
        ("application/grpc", "\u{1}hunter2"),
    ] {
        let (shown, why) = body_with([&[], &[]], kind, sent.as_bytes(), false);
        assert_eq!((&*shown, why.as_deref()), (MARK, Some("unparsed")), "{kind} {sent}");
    }
}

#[test]
fn of_a_body_that_is_cut_what_was_seen_is_cut_precisely() {
    for (kind, sent, shown) in [
        (
            "application/json",
            "{\"user\":\"bob\",\"password\":\"hunt",
            "{\"user\":\"bob\",\"password\":\"\u{1}",
        ),
        ("application/json", "{\"user\":\"bo", "{\"user\":\"bo"),
        ("text/xml", "<a><b>x</b><password>hun", "<a><b>x</b><password>\u{1}"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"pin\"\r\n\r\n12",
            "--b\r\nContent-Disposition: form-data; name=\"pin\"\r\n\r\n\u{1}",
        ),
    ] {
        assert_eq!(
            body_with([&[], &[]], kind, sent.as_bytes(), true),
            (shown.to_owned(), None),
            "{sent}"
        );
    }
}

#[test]
fn saml_and_ws_federation_stay_on_the_node() {
    let assertion = "<samlp:Response ID=\"_8e8d\"><saml:Issuer>https://idp.example.com/</saml:Issuer><saml:Assertion ID=\"_d71a\"><saml:Subject><saml:NameID>user@example.com</saml:NameID></saml:Subject></saml:Assertion></samlp:Response>";
    let encoded = percent(&STANDARD.encode(assertion), false);
    let form = "application/x-www-form-urlencoded";
    assert_eq!(
        body(form, &format!("SAMLResponse={encoded}&RelayState=x")),
        "SAMLResponse=\u{1}&RelayState=x"
    );
    assert_eq!(
        body(form, &format!("wa=wsignin1.0&wresult={}", percent(assertion, false))),
        "wa=wsignin1.0&wresult=\u{1}"
    );
    let shown = body("text/xml", assertion);
    assert!(
        !shown.contains("user@example.com") && shown.contains("https://idp.example.com/"),
        "{shown}"
    );
}

#[test]
fn points_hide_and_show_exactly_what_they_read() {
    let point = |text: &str| Point::parse(text, &mut NoVariables).unwrap();
    let sent = r#"{"a":{"note":"n7","token":"t7"},"list":[{"x":"1a"},{"x":"2b"}],"token":"t8"}"#;
    let (hidden, shown) =
        (point("request.body.json.list[1].x"), point("request.body.json.a.token"));
    let (text, _) = body_with([&[&hidden], &[&shown]], "application/json", sent.as_bytes(), false);
    assert_eq!(
        text,
        "{\"a\":{\"note\":\"n7\",\"token\":\"t7\"},\"list\":[{\"x\":\"1a\"},{\"x\":\"\u{1}\"}],\"token\":\"\u{1}\"}"
    );
    let (hidden, shown) = (point("request.body.form.note"), point("request.body.form.pin"));
    let (text, _) = body_with(
        [&[&hidden], &[&shown]],
        "application/x-www-form-urlencoded",
        b"note=a&pin=1234&token=zz",
        false,
    );
    assert_eq!(text, "note=\u{1}&pin=1234&token=\u{1}");
}
