use api_sessions_extract::builtin::EntrySet;
use api_sessions_protocol::{Record, Source};
use proptest::prelude::*;

use super::*;
use crate::limits::{MAX_FIELD_BYTES, MAX_PATH_BYTES, MAX_VALUE_BYTES};
use api_sessions_extract::SessionKey;
use api_sessions_extract::testing::AnyVariables;
use api_sessions_extract::testing::FakeExchange;
use api_sessions_extract::{Body, ContextParam, NoVariables, VariableId};
use api_sessions_identity::{Fallback, Hasher, Keys, Phase, resolve};
use api_sessions_redact::FullContent;

/// An exchange whose body continues after the part that was seen.
struct Cut(FakeExchange);

impl Exchange for Cut {
    fn headers<'a>(&'a self, side: Side, each: &mut dyn FnMut(&'a [u8], &'a [u8]) -> bool) {
        self.0.headers(side, each);
    }
    fn method(&self) -> &[u8] {
        self.0.method()
    }
    fn host(&self) -> Option<&[u8]> {
        self.0.host()
    }
    fn ip(&self) -> &[u8] {
        self.0.ip()
    }
    fn path(&self) -> &[u8] {
        self.0.path()
    }
    fn query(&self) -> &[u8] {
        self.0.query()
    }
    fn status(&self) -> Option<u16> {
        self.0.status()
    }
    fn body(&self, side: Side) -> Option<Body<'_>> {
        Exchange::body(&self.0, side).map(|body| Body { complete: false, ..body })
    }
    fn variable(&self, id: VariableId) -> Option<&[u8]> {
        self.0.variable(id)
    }
}

fn point(text: &str) -> Point {
    Point::parse(text, &mut NoVariables).unwrap()
}

fn key(text: &str, export: KeyExport) -> SessionKey {
    SessionKey { point: point(text), name: format!("key {text}"), export }
}

fn context(text: &str, kind: ParamType, hash: bool) -> ContextParam {
    ContextParam { point: point(text), name: format!("param {text}"), kind, hash }
}

fn line(own: &[SessionKey], params: &[ContextParam], masks: &[Point], x: &FakeExchange) -> String {
    record(own, params, masks, x, &[])
}

fn record(
    own: &[SessionKey],
    params: &[ContextParam],
    masks: &[Point],
    x: &FakeExchange,
    attacks: &[&str],
) -> String {
    record_of(own, params, masks, x, attacks)
}

fn record_of<X: Exchange>(
    own: &[SessionKey],
    params: &[ContextParam],
    masks: &[Point],
    x: &X,
    attacks: &[&str],
) -> String {
    let hasher = Hasher::new(&[1; 32]);
    let (mut scratch, mut found) = Default::default();
    let keys = Keys { own, builtin: true, fallback: Fallback::IpUa, demoted: EntrySet::NONE };
    let resolution = resolve(keys, x, Phase::Log, &hasher, &mut scratch, &mut found);
    let settings = RecordOptions {
        keys,
        params,
        masks,
        shown: &[],
        content: FullContent::Redacted,
        hasher: &hasher,
    };
    let facts = RequestMeta {
        id: b"00ff",
        node: "n",
        scheme: "http",
        status: 200,
        attacks,
        ..RequestMeta::default()
    };
    let mut encoder = RecordEncoder::default();
    let line = encoder.encode(&facts, &settings, &resolution, &found, x, &mut scratch);
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    String::from_utf8(line.to_vec()).unwrap()
}

