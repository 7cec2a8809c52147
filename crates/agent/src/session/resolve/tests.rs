use super::*;
use api_sessions_extract::KeyExport;
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
    let keys = Keys { own, builtin };
    let resolution = resolve(keys, exchange, phase, &hasher, &mut scratch, &mut found);
    (resolution.label.to_owned(), resolution.id)
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
