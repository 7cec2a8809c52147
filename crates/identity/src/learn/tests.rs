use std::collections::HashSet;

use api_sessions_extract::builtin::EntrySet;
use api_sessions_extract::testing::FakeExchange;
use api_sessions_protocol::SessionId;
use api_sessions_shm::LinkHandle;

use super::*;
use crate::{Fallback, Hasher, Keys, Phase, resolve_with};

mod fleet;
mod tokens;
mod users;

/// A node that processes each exchange as the module does.
struct Node {
    handle: LinkHandle,
    hasher: Hasher,
    now_s: u32,
    has_others: bool,
    sessions: HashSet<SessionId>,
    /// Links from the last exchange.
    links: Vec<(SessionId, LinkReason)>,
}

const KEYS: Keys<'static> =
    Keys { own: &[], builtin: true, fallback: Fallback::IpUa, demoted: EntrySet::NONE };

impl Node {
    fn new() -> Self {
        let links = api_sessions_shm::testing::links(1 << 20);
        Self {
            handle: links.join(0, std::process::id()),
            hasher: Hasher::new(&[7; 32]),
            now_s: 1_700_000_000,
            has_others: false,
            sessions: HashSet::new(),
            links: Vec::new(),
        }
    }

    /// The session of an exchange, and `$api_session_source`.
    fn serve(&mut self, exchange: &FakeExchange, user: &str) -> (SessionId, String, String) {
        let (mut scratch, mut found) = Default::default();
        let Self { handle, now_s, has_others, .. } = self;
        let follow = Follow { handle, now_s: *now_s, tokens: true, has_others: *has_others };
        let id = |namespace: Namespace, value: &[u8]| self.hasher.session_id(namespace, value);
        let follows = Some(follow);
        let mut resolution =
            resolve_with(KEYS, exchange, Phase::Access, id, follows, &mut scratch, &mut found);
        if !user.is_empty()
            && resolution.found_by.is_key()
            && follow.is_another_user(resolution.id, user.as_bytes())
        {
            let session = cut(follow, exchange, resolution.id, user.as_bytes(), KEYS.fallback, &id);
            resolution = Resolution { id: session, followed: true, ..resolution };
        }
        let exists = |session| self.sessions.contains(&session);
        let exchanged = Exchanged {
            exchange,
            keys: KEYS,
            is_new: !self.sessions.contains(&resolution.id),
            id: &id,
            exists: &exists,
            known: None,
        };
        let mut learned = Learned::default();
        let moved = learn(follow, &exchanged, &resolution, &mut scratch, &mut found, &mut learned);
        let resolution = moved.unwrap_or(resolution);
        self.sessions.insert(resolution.id);
        self.links = learned.links_of(resolution.id);
        let source = resolution.source().as_str().to_owned();
        (resolution.id, source, resolution.label.as_str().to_owned())
    }

    fn session(&mut self, exchange: &FakeExchange) -> SessionId {
        self.serve(exchange, "").0
    }
}

/// A POST of JSON, answered with JSON.
fn post(agent: &str, sent: &str, answer: &str) -> FakeExchange {
    let exchange = FakeExchange::post("/").header("User-Agent", agent);
    let exchange = exchange.body("application/json", sent);
    exchange.answered_body("application/json; charset=utf-8", answer)
}

fn bearer(agent: &str, token: &str) -> FakeExchange {
    from(agent).header("Authorization", format!("Bearer {token}"))
}

