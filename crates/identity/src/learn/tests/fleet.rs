//! Two nodes that have not heard of each other's links yet.

use super::*;

fn nodes() -> [Node; 2] {
    [1, 2].map(|_| Node { has_others: true, ..Node::new() })
}

/// State of a session, signed.
fn state(n: u32) -> String {
    format!(".eJ{}.{:06}.c2lnbmF0dXJlLW9mLWl0", value(n), n)
}

/// A request with the cookie `name`, or without.
fn with(agent: &str, name: &str, value: Option<&str>) -> FakeExchange {
    match value {
        Some(value) => from(agent).header("Cookie", format!("{name}={value}")),
        None => from(agent),
    }
}

#[test]
fn the_first_visitors_of_an_address_at_two_nodes_were_one_session() {
    let [mut one, mut two] = nodes();
    let address = Node::new().session(&from("a"));
    let mut sessions = Vec::new();
    for (node, n) in [(&mut one, 1), (&mut two, 2)] {
        assert_eq!(node.session(&from("a")), address);
        let cookie = format!("PHPSESSID={}", value(n));
        let session = node.session(&from("a").answered("Set-Cookie", &cookie));
        assert!(node.links.contains(&(address, LinkReason::Issued)), "{:?}", node.links);
        assert_eq!(node.session(&from("a").header("Cookie", &cookie)), session);
        assert_eq!(node.session(&from("a")), session, "it is the only one here");
        sessions.push(session);
    }
    assert_ne!(sessions[0], sessions[1]);
    assert!(!sessions.contains(&address));
}

#[test]
fn a_third_visitor_was_taken_for_the_second_if_the_first_went_on_at_another_node() {
    let [mut one, mut two] = nodes();
    let cookie = |n| format!("PHPSESSID={}", value(n));
    let [first, second] = [1, 2].map(|n| from("a").answered("Set-Cookie", cookie(n)));
    let a = one.session(&first);
    two.session(&from("a").header("Cookie", cookie(1)));
    two.session(&second);
    let b = one.session(&from("a").header("Cookie", cookie(2)));
    let c = one.session(&from("a"));
    assert!(c != a && c != b, "{c:?} of {a:?} and {b:?}");
}

#[test]
fn state_that_another_node_had_just_issued_was_of_the_address() {
    // The name of the second is not known to hold state, but the form of its value shows it.
    for (name, state) in [("session", state(1)), ("whatever", format!("Fe26.2*1*{}", value(1)))] {
        let [mut one, mut two] = nodes();
        let address = Node::new().session(&from("a"));
        one.session(&from("a").answered("Set-Cookie", format!("{name}={state}")));
        let told = one.links.clone();
        let there = two.session(&with("a", name, Some(&state)));
        assert_ne!(there, address, "{name}");
        let first = one.session(&with("a", name, Some(&state)));
        let is_told = told.iter().any(|(alias, _)| *alias == there);
        assert!(is_told || first == there, "{name}: {told:?}");
    }
}

#[test]
fn equal_state_of_two_addresses_at_two_nodes_joined_their_visitors() {
    let [mut one, mut two] = nodes();
    let issues = |agent| from(agent).answered("Set-Cookie", format!("session={}", state(0)));
    let brings = |agent| with(agent, "session", Some(&state(0)));
    let (first, second) = (one.session(&issues("a")), two.session(&issues("b")));
    assert_ne!(first, second);
    for node in [&mut one, &mut two] {
        let sessions = [node.session(&brings("a")), node.session(&brings("b"))];
        assert_ne!(sessions[0], sessions[1]);
    }
    // Later, nodes have heard of each other's links: a value goes on at another address.
    one.now_s += 60;
    assert_eq!(one.session(&brings("c")), one.session(&brings("a")));
}
