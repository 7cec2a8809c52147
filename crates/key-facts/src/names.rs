//! Selects the names to measure: since clients choose names, only those that occur repeatedly get a slot.

/// Maximum number of keys and candidates of an application.
pub const MAX_NAMES: usize = 64;
/// Occurrences after which a name is considered.
const COMES: u8 = 4;
const SLOTS: usize = 256;
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
    /// Occurrences of other names; a slot belongs to its most frequent name.
    comes: [(u32, u8); SLOTS],
}

impl Default for Names {
    fn default() -> Self {
        Self { keys: [(0, 0); SLOTS], ignored: [0; SLOTS], comes: [(0, 0); SLOTS] }
    }
}

fn slots(hash: u32) -> impl Iterator<Item = usize> {
    (0..PROBES).map(move |probe| (hash as usize + probe) % SLOTS)
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
        let Some((known, comes)) = self.comes.get_mut(hash as usize % SLOTS) else {
            return Known::Ignored;
        };
        if *known == hash {
            *comes = comes.saturating_add(1);
        } else if *comes <= 1 {
            (*known, *comes) = (hash, 1);
        } else {
            *comes -= 1;
            return Known::New(1);
        }
        Known::New(*comes)
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
