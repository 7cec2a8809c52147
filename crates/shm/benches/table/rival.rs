//! A tree by id and a list by last use, under one lock.

use std::collections::BTreeMap;

use api_sessions_protocol::SessionId;
use parking_lot::Mutex;

#[derive(Clone, Default)]
struct Node {
    newer: usize,
    older: usize,
    requests: u64,
    last_seen_ms: u64,
    rest: [u64; 10],
}

struct State {
    tree: BTreeMap<[u8; 16], usize>,
    /// The first is the head of the list.
    nodes: Vec<Node>,
}

pub(crate) struct Rival(Mutex<State>);

impl Rival {
    pub(crate) fn new(sessions: usize) -> Self {
        let mut nodes = Vec::with_capacity(sessions + 1);
        nodes.push(Node::default());
        Self(Mutex::new(State { tree: BTreeMap::new(), nodes }))
    }

    pub(crate) fn count(&self, id: &SessionId) -> (u64, [u64; 10]) {
        let state = &mut *self.0.lock();
        let nodes = &mut state.nodes;
        let at = *state.tree.entry(id.0).or_insert_with(|| {
            nodes.push(Node::default());
            nodes.len() - 1
        });
        let (newer, older) = (nodes[at].newer, nodes[at].older);
        if nodes[at].requests > 0 {
            (nodes[newer].older, nodes[older].newer) = (older, newer);
        }
        let first = nodes[0].older;
        (nodes[at].newer, nodes[at].older) = (0, first);
        (nodes[0].older, nodes[first].newer) = (at, at);
        let node = &mut nodes[at];
        node.requests += 1;
        node.last_seen_ms = 2;
        node.rest[0] += 1;
        (node.requests, node.rest)
    }
}
