//! Memo of clean values: a worker sees the same few again and again, such as its own host with a port or a
//! long `User-Agent`.

use crate::AttackKinds;
use crate::limits::{MAX_CLEAN_BYTES, MAX_CLEAN_VALUES};

/// The last clean values of one place.
#[derive(Debug, Default)]
pub(crate) struct CleanValues {
    /// Types that were looked for, name and value.
    known: Vec<(AttackKinds, Vec<u8>, Vec<u8>)>,
    next: usize,
}

impl CleanValues {
    /// Whether the value is known to contain nothing of `wanted`.
    pub(crate) fn know(&self, wanted: AttackKinds, name: &[u8], value: &[u8]) -> bool {
        self.known
            .iter()
            .any(|(of, of_name, known)| *of == wanted && known == value && of_name == name)
    }

    /// Remembers a clean value; replaces the oldest.
    pub(crate) fn add(&mut self, wanted: AttackKinds, name: &[u8], value: &[u8]) {
        if name.len() + value.len() > MAX_CLEAN_BYTES {
            return;
        }
        match self.known.get_mut(self.next) {
            Some((of, of_name, known)) => {
                *of = wanted;
                of_name.clear();
                of_name.extend_from_slice(name);
                known.clear();
                known.extend_from_slice(value);
            }
            None => self.known.push((wanted, name.to_vec(), value.to_vec())),
        }
        self.next = (self.next + 1) % MAX_CLEAN_VALUES;
    }
}
