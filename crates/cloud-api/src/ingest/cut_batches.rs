//! Truncated batches that may be retried, with the number of lines that the baseline has learned.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::limits::MAX_CUT_BATCHES;

/// Keys of truncated batches, oldest first, with the number of lines learned.
#[derive(Debug, Default)]
pub struct CutBatches(Mutex<VecDeque<(String, u32)>>);

impl CutBatches {
    /// Returns the number of lines already learned of the batch `key`. Then records `cut` lines for a truncated batch,
    /// or forgets a complete one.
    pub fn advance(&self, key: &str, cut: Option<u32>) -> u32 {
        let mut batches = self.0.lock();
        let known = batches.iter().position(|(other, _)| other == key);
        let learned = known.and_then(|at| batches.remove(at)).map_or(0, |(_, lines)| lines);
        if let Some(cut) = cut {
            if batches.len() == MAX_CUT_BATCHES {
                batches.pop_front();
            }
            batches.push_back((key.to_owned(), learned.max(cut)));
        }
        learned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_learned_once_and_memory_is_bounded() {
        let batches = CutBatches::default();
        assert_eq!(batches.advance("a", Some(3)), 0);
        assert_eq!(batches.advance("a", Some(2)), 3);
        assert_eq!(batches.advance("a", None), 3);
        assert_eq!(batches.advance("a", None), 0);
        for n in 0..=MAX_CUT_BATCHES {
            batches.advance(&n.to_string(), Some(1));
        }
        assert_eq!((batches.advance("0", None), batches.advance("1", None)), (0, 1));
        assert!(batches.0.lock().len() < MAX_CUT_BATCHES);
    }
}
