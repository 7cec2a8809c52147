use api_sessions_wire::{Record, Source};
use proptest::prelude::*;

use super::*;
use crate::point::NoVariables;
use crate::point::testing::FakeExchange;
use crate::session::{Stage, resolve};

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
    let hasher = Hasher::new(&[1; 32]);
    let (mut scratch, mut found) = Default::default();
    let keys = Keys { own, builtin: true };
    let resolution = resolve(keys, x, Stage::Log, &hasher, &mut scratch, &mut found);
    let settings = Settings { keys, params, masks, hasher: &hasher };
    let facts = Facts { id: b"00ff", node: "n", scheme: "http", status: 200, ..Facts::default() };
    let mut encoder = Encoder::default();
    let line =
        encoder.encode(&facts, &settings, &resolution, &found, x, &mut scratch).expect("a line");
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