#[test]
fn parameters_have_names_types_and_hashes() {
    let own =
        [key("request.header.a", KeyExport::Plain), key("request.header.b", KeyExport::Hashed)];
    let params = [
        context("request.header.who", ParamType::User, false),
        context("request.header.mail", ParamType::Role, true),
    ];
    let exchange = FakeExchange::get("/p")
        .header("A", "alpha")
        .header("B", "beta-beta")
        .header("Who", "alice")
        .header("Mail", "alice@example.com");
    let line = line(&own, &params, &[], &exchange);
    let record: Record<'_> = serde_json::from_str(&line).unwrap();
    assert_eq!((&*record.key, record.source), ("key request.header.a", Source::Key));
    let shown: Vec<_> = record.params.iter().map(|p| (&*p.value, p.kind, p.hashed)).collect();
    let hash = |value: &str| Hasher::new(&[1; 32]).parameter(value.as_bytes());
    let (beta, mail) = (hash("beta-beta"), hash("alice@example.com"));
    assert_eq!(
        shown,
        [
            ("alpha", ParamType::Session, false),
            (beta.as_str(), ParamType::Session, true),
            ("alice", ParamType::User, false),
            (mail.as_str(), ParamType::Role, true),
        ]
    );
    assert_eq!(record.user.as_deref(), Some("alice"));
    assert_eq!(record.role.as_deref(), Some(mail.as_str()));
}

#[test]
fn what_is_hashed_or_masked_stands_nowhere_in_clear() {
    let canary = "canary-7f3a";
    let cases = [
        (vec![key("request.path[1]", KeyExport::Hashed)], vec![], vec![]),
        (vec![key("request.path[1]", KeyExport::Off)], vec![], vec![]),
        (vec![], vec![context("request.header.x", ParamType::Context, true)], vec![]),
        (vec![], vec![], vec![point("request.header.x")]),
        (vec![], vec![], vec![point("request.query.q")]),
    ];
    for (own, mut params, masks) in cases {
        params.push(context("request.header.repeat", ParamType::Context, false));
        params.push(context("request.header.user-agent", ParamType::User, false));
        let mut exchange = FakeExchange::get(&format!("/a/{canary}/b?q={canary}"))
            .header("X", canary)
            .header("Repeat", format!("seen {canary} here"))
            .header("User-Agent", format!("agent/{canary}"));
        exchange.host = Some(format!("{canary}.example.com").into_bytes());
        let line = line(&own, &params, &masks, &exchange);
        assert!(!line.contains(canary), "{line}");
        assert!(line.contains("[hidden]"), "{line}");
    }
}

