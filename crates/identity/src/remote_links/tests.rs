use std::collections::HashMap;

use api_sessions_extract::builtin::EntrySet;
use api_sessions_extract::testing::FakeExchange;
use proptest::prelude::*;

use super::*;
use crate::{Exchanged, Fallback, Hasher, Keys, Learned, Phase, learn, resolve_with};

const KEYS: Keys<'static> =
    Keys { own: &[], builtin: true, fallback: Fallback::IpUa, demoted: EntrySet::NONE };
const NOW: u32 = 1_700_000_000;

struct Node {
    handle: LinkHandle,
    hasher: Hasher,
}

impl Node {
    fn new() -> Self {
        let links = api_sessions_shm::testing::links(1 << 20);
        Self { handle: links.join(0, std::process::id()), hasher: Hasher::new(&[7; 32]) }
    }

    fn follow(&self) -> Follow<'_> {
        Follow { handle: &self.handle, now_s: NOW, tokens: true, has_others: true }
    }

    fn tell(&self, alias: SessionId, session: impl Into<Option<SessionId>>) {
        add_remote_link(&self.handle, NOW, RemoteLink { alias, session: session.into() });
    }

    /// The session of an exchange, its source, and the links for other nodes.
    fn serve(&self, exchange: &FakeExchange) -> (SessionId, &'static str, Vec<RemoteLink>) {
        let (mut scratch, mut found) = Default::default();
        let id = |namespace: Namespace, value: &[u8]| self.hasher.session_id(namespace, value);
        let follow = Some(self.follow());
        let resolution =
            resolve_with(KEYS, exchange, Phase::Access, id, follow, &mut scratch, &mut found);
        let exists = |_| false;
        let exchanged = Exchanged {
            exchange,
            keys: KEYS,
            is_new: false,
            id: &id,
            exists: &exists,
            known: None,
        };
        let mut learned = Learned::default();
        let (follow, scratch) = (self.follow(), &mut scratch);
        let moved = learn(follow, &exchanged, &resolution, scratch, &mut found, &mut learned);
        let resolution = moved.unwrap_or(resolution);
        let links = learned.links_of(resolution.id);
        let told =
            links.into_iter().map(|(alias, _)| RemoteLink { alias, session: Some(resolution.id) });
        (resolution.id, resolution.source().as_str(), told.collect())
    }
}

fn exchange(brings: &str, issues: Option<&str>) -> FakeExchange {
    let exchange = FakeExchange::get("/").header("User-Agent", "a").header("Cookie", brings);
    match issues {
        Some(cookie) => exchange.answered("Set-Cookie", format!("{cookie}; path=/")),
        None => exchange,
    }
}

fn value(n: u32) -> String {
    format!("{:016x}{n:016x}", u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn id(n: u8) -> SessionId {
    SessionId([n; 16])
}

/// A value issued by one node is followed on another once the link arrives, not before.
#[track_caller]
fn is_followed(old: &str, issued: &str) {
    let (one, two) = (Node::new(), Node::new());
    let (session, _, told) = one.serve(&exchange(old, Some(issued)));
    assert_ne!(two.serve(&exchange(issued, None)).0, session);
    told.iter().for_each(|told| add_remote_link(&two.handle, NOW, *told));
    let (there, source, _) = two.serve(&exchange(issued, None));
    assert_eq!((there, source), (session, "link"));
    // A value that the session receives there is known here.
    let newer = format!("PHPSESSID={}", value(7));
    let (_, _, told) = two.serve(&exchange(issued, Some(&newer)));
    told.iter().for_each(|told| add_remote_link(&one.handle, NOW, *told));
    assert_eq!(one.serve(&exchange(&newer, None)).0, session);
}

#[test]
fn a_value_that_another_node_issued_began_a_session() {
    is_followed(&format!("PHPSESSID={}", value(1)), &format!("PHPSESSID={}", value(2)));
}

#[test]
fn a_state_that_another_node_issued_was_nobodys() {
    let state = |n| format!("session=eyJhIjoi{}In0.aBcDeFgHiJkLmNoPqRsTuVwXyZ012345678", value(n));
    is_followed(&format!("PHPSESSID={}", value(1)), &state(2));
}

#[test]
fn what_is_told_twice_of_two_sessions_is_nobodys() {
    let node = Node::new();
    node.tell(id(1), id(8));
    assert_eq!(node.follow().session_of(id(1)), Some(id(8)));
    node.tell(id(1), id(8));
    assert_eq!(node.follow().session_of(id(1)), Some(id(8)));
    node.tell(id(1), id(9));
    assert_eq!(node.follow().session_of(id(1)), None);
    node.tell(id(1), id(8));
    assert_eq!(node.follow().session_of(id(1)), None, "for good");
    node.tell(id(2), id(8));
    node.tell(id(2), None);
    assert_eq!(node.follow().session_of(id(2)), None);
}

#[test]
fn ids_lead_on_and_never_round() {
    let node = Node::new();
    // In whatever order the links arrive.
    node.tell(id(3), id(2));
    node.tell(id(2), id(1));
    assert_eq!(node.follow().session_of(id(3)), Some(id(1)));
    node.tell(id(3), id(1));
    assert_eq!(node.follow().session_of(id(3)), Some(id(1)), "the same session");
    node.tell(id(1), id(3));
    assert_eq!(node.follow().session_of(id(1)), None);
    assert_eq!(node.follow().session_of(id(3)), Some(id(1)));
}

#[test]
fn without_anything_told_nothing_is_looked_up() {
    let node = Node::new();
    assert!(!node.handle.links().has_remote());
    assert_eq!(node.follow().session_of(id(1)), None);
}

proptest! {
    /// Two visitors at two nodes, with links arriving in any order, never become one session.
    #[test]
    fn two_visitors_are_never_joined_across_nodes(
        steps in prop::collection::vec((0..2u32, 0..2usize, any::<bool>(), any::<bool>()), 1..40),
    ) {
        let nodes = [Node::new(), Node::new()];
        let mut waiting = Vec::new();
        let mut number = [0; 2];
        let mut sessions: HashMap<SessionId, u32> = HashMap::new();
        let cookie = |visitor: u32, n: u32| format!("PHPSESSID={}", value(1000 * (visitor + 1) + n));
        for (visitor, at, rotates, tells) in steps {
            let n = &mut number[visitor as usize];
            let (old, new) = (cookie(visitor, *n), cookie(visitor, *n + 1));
            *n += u32::from(rotates);
            let (session, _, told) = nodes[at].serve(&exchange(&old, rotates.then_some(&*new)));
            prop_assert_eq!(*sessions.entry(session).or_insert(visitor), visitor);
            waiting.extend(told);
            if tells {
                for told in waiting.drain(..) {
                    nodes.iter().for_each(|node| add_remote_link(&node.handle, NOW, told));
                }
            }
        }
        // Once all links have arrived, the last value identifies one session everywhere.
        for told in waiting {
            nodes.iter().for_each(|node| add_remote_link(&node.handle, NOW, told));
        }
        for visitor in 0..2 {
            let last = exchange(&cookie(visitor, number[visitor as usize]), None);
            prop_assert_eq!(nodes[0].serve(&last).0, nodes[1].serve(&last).0);
        }
    }
}
