//! Values of `User-Agent` that held nothing: they are long, and a worker sees the same few again and again.

use crate::AttackKinds;

const MAX_AGENTS: usize = 16;
/// Longest value that is remembered.
const MAX_BYTES: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Agents {
    known: Vec<(AttackKinds, Vec<u8>)>,
    next: usize,
}

impl Agents {
    /// Nothing of `wanted` was in it.
    pub(crate) fn know(&self, wanted: AttackKinds, agent: &[u8]) -> bool {
        self.known.iter().any(|(of, known)| *of == wanted && known == agent)
    }

    /// Remembers it in place of the oldest.
    pub(crate) fn add(&mut self, wanted: AttackKinds, agent: &[u8]) {
        if agent.len() > MAX_BYTES {
            return;
        }
        match self.known.get_mut(self.next) {
            Some((of, known)) => {
                *of = wanted;
                known.clear();
                known.extend_from_slice(agent);
            }
            None => self.known.push((wanted, agent.to_vec())),
        }
        self.next = (self.next + 1) % MAX_AGENTS;
    }
}
