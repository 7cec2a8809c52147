//! Batches that were spooled while in flight and that the cloud stored after all.

use std::collections::VecDeque;

use super::uplink::Batch;
use crate::limits::MAX_REMEMBERED_BATCHES;

/// Their names and lengths, oldest first.
#[derive(Debug, Default)]
pub(super) struct Delivered(VecDeque<(String, usize)>);

impl Delivered {
    pub(super) fn add(&mut self, batch: &Batch) {
        if self.0.len() == MAX_REMEMBERED_BATCHES {
            self.0.pop_front();
        }
        self.0.push_back((batch.name.clone(), batch.lines.len()));
    }

    /// Removes a batch. Returns whether it was one of them.
    pub(super) fn remove(&mut self, batch: &Batch) -> bool {
        let is_it =
            |(name, len): &(String, usize)| *name == batch.name && *len == batch.lines.len();
        self.0.iter().position(is_it).and_then(|at| self.0.remove(at)).is_some()
    }
}