#[test]
fn built_in_identifiers_are_hashed_and_cut_from_the_path() {
    let exchange = FakeExchange::get("/shop;jsessionid=0123456789ABCDEF/cart");
    let line = line(&[], &[], &[], &exchange);
    assert!(!line.contains("0123456789ABCDEF"), "{line}");
    assert!(line.contains(r#""path":"/shop;[hidden]/cart""#), "{line}");
}

#[test]
fn what_is_too_long_is_cut_and_says_so() {
    let long = "é".repeat(MAX_VALUE_BYTES);
    let params = [context("request.header.long", ParamType::Context, false)];
    let exchange =
        FakeExchange::get(&"/x".repeat(10_000)).header("Long", &long).header("User-Agent", &long);
    let line = line(&[], &params, &[], &exchange);
    let record: Record<'_> = serde_json::from_str(&line).unwrap();
    assert!(record.params[0].truncated && record.params[0].value.len() <= MAX_VALUE_BYTES);
    assert!(record.path.len() <= MAX_PATH_BYTES && !record.params[0].value.contains('\u{FFFD}'));
}

/// The session cookie of one user, the tokens of others: whatever identified the session, and whether or not the
/// built-in set is in use.
#[test]
fn no_live_credential_leaves_in_the_content_of_an_attack() {
    let jwt =
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJpIiwic2lkIjoiczEyMyIsImF6cCI6ImEiLCJzdWIiOiJ1In0.c2ln";
    let live = |n: usize| format!("live-credential-{n}");
    let exchange = FakeExchange::get(&format!(
        "/shop;jsessionid={}/x?q=%27OR&access_token={}&PHPSESSID={}&next={jwt}&back=%2Fx%3Fsid%3D{}",
        live(1), live(2), live(3), live(4)
    ))
    .header("User-Agent", format!("agent {jwt}"))
    .header("Cookie", format!(
        "theme=dark; token={jwt}; PHPSESSID={}; connect.sid=s%3A{}.sig; CFID={}; CFTOKEN={}; \
         laravel_session={}; next-auth.session-token.0={}; my-session=\"{}\"; q={jwt}",
        live(5), live(6), live(7), live(8), live(9), live(10), live(11)
    ))
    .header("Authorization", format!("Bearer {jwt}"))
    .header("Proxy-Authorization", format!("Bearer {}", live(12)))
    .header("X-Forwarded-Auth", format!("bearer {}", live(13)))
    .header("X-Auth-Token", live(14))
    .header("Mcp-Session-Id", live(15))
    .header("X-Api-Key", live(16))
    .header("Set-Cookie", format!("a={}", live(17)))
    .header("Referer", format!("https://example.com/?a=1&access_token={}", live(18)))
    .header("X-Original-Url", format!("/x;jsessionid={}", live(19)))
    .header("X-Other", "kept")
    .body("application/json", format!(r#"{{"q":"kept too","a":"{jwt}"}}"#));
    for own in [vec![], vec![key("request.header.X-Other", KeyExport::Plain)]] {
        let line = record(&own, &[], &[], &exchange, &["sqli"]);
        assert!(!line.contains("live-credential") && !line.contains("eyJ"), "{line}");
        for kept in ["theme=dark", "q=%27OR", "kept too", r#"["X-Other","kept"]"#] {
            assert!(line.contains(kept), "{kept}: {line}");
        }
    }
    for (kind, body) in [
        ("application/x-www-form-urlencoded", "q=kept&access_token=live-credential-1".to_owned()),
        ("application/json", r#"{"a":{"access_token" : "live-credential-1"}}"#.to_owned()),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"sid\"\r\n\r\nlive-credential\r\n--b--"
                .to_owned(),
        ),
        ("application/json", format!(r#"{{"a":"{}"}}"#, jwt.replace('.', "\\u002e"))),
    ] {
        let exchange = FakeExchange::get("/").body(kind, &body);
        let line = record(&[], &[], &[], &exchange, &["sqli"]);
        assert!(!line.contains("live-credential") && !line.contains("eyJ"), "{line}");
        assert!(line.contains("[hidden]") || line.contains("[hash:"), "{line}");
    }
}

#[test]
fn the_parts_of_a_composite_key_leave_nowhere_in_clear() {
    let text = "$cookie_a:$cookie_B-$http_x_part$arg_t";
    let point = Point::parse(text, &mut AnyVariables::default()).unwrap();
    let own = [SessionKey { point, name: "k".into(), export: KeyExport::Hashed }];
    let mut exchange = FakeExchange::get("/p/first-part-1/x?t=9&u=third-part-3")
        .header("Cookie", "a=first-part-1; b=second-part-2; c=kept")
        .header("X-Part", "third-part-3")
        .header("User-Agent", "agent second-part-2")
        .header("Referer", "https://example.com/first-part-1");
    exchange.variables.insert(0, b"first-part-1:second-part-2-third-part-39".to_vec());
    let line = record(&own, &[], &[], &exchange, &["sqli"]);
    assert!(!line.contains("-part-") && !line.contains("t=9") && line.contains("c=kept"), "{line}");
    // Short parts are only hidden where they are read by themselves.
    exchange = FakeExchange::get("/").header("Cookie", "a=x1; b=y2; c=kept");
    exchange.variables.insert(0, b"x1:y2-".to_vec());
    let line = record(&own, &[], &[], &exchange, &["sqli"]);
    assert!(line.contains("a=[hidden]; b=[hidden]; c=kept"), "{line}");
}

#[test]
fn a_masked_address_is_in_no_field() {
    let exchange = FakeExchange::get("/").header("X-Forwarded-For", "192.0.2.1, 198.51.100.1");
    let off = [key("request.ip", KeyExport::Off)];
    let variable = Point::parse("$binary_remote_addr", &mut AnyVariables::default()).unwrap();
    let mut with_binary = exchange.clone();
    with_binary.variables.insert(0, b"\xc0\x00\x02\x01".to_vec());
    for line in [
        record(&[], &[], &[point("request.ip")], &exchange, &["sqli"]),
        record(&off, &[], &[], &exchange, &["sqli"]),
    ] {
        assert!(!line.contains("192.0.2.1"), "{line}");
        assert!(line.contains(r#""ip":"[hidden]""#), "{line}");
    }
    let line = line(&[], &[], &[variable], &with_binary);
    assert!(line.contains(r#""ip":"[hidden]""#), "{line}");
}

#[test]
fn a_secret_that_crosses_a_cut_is_hidden_whole() {
    let secret = "s3cret-".repeat(20);
    let masks = [point("request.header.x")];
    for before in (MAX_FIELD_BYTES - 130..MAX_FIELD_BYTES).step_by(13) {
        let exchange = FakeExchange::get("/")
            .header("X", &secret)
            .header("User-Agent", format!("{}{secret}", "a".repeat(before)))
            .header("Cookie", format!("a={}; b={secret}", "c".repeat(16 * 1024 - before)))
            .body("text/plain", format!("{}{}", "d".repeat(64), &secret[..before % 130 + 8]));
        let exchange = Cut(exchange);
        let line = record_of(&[], &[], &masks, &exchange, &["sqli"]);
        assert!(!line.contains("s3cret"), "{before}: {line}");
    }
    // Longer than the part of a value that is read.
    let long = "long-s3cret".repeat(1000);
    let params = [context("request.header.y", ParamType::Context, false)];
    let exchange = FakeExchange::get("/")
        .header("X", &long)
        .header("Y", format!("{}{long}", "e".repeat(100)))
        .header("Z", format!("{}{long}", "e".repeat(100)));
    let line = record(&[], &params, &masks, &exchange, &["sqli"]);
    assert!(!line.contains("s3cret"), "{line}");
}

#[test]
fn a_masked_host_is_hidden_with_its_port_and_in_any_case() {
    let mut exchange = FakeExchange::get("/")
        .header("Host", "Canary.Example.COM:8443")
        .header("Origin", "https://Canary.Example.COM")
        .header("Referer", "https://canary.example.com/x");
    exchange.host = Some(b"canary.example.com".to_vec());
    for mask in ["request.header.Host", "request.host"] {
        let line = record(&[], &[], &[point(mask)], &exchange, &["sqli"]);
        assert!(!line.to_ascii_lowercase().contains("canary.example"), "{mask}: {line}");
        assert!(line.contains(r#""host":"[hidden]""#), "{mask}: {line}");
    }
}

#[test]
fn a_record_that_is_too_long_leaves_its_content_and_then_its_values() {
    let params: Vec<_> =
        (0..256).map(|_| context("request.header.long", ParamType::Context, false)).collect();
    let long = "\u{1}".repeat(MAX_VALUE_BYTES);
    let exchange = FakeExchange::get("/p").header("Long", &long).body("text/plain", &long);
    let line = record(&[], &params, &[], &exchange, &["sqli"]);
    assert!(line.len() <= MAX_RECORD_BYTES, "{}", line.len());
    let record: Record<'_> = serde_json::from_str(&line).unwrap();
    assert!(record.params.len() == 256 && record.params.iter().all(|param| param.truncated));
    assert!(record.request.is_some_and(|request| request.truncated));
}

#[test]
fn what_every_record_shows_holds_no_token() {
    let jwt = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJpIiwic2lkIjoiczEyMyJ9.c2ln";
    let mut exchange = FakeExchange::get(&format!("/verify/{jwt}/x;sid=abcdefgh12"))
        .header("User-Agent", format!("agent/{jwt}"));
    exchange.host = Some(format!("{jwt}.example.com").into_bytes());
    let line = line(&[], &[], &[], &exchange);
    assert!(!line.contains("eyJ") && !line.contains("abcdefgh12"), "{line}");
}

proptest! {
    #[test]
    fn any_bytes_make_one_valid_line(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        path in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let params = [context("request.header.x", ParamType::User, false)];
        let mut exchange = FakeExchange::get("/").header("X", &bytes).header("User-Agent", &bytes);
        exchange.path = path;
        exchange.host = Some(bytes.clone());
        exchange.method = bytes;
        let line = line(&[], &params, &[], &exchange);
        let record: Record<'_> = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(record.status, 200);
    }
}