fn jwt(user: &str, n: u32) -> String {
    use base64::Engine;
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let payload = format!(r#"{{"iss":"i","sub":"{user}","jti":"{n}"}}"#);
    format!("{}.{}.c2ln", part(r#"{"alg":"none"}"#), part(&payload))
}

fn from(agent: &str) -> FakeExchange {
    FakeExchange::get("/").header("User-Agent", agent)
}

fn value(n: u32) -> String {
    format!("{:016x}{n:016x}", u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[test]
fn a_new_id_at_login_split_the_session() {
    let mut node = Node::new();
    let old = format!("PHPSESSID={}", value(1));
    let page = node.session(&from("a").header("Cookie", &old));
    let new = format!("PHPSESSID={}", value(2));
    let login = node.session(
        &from("a").header("Cookie", &old).answered("Set-Cookie", format!("{new}; path=/")),
    );
    let (after, source, label) = node.serve(&from("a").header("Cookie", &new), "");
    assert_eq!((page, after), (login, page));
    assert_eq!((&*source, &*label), ("link", "PHPSESSID"));
    // Three tabs refresh from one old value.
    for n in 10..13 {
        let set = format!("PHPSESSID={}", value(n));
        node.session(&from("a").header("Cookie", &new).answered("Set-Cookie", &set));
        assert_eq!(node.session(&from("a").header("Cookie", &set)), page);
    }
}

#[test]
fn the_first_answer_settles_its_own_request() {
    let mut node = Node::new();
    let mcp = |n| from("mcp").answered("Mcp-Session-Id", value(n));
    let first = node.session(&mcp(1));
    assert_eq!(node.session(&from("mcp").header("Mcp-Session-Id", value(1))), first);
    let (second, source, label) = node.serve(&mcp(2), "");
    assert_ne!(second, first);
    assert_eq!((&*source, &*label), ("link", "Mcp-Session-Id"));
    assert_eq!(node.session(&from("mcp").header("Mcp-Session-Id", value(2))), second);
}

#[test]
fn an_ended_session_of_mcp_goes_on_in_the_next() {
    let mut node = Node::new();
    let initialize = |n| from("mcp").answered("Mcp-Session-Id", value(n));
    let first = node.session(&initialize(1));
    let mut end = from("mcp").header("Mcp-Session-Id", value(1));
    (end.method, end.status) = (b"DELETE".to_vec(), Some(200));
    assert_eq!(node.session(&end), first);
    assert_eq!(node.session(&initialize(2)), first);
    assert_eq!(node.session(&from("mcp").header("Mcp-Session-Id", value(2))), first);
}

#[test]
fn a_client_without_cookies_was_a_session_a_request() {
    let mut node = Node::new();
    let guess = |n| from("guesser").answered("Set-Cookie", format!("PHPSESSID={}", value(n)));
    let sessions: HashSet<_> = (0..50).map(|n| node.session(&guess(n))).collect();
    assert_eq!(sessions.len(), 1);
}

#[test]
fn values_that_two_have_are_nobodys_for_good() {
    let mut node = Node::new();
    let set = format!("remember_me={}", value(1));
    let ann = from("a").header("Cookie", format!("PHPSESSID={}", value(2)));
    let bob = from("b").header("Cookie", format!("PHPSESSID={}", value(3)));
    let of_ann = node.session(&ann.answered("Set-Cookie", &set));
    let of_bob = node.session(&bob.answered("Set-Cookie", &set));
    assert_ne!(of_ann, of_bob);
    for agent in ["a", "b", "c"] {
        let session = node.session(&from(agent).header("Cookie", &set));
        assert!(session != of_ann || agent == "a");
        assert!(session != of_bob || agent == "b");
    }
    // Also a key of the set: a cached page issues it to everybody.
    let shared = format!("PHPSESSID={}", value(9));
    for agent in ["x", "y"] {
        node.session(&from(agent).answered("Set-Cookie", &shared));
    }
    let (x, y) = (from("x").header("Cookie", &shared), from("y").header("Cookie", &shared));
    assert_ne!(node.session(&x), node.session(&y));
}

#[test]
fn an_equal_state_elsewhere_took_a_visitor_out_of_its_session() {
    let mut node = Node::new();
    let state = |n| format!("session={}", value(n));
    let set = |agent, n| from(agent).answered("Set-Cookie", format!("{}; path=/", state(n)));
    // Ann and Bob have equal states before login and after logout.
    let of_ann = node.session(&set("ann", 1));
    let of_bob = node.session(&set("bob", 1));
    assert_ne!(of_ann, of_bob);
    for _ in 0..2 {
        for (agent, session, n) in [("ann", of_ann, 10), ("bob", of_bob, 20)] {
            assert_eq!(node.session(&from(agent).header("Cookie", state(1))), session);
            let login = set(agent, n).header("Cookie", state(1));
            assert_eq!(node.session(&login), session);
            assert_eq!(node.session(&from(agent).header("Cookie", state(n))), session);
            let logout = set(agent, 1).header("Cookie", state(n));
            assert_eq!(node.session(&logout), session);
            assert_eq!(node.session(&from(agent).header("Cookie", state(1))), session);
        }
    }
    // Deleted and issued again.
    let deletion = "session=; Max-Age=0";
    let deleted = from("bob").header("Cookie", state(20)).answered("Set-Cookie", deletion);
    assert_eq!(node.session(&deleted), of_bob);
    assert_eq!(node.session(&set("bob", 1)), of_bob);
    assert_eq!(node.session(&from("bob").header("Cookie", state(1))), of_bob);
    // At another address it identifies nobody.
    let elsewhere = node.session(&from("carl").header("Cookie", state(1)));
    assert!(elsewhere != of_ann && elsewhere != of_bob);
    // A second client at Ann's address, and one at Bob's, who was not the first to have the value.
    for (agent, first, n) in [("ann", of_ann, 30), ("bob", of_bob, 40)] {
        let other = node.session(&set(agent, n));
        assert_ne!(node.session(&from(agent).header("Cookie", state(n))), first);
        assert_ne!(other, first);
        node.session(&set(agent, 1).header("Cookie", state(n)));
        assert_ne!(node.session(&from(agent).header("Cookie", state(1))), first);
    }
}

#[test]
fn an_equal_state_beside_another_is_nobodys_there() {
    let mut node = Node::new();
    let set = format!("session={}; path=/", value(1));
    // Two clients without identity; then two with sessions; then one of each.
    let arrives = from("a").answered("Set-Cookie", &set);
    let known = |n| from("b").header("Cookie", format!("PHPSESSID={}", value(n)));
    let knowns = from("c").header("Cookie", format!("PHPSESSID={}", value(4)));
    for (agent, answers) in [
        ("a", [arrives.clone(), arrives]),
        ("b", [2, 3].map(|n| known(n).answered("Set-Cookie", &set))),
        ("c", [knowns.answered("Set-Cookie", &set), from("c").answered("Set-Cookie", &set)]),
    ] {
        for answer in answers {
            node.session(&answer);
        }
        let brought = from(agent).header("Cookie", format!("session={}", value(1)));
        assert_ne!(node.serve(&brought, "").1, "link", "{agent}");
    }
}

#[test]
fn browsers_that_come_at_the_same_moment_were_one_session() {
    let mut node = Node::new();
    let arrives = |n| {
        let set = format!("PHPSESSID={}; path=/", value(n));
        from("office").header("Cookie", "theme=dark").answered("Set-Cookie", set)
    };
    let sessions: HashSet<_> = (0..6).map(|n| node.session(&arrives(n))).collect();
    assert_eq!(sessions.len(), 6);
    let back: HashSet<_> = (0..6)
        .map(|n| {
            let cookie = format!("theme=dark; PHPSESSID={}", value(n));
            node.session(&from("office").header("Cookie", cookie))
        })
        .collect();
    assert_eq!(back, sessions);
    // A client that sends a cookie but keeps none makes a few sessions, not one per request.
    let sessions: HashSet<_> = (100..200).map(|n| node.session(&arrives(n))).collect();
    assert!(sessions.len() <= 20, "{}", sessions.len());
}

#[test]
fn each_refresh_of_a_token_began_a_session() {
    for (first, agent) in [
        (r#"{"data":{"login":{"token":"TOKEN","user":{"name":"ann"}}}}"#, "graphql"),
        (r#"{"access_token":"TOKEN","refresh_token":"REFRESH","token_type":"Bearer"}"#, "oauth"),
        (
            r#"{"tokens":{"access":{"value":"TOKEN","expires":"2030-01-01T00:00:00.000Z"},"x":["REFRESH"]}}"#,
            "deep",
        ),
    ] {
        let mut node = Node::new();
        let answer = |n| first.replace("TOKEN", &value(n)).replace("REFRESH", &value(n + 50));
        let login = node.session(&post(agent, r#"{"user":"ann"}"#, &answer(1)));
        let (page, source, label) = node.serve(&bearer(agent, &value(1)), "");
        assert_eq!((page, &*source, &*label), (login, "link", "Authorization"), "{agent}");
        // Another client, so that the address identifies nobody.
        let other = node.session(&post(agent, "{}", &answer(7)));
        assert_ne!(node.session(&bearer(agent, &value(7))), login);
        assert_eq!(node.session(&bearer(agent, &value(7))), other);
        // Without `Authorization`, only by the body.
        let refresh = |n| format!(r#"{{"refreshToken":"{}"}}"#, value(n));
        let old = if agent == "graphql" { 1 } else { 51 };
        assert_eq!(node.session(&post(agent, &refresh(old), &answer(2))), login, "{agent}");
        assert_eq!(node.session(&bearer(agent, &value(2))), login, "{agent}");
        let form = format!("grant_type=refresh_token&refresh_token={}", value(2));
        let form = FakeExchange::post("/").body("application/x-www-form-urlencoded", form);
        let form = form.header("User-Agent", agent).answered_body("application/json", answer(3));
        assert_eq!(node.session(&form), login, "{agent}");
        assert_eq!(node.session(&bearer(agent, &value(3))), login, "{agent}");
    }
}

#[test]
fn what_is_no_token_is_not_followed() {
    let mut node = Node::new();
    let answer = format!(
        r#"{{"csrfToken":"{0}","token_type":"{0}","id":"{0}","tokenExpiresAt":"{0}","token":"short"}}"#,
        value(1)
    );
    let session = node.session(&post("a", "{}", &answer));
    node.session(&from("a").header("Cookie", format!("PHPSESSID={}", value(2))));
    assert_ne!(node.session(&bearer("b", &value(1))), session);
    assert_eq!(node.serve(&bearer("b", &value(1)), "").1, "builtin");
    // Nor in responses to GET.
    let get = from("a").answered_body("application/json", format!(r#"{{"token":"{}"}}"#, value(3)));
    node.session(&get);
    assert_eq!(node.serve(&bearer("a", &value(3)), "").1, "builtin");
}

#[test]
fn the_tokens_of_two_users_are_two_sessions() {
    let mut node = Node::new();
    let answer = |user, n| format!(r#"{{"token":"{}"}}"#, jwt(user, n));
    // Two people log in one after the other, in one browser that keeps its cookie.
    let jar = format!("lb={}", value(1));
    let begin = node.session(&from("a").answered("Set-Cookie", &jar));
    let login = |user, n| post("a", "{}", &answer(user, n)).header("Cookie", &jar);
    assert_eq!(node.session(&login("ann", 1)), begin);
    let page = |user, n| bearer("a", &jwt(user, n)).header("Cookie", &jar);
    assert_eq!(node.session(&page("ann", 1)), begin);
    node.session(&login("bob", 2));
    let bob = node.session(&page("bob", 2));
    assert_ne!(bob, begin);
    assert_eq!(node.session(&page("bob", 2)), bob);
    assert_eq!(node.session(&page("ann", 1)), begin);
    // A renewed token, and one for another audience.
    node.session(&login("ann", 3));
    assert_eq!(node.session(&page("ann", 3)), begin);
}

#[test]
fn a_proxy_that_keeps_cookies_for_all_merged_its_users() {
    let mut node = Node::new();
    let token = |user: &str| {
        use base64::Engine;
        let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let payload = format!(r#"{{"iss":"i","sub":"{user}"}}"#);
        format!("Bearer {}.{}.c2ln", part(r#"{"alg":"none"}"#), part(&payload))
    };
    let balancer = format!("AWSALB={}", value(1));
    let ann = from("bff").header("Authorization", token("ann"));
    let of_ann = node.session(&ann.clone().answered("Set-Cookie", &balancer));
    let bob = from("bff").header("Authorization", token("bob")).header("Cookie", &balancer);
    assert_ne!(node.session(&bob), of_ann);
    assert_eq!(node.session(&ann.header("Cookie", &balancer)), of_ann);
}

#[test]
fn another_user_begins_a_session_of_its_own() {
    let mut node = Node::new();
    let jar = |n| from("a").header("Cookie", format!("sid={}", value(n)));
    let ann = node.serve(&jar(1), "ann").0;
    assert_eq!(node.serve(&jar(1), "").0, ann);
    let rotated = jar(1).answered("Set-Cookie", format!("sid={}", value(2)));
    assert_eq!(node.serve(&rotated, "ann").0, ann);
    let bob = node.serve(&jar(2), "bob").0;
    assert_ne!(bob, ann);
    assert_eq!(node.serve(&jar(2), "bob").0, bob);
    assert_eq!(node.serve(&jar(1), "ann").0, ann);
}

#[test]
fn an_address_goes_on_in_its_only_session_and_back() {
    let mut node = Node::new();
    let cookie = |n| format!("PHPSESSID={}", value(n));
    let set = |n| format!("{}; path=/", cookie(n));
    let anonymous = node.session(&from("a"));
    assert_eq!(node.session(&from("a").answered("Set-Cookie", set(1))), anonymous);
    assert_eq!(node.session(&from("a").header("Cookie", cookie(1))), anonymous);
    // Assets without cookies, logout, and the next login.
    assert_eq!(node.session(&from("a")), anonymous);
    let deletion = "PHPSESSID=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0";
    let logout = from("a").header("Cookie", cookie(1)).answered("Set-Cookie", deletion);
    assert_eq!(node.session(&logout), anonymous);
    assert_eq!(node.session(&from("a").answered("Set-Cookie", set(2))), anonymous);
    assert_eq!(node.session(&from("a").header("Cookie", cookie(2))), anonymous);
    // Another user: the address is shared from now on.
    let other = node.session(&from("a").answered("Set-Cookie", set(3)));
    assert_ne!(other, anonymous);
    assert_eq!(node.session(&from("a").header("Cookie", cookie(3))), other);
    let shared = node.session(&from("a"));
    assert!(shared != other && shared != anonymous);
}

#[test]
fn what_is_weak_or_made_up_is_not_followed() {
    let mut node = Node::new();
    let ann = from("a").header("Cookie", format!("PHPSESSID={}", value(1)));
    for weak in
        ["theme=dark", "lang=en", "next=https://example.com/a/b/1", "name=alice smith 1234567"]
    {
        node.session(&ann.clone().answered("Set-Cookie", weak));
        let (_, source, _) = node.serve(&from("b").header("Cookie", weak), "");
        assert_eq!(source, "ip_ua", "{weak}");
    }
    let made_up = format!("_ga={}", value(5));
    node.session(&ann.header("Cookie", &made_up));
    assert_eq!(node.serve(&from("c").header("Cookie", &made_up), "").1, "ip_ua");
}

#[test]
fn a_record_tells_other_nodes_what_was_issued() {
    let mut node = Node::new();
    let alias = |node: &Node, n| node.hasher.session_id(Namespace::Value, value(n).as_bytes());
    let set = |n| format!("PHPSESSID={}; path=/", value(n));
    let cookie = |n| format!("PHPSESSID={}", value(n));
    // The session of the address continues.
    let session = node.session(&from("a").answered("Set-Cookie", set(1)));
    assert_eq!(node.links, [(alias(&node, 1), LinkReason::Issued)]);
    // The same value again adds no link.
    node.session(&from("a").header("Cookie", cookie(1)).answered("Set-Cookie", set(1)));
    assert_eq!(node.links, []);
    let login = FakeExchange::post("/").header("User-Agent", "a").header("Cookie", cookie(1));
    assert_eq!(node.session(&login.answered("Set-Cookie", set(2))), session);
    assert_eq!(node.links, [(alias(&node, 2), LinkReason::Login)]);
    node.session(&from("a").header("Cookie", cookie(2)).answered("Set-Cookie", set(3)));
    assert_eq!(node.links, [(alias(&node, 3), LinkReason::Rotated)]);
    // Issued to another session: demoted.
    node.session(&from("b").header("Cookie", cookie(9)));
    node.session(&from("b").header("Cookie", cookie(9)).answered("Set-Cookie", set(3)));
    assert_eq!(node.links, [(alias(&node, 3), LinkReason::Demoted)]);
}
