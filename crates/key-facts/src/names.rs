//! Selects the names to measure: since clients choose names, only those that occur repeatedly get a slot.

/// Occurrences after which a name is considered.
const COMES: u8 = 4;
const SLOTS: usize = 256;
/// Slots in which occurrences of a name may be counted, so that names with the same first slot do not evict
/// each other.
const PROBES: usize = 8;

/// State of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// A key or candidate, with its index.
    Key(usize),
    /// Not measured.
    Ignored,
    /// Unknown, with the number of occurrences that are remembered.
    New(u8),
}

/// Names by their hash.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// Hash and index of keys.
    keys: [(u32, u8); SLOTS],
    ignored: [u32; SLOTS],
    /// Occurrences of other names; the least frequent one gives way.
    comes: [(u32, u8); SLOTS],
}

impl Default for Names {
    fn default() -> Self {
        Self { keys: [(0, 0); SLOTS], ignored: [0; SLOTS], comes: [(0, 0); SLOTS] }
    }
}

/// All slots, beginning with the first one of a hash.
fn slots(hash: u32) -> impl Iterator<Item = usize> {
    (0..SLOTS).map(move |probe| (hash as usize + probe) % SLOTS)
}

impl Names {
    /// Looks up a name and counts its occurrence.
    #[inline]
    pub(crate) fn look(&mut self, hash: u32) -> Known {
        for slot in slots(hash) {
            match self.keys.get(slot) {
                Some((known, at)) if *known == hash => return Known::Key((*at).into()),
                Some((0, _)) | None => break,
                Some(_) => {}
            }
        }
        if slots(hash).take(2).any(|slot| self.ignored.get(slot) == Some(&hash)) {
            return Known::Ignored;
        }
        Known::New(self.count(hash))
    }

    /// Counts an occurrence. Returns how many are remembered.
    fn count(&mut self, hash: u32) -> u8 {
        let mut least = (hash as usize % SLOTS, u8::MAX);
        for slot in slots(hash).take(PROBES) {
            match self.comes.get_mut(slot) {
                Some((known, comes)) if *known == hash => {
                    *comes = comes.saturating_add(1);
                    return *comes;
                }
                Some((_, comes)) if *comes < least.1 => least = (slot, *comes),
                _ => {}
            }
        }
        if let Some(evicted) = self.comes.get_mut(least.0) {
            match evicted.1 {
                0 | 1 => *evicted = (hash, 1),
                _ => evicted.1 -= 1,
            }
        }
        1
    }

    /// Whether a name has occurred often enough.
    pub(crate) fn is_often(comes: u8) -> bool {
        comes >= COMES
    }

    pub(crate) fn ignore(&mut self, hash: u32) {
        let free = slots(hash).take(2).find(|slot| self.ignored.get(*slot) == Some(&0));
        let slot = free.unwrap_or(hash as usize % SLOTS);
        if let Some(ignored) = self.ignored.get_mut(slot) {
            *ignored = hash;
        }
    }

    /// Rebuilds the table of keys from their hashes, in the order of their indexes.
    pub(crate) fn rebuild(&mut self, hashes: impl Iterator<Item = u32>) {
        self.keys = [(0, 0); SLOTS];
        for (at, hash) in hashes.enumerate() {
            let free = slots(hash).find(|slot| self.keys.get(*slot).is_some_and(|key| key.0 == 0));
            if let Some(key) = free.and_then(|slot| self.keys.get_mut(slot)) {
                *key = (hash, u8::try_from(at).unwrap_or_default());
            }
        }
    }

    /// Forgets ignored names, since the configured keys may have changed.
    pub(crate) fn forget_ignored(&mut self) {
        self.ignored = [0; SLOTS];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_NAMES;

    #[test]
    fn names_with_the_same_slot_were_never_often() {
        let mut names = Names::default();
        // All have the same first slot.
        let hashes: Vec<u32> = (1..=PROBES as u32).map(|n| n * SLOTS as u32 + 7).collect();
        let rounds: Vec<Vec<Known>> =
            (0..COMES).map(|_| hashes.iter().map(|hash| names.look(*hash)).collect()).collect();
        for (round, known) in rounds.into_iter().enumerate() {
            let comes = Known::New(round as u8 + 1);
            assert_eq!(known, vec![comes; PROBES]);
        }
    }

    #[test]
    fn a_flood_of_other_names_does_not_hide_one_that_occurs_repeatedly() {
        let mut names = Names::default();
        let mut most = 0;
        for n in 0..1000_u32 {
            names.look(n.wrapping_mul(0x9e37_79b9) | 1 << 31);
            if n % 10 == 0
                && let Known::New(comes) = names.look(7)
            {
                most = most.max(comes);
            }
        }
        assert!(Names::is_often(most), "{most}");
    }

    #[test]
    fn all_keys_are_found_though_they_have_the_same_slot() {
        let mut names = Names::default();
        let hashes: Vec<u32> = (1..=MAX_NAMES as u32).map(|n| n * SLOTS as u32 + 250).collect();
        names.rebuild(hashes.iter().copied());
        for (at, hash) in hashes.iter().enumerate() {
            assert_eq!(names.look(*hash), Known::Key(at));
        }
        assert_eq!(names.look(250), Known::New(1));
    }
}
