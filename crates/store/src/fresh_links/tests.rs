use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

fn id(n: u8) -> SessionId {
    SessionId([n; 16])
}

fn told(links: &FreshLinks, after: u64) -> (Vec<(String, Option<String>)>, u64) {
    let (links, to) = links.since(after);
    (links.into_iter().map(|link| (link.alias, link.session)).collect(), to)
}

fn hex(n: u8) -> String {
    id(n).to_string()
}

#[test]
fn a_node_hears_each_change_once() {
    let links = FreshLinks::default();
    assert!(links.add([(id(1), Some(id(9)))]));
    let (first, to) = told(&links, 0);
    assert_eq!(first, [(hex(1), Some(hex(9)))]);
    assert_eq!(told(&links, to), (vec![], to));
    assert!(!links.add([(id(1), Some(id(9))), (id(9), Some(id(9)))]), "nothing new");
    assert!(links.add([(id(2), Some(id(1)))]));
    let (second, to) = told(&links, to);
    assert_eq!(second, [(hex(2), Some(hex(9)))], "by the session that it leads to");
    // Of another process of the cloud.
    assert_eq!(told(&links, to + 1).0.len(), 2);
}

#[test]
fn what_two_sessions_claim_is_nobodys_for_good() {
    let links = FreshLinks::default();
    links.add([(id(1), Some(id(8)))]);
    let (_, to) = told(&links, 0);
    links.add([(id(1), Some(id(9)))]);
    let (new, to) = told(&links, to);
    assert_eq!(new, [(hex(1), None)]);
    assert!(!links.add([(id(1), Some(id(8))), (id(1), None)]));
    assert_eq!(told(&links, to).0, []);
    // Two ids of one session are one.
    links.add([(id(2), Some(id(7))), (id(3), Some(id(2))), (id(3), Some(id(7)))]);
    assert_eq!(told(&links, to).0, [(hex(2), Some(hex(7))), (hex(3), Some(hex(7)))]);
}

#[test]
fn the_newest_are_kept() {
    let links = FreshLinks::default();
    let alias = |n: usize| {
        let mut id = [1; 16];
        id[..8].copy_from_slice(&n.to_le_bytes());
        SessionId(id)
    };
    for n in 0..MAX_FRESH_LINKS + 10 {
        links.add([(alias(n), Some(id(9)))]);
    }
    let (kept, _) = told(&links, 0);
    assert_eq!(kept.len(), MAX_FRESH_LINKS);
    assert_eq!(kept[0].0, alias(10).to_string());
}

proptest! {
    /// Whatever is said in whatever order, a node that asks at any time ends up with what one has that asks once, and
    /// an alias that two unrelated sessions claim leads nowhere.
    #[test]
    fn asking_often_and_once_give_the_same(
        said in prop::collection::vec((0..6u8, prop::option::weighted(0.9, 10..14u8), any::<bool>()), 0..30),
    ) {
        let links = FreshLinks::default();
        let (mut often, mut to) = (HashMap::new(), 0);
        let mut claimed: HashMap<u8, HashSet<Option<u8>>> = HashMap::new();
        for (alias, session, asks) in said {
            links.add([(id(alias), session.map(id))]);
            claimed.entry(alias).or_default().insert(session);
            if asks {
                let (new, next) = told(&links, to);
                often.extend(new);
                to = next;
            }
        }
        often.extend(told(&links, to).0);
        let once: HashMap<_, _> = told(&links, 0).0.into_iter().collect();
        prop_assert_eq!(&often, &once);
        for (alias, sessions) in claimed {
            let expected = match sessions.iter().collect::<Vec<_>>()[..] {
                [Some(session)] => Some(hex(*session)),
                _ => None,
            };
            prop_assert_eq!(&once[&hex(alias)], &expected);
        }
    }
}
