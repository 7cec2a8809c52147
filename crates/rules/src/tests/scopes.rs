use api_sessions_extract::NoVariables;
use proptest::prelude::*;

use crate::{Rule, Scopes, from_words};

fn rule(name: usize, on: Option<&str>) -> Rule {
    let (name, on) = (format!("r{name}"), on.map(|on| format!("on={on}")));
    let mut words = vec![name.as_str(), "over=1/1m"];
    words.extend(on.as_deref());
    Rule::new(from_words(&words).unwrap(), &mut NoVariables).unwrap()
}

fn found(on: &str, method: &str, path: &str) -> bool {
    let rule = rule(0, Some(on));
    let scopes = Scopes::new([&rule].into_iter());
    !scopes.matches(method.as_bytes(), path.as_bytes()).is_empty()
}

#[test]
fn stars_are_segments() {
    for (on, path, is_in) in [
        ("/", "/", true),
        ("/", "/a", false),
        ("/login", "/login", true),
        ("/login", "/login/", false),
        ("/login", "/logins", false),
        ("/login", "/Login", false),
        ("/orders/*", "/orders/7", true),
        ("/orders/*", "/orders/", false),
        ("/orders/*", "/orders/7/items", false),
        ("/orders/**", "/orders", true),
        ("/orders/**", "/orders/", true),
        ("/orders/**", "/orders/7/items", true),
        ("/orders/**", "/order", false),
        ("/**", "/", true),
        ("/**/admin", "/admin", true),
        ("/**/admin", "/a/b/admin", true),
        ("/**/admin", "/a/admin/b", false),
        ("/a/**/z", "/a/z", true),
        ("/a/**/z", "/a/z/z", true),
        ("/a/**/z", "/a/b/c", false),
        ("/a/**/b/*/c", "/a/b/b/b/c", true),
    ] {
        assert_eq!(found(on, "GET", path), is_in, "{on} {path}");
    }
    assert!(found("POST,PUT:/a", "PUT", "/a"));
    assert!(!found("POST,PUT:/a", "GET", "/a"));
    assert!(found("/a", "HEAD", "/a"));
}

#[test]
fn a_rule_without_scope_is_about_all() {
    let rules = [rule(0, None), rule(1, Some("GET:/**")), rule(2, Some("POST:/a"))];
    let scopes = Scopes::new(rules.iter());
    let of = |method: &[u8], path: &[u8]| scopes.matches(method, path).iter().collect::<Vec<_>>();
    assert_eq!(of(b"GET", b"/a"), [0, 1]);
    assert_eq!(of(b"POST", b"/a"), [0, 2]);
    assert_eq!(of(b"OPTIONS", b"*"), [0]);
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("ab".to_owned()),
        Just(String::new())
    ]
}

fn pattern() -> impl Strategy<Value = String> {
    let segment =
        prop_oneof![3 => segment(), 1 => Just("*".to_owned()), 1 => Just("**".to_owned())];
    let methods = prop_oneof![Just(""), Just("GET:"), Just("POST,GET:"), Just("PUT:")];
    (methods, proptest::collection::vec(segment, 1..7))
        .prop_map(|(methods, segments)| format!("{methods}/{}", segments.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_automaton_finds_what_each_scope_finds(
        patterns in proptest::collection::vec(pattern(), 1..100),
        path in proptest::collection::vec(segment(), 1..8),
        method in prop_oneof![Just("GET"), Just("POST"), Just("PATCH")],
    ) {
        let rules: Vec<Rule> = patterns.iter().enumerate().map(|(n, on)| rule(n, Some(on))).collect();
        let path = format!("/{}", path.join("/"));
        let found: Vec<usize> =
            Scopes::new(rules.iter()).matches(method.as_bytes(), path.as_bytes()).iter().collect();
        let expected: Vec<usize> = (0..rules.len())
            .filter(|at| {
                rules[*at].on.as_ref().unwrap().matches(method.as_bytes(), path.as_bytes())
            })
            .collect();
        prop_assert_eq!(found, expected, "{:?} {}", patterns, path);
    }
}
