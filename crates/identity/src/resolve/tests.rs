use super::*;
use api_sessions_extract::KeyExport;
use api_sessions_extract::builtin::EntrySet;
use api_sessions_extract::testing::FakeExchange;
use api_sessions_extract::{NoVariables, Point};

fn keys(points: &[&str]) -> Vec<SessionKey> {
    points
        .iter()
        .map(|text| SessionKey {
            point: Point::parse(text, &mut NoVariables).unwrap(),
            name: (*text).to_owned(),
            export: KeyExport::Hashed,
        })
        .collect()
}

fn label(
    own: &[SessionKey],
    builtin: bool,
    phase: Phase,
    exchange: &FakeExchange,
) -> (String, SessionId) {
    let hasher = Hasher::new(b"0123456789abcdef0123456789abcdef");
    let (mut scratch, mut found) = Default::default();
    let keys = Keys { own, builtin, fallback: Fallback::IpUa, demoted: EntrySet::NONE };
    let resolution = resolve(keys, exchange, phase, &hasher, &mut scratch, &mut found);
    (resolution.label.as_str().to_owned(), resolution.id)
}

#[test]
fn own_keys_come_first_in_their_order_then_the_built_in_set_then_the_address() {
    let own = keys(&["request.header.a", "request.header.b"]);
    let mut exchange = FakeExchange::get("/");
    let expect = |exchange: &FakeExchange, name: &str| {
        assert_eq!(label(&own, true, Phase::Access, exchange).0, name);
    };
    expect(&exchange, "ip");
    exchange = exchange.header("User-Agent", "curl");
    expect(&exchange, "ip_ua");
    exchange = exchange.header("Cookie", "PHPSESSID=0123456789");
    expect(&exchange, "PHPSESSID");
    exchange = exchange.header("b", "2");
    expect(&exchange, "request.header.b");
    exchange = exchange.header("a", "1");
    expect(&exchange, "request.header.a");
}

#[test]
fn the_built_in_set_can_be_off() {
    let exchange = FakeExchange::get("/").header("Cookie", "PHPSESSID=0123456789");
    assert_eq!(label(&[], false, Phase::Access, &exchange).0, "ip");
}

#[test]
fn equal_values_meet_through_different_keys_but_not_with_an_address() {
    let own = keys(&["request.query.t", "request.header.t"]);
    let query = label(&own, true, Phase::Access, &FakeExchange::get("/?t=192.0.2.1"));
    let header = label(&own, true, Phase::Access, &FakeExchange::get("/").header("T", "192.0.2.1"));
    let address = label(&own, true, Phase::Access, &FakeExchange::get("/"));
    assert_eq!(query.1, header.1);
    assert_ne!(query.1, address.1);
}

#[test]
fn a_key_of_the_response_counts_once_the_exchange_is_over() {
    let own = keys(&["response.cookie.sid", "request.header.a"]);
    let exchange = FakeExchange::get("/").header("a", "1").answered("Set-Cookie", "sid=fresh");
    assert_eq!(label(&own, true, Phase::Access, &exchange).0, "request.header.a");
    assert_eq!(label(&own, true, Phase::Log, &exchange).0, "response.cookie.sid");
}

#[test]
fn the_fallback_is_what_there_is_of_it() {
    let hasher = Hasher::new(b"0123456789abcdef0123456789abcdef");
    let with_ja4 = |exchange: FakeExchange| FakeExchange {
        ja4: Some([b"plain".to_vec(), b"stable".to_vec()]),
        ..exchange
    };
    let bare = FakeExchange::get("/");
    let agent = bare.clone().header("User-Agent", " curl ");
    use {Fallback as F, Namespace as N};
    for (fallback, exchange, source, namespace, value) in [
        (F::IpUaJa4, with_ja4(agent.clone()), "ip_ua_ja4", N::IpUaJa4, "192.0.2.1\ncurl\nstable"),
        (F::IpUaJa4, with_ja4(bare.clone()), "ip_ua_ja4", N::IpUaJa4, "192.0.2.1\n\nstable"),
        (F::IpUaJa4, agent.clone(), "ip_ua", N::IpUa, "192.0.2.1\ncurl"),
        (F::IpUaJa4, bare.clone(), "ip", N::Ip, "192.0.2.1"),
        (F::IpUa, with_ja4(agent.clone()), "ip_ua", N::IpUa, "192.0.2.1\ncurl"),
        (F::IpUa, with_ja4(bare.clone()), "ip", N::Ip, "192.0.2.1"),
        (F::Ip, with_ja4(agent), "ip", N::Ip, "192.0.2.1"),
    ] {
        let (mut scratch, mut found) = Default::default();
        let keys = Keys { own: &[], builtin: true, fallback, demoted: EntrySet::NONE };
        let resolution = resolve(keys, &exchange, Phase::Access, &hasher, &mut scratch, &mut found);
        assert_eq!(resolution.found_by.source().as_str(), source);
        assert_eq!(resolution.label.as_str(), source);
        assert_eq!(resolution.id, hasher.session_id(namespace, value.as_bytes()), "{value}");
    }
}

#[test]
fn a_demoted_entry_of_the_set_names_no_session_and_the_next_key_does() {
    let exchange = FakeExchange::get("/")
        .header("User-Agent", "one")
        .header("X-Session-Id", "the session of the client")
        .header("X-API-Key", "the key of the application");
    let found = |demoted: &[&str]| {
        let demoted = EntrySet::of(demoted.iter().copied());
        let keys = Keys { own: &[], builtin: true, fallback: Fallback::IpUa, demoted };
        let (mut scratch, mut found) = Default::default();
        let hasher = Hasher::new(&[7; 32]);
        let resolution = resolve(keys, &exchange, Phase::Log, &hasher, &mut scratch, &mut found);
        resolution.label.as_str().to_owned()
    };
    assert_eq!(found(&[]), "X-Session-Id");
    assert_eq!(found(&["X-API-Key", "no such entry"]), "X-Session-Id");
    assert_eq!(found(&["X-Session-Id"]), "X-API-Key");
    assert_eq!(found(&["X-Session-Id", "X-API-Key"]), "ip_ua");
}
