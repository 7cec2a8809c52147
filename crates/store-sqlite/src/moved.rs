//! Parts of alias sessions that belong to the alias's target. Files keep the ids that requests arrived with;
//! `aliases.db` stores what this index holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ahash::RandomState;

use super::codec::{Key, hex};
use super::segment_id::SegmentId;

/// A part of a session: its segment and its number there.
pub(super) type PartId = (SegmentId, u32);

/// Moved parts of one segment.
#[derive(Debug, Clone, Default)]
pub(super) struct MovedHere {
    roots: HashMap<u32, Key, RandomState>,
    parts: HashMap<Key, Vec<u32>, RandomState>,
}

impl MovedHere {
    /// The session that a part belongs to; `None`: its own.
    pub(super) fn root(&self, part: u32) -> Option<Key> {
        self.roots.get(&part).copied()
    }

    /// All moved parts, each with its session.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, Key)> + '_ {
        self.roots.iter().map(|(part, root)| (*part, *root))
    }

    /// Parts that now belong to this session and did not before.
    pub(super) fn parts(&self, root: &Key) -> &[u32] {
        self.parts.get(root).map(Vec::as_slice).unwrap_or_default()
    }

    fn insert(&mut self, part: u32, root: Key) {
        if let Some(before) = self.roots.insert(part, root)
            && let Some(parts) = self.parts.get_mut(&before)
        {
            parts.retain(|other| *other != part);
        }
        self.parts.entry(root).or_default().push(part);
    }
}

/// Moved parts of all segments.
#[derive(Debug, Default)]
pub(super) struct Moved {
    segments: BTreeMap<SegmentId, Arc<MovedHere>>,
    none: Arc<MovedHere>,
    /// Names of sessions that are not the hexadecimal form of their keys.
    names: HashMap<Key, String, RandomState>,
}

impl Moved {
    pub(super) fn insert(&mut self, (segment, part): PartId, root: Key, name: &str) {
        Arc::make_mut(self.segments.entry(segment).or_default()).insert(part, root);
        if hex(&root) != name {
            self.names.insert(root, name.to_owned());
        }
    }

    pub(super) fn of(&self, segment: SegmentId) -> Arc<MovedHere> {
        Arc::clone(self.segments.get(&segment).unwrap_or(&self.none))
    }

    /// The name of a session that parts were moved to.
    pub(super) fn name(&self, root: &Key) -> String {
        self.names.get(root).cloned().unwrap_or_else(|| hex(root))
    }

    /// Removes a deleted segment.
    pub(super) fn remove(&mut self, segment: SegmentId) {
        self.segments.remove(&segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_sessions_store::Day;

    #[test]
    fn a_part_that_moves_on_is_no_part_of_where_it_was() {
        let segment = SegmentId { day: Day(1), number: 1 };
        let mut moved = Moved::default();
        let (one, two) = ([1; 16], [2; 16]);
        moved.insert((segment, 7), one, &hex(&one));
        moved.insert((segment, 7), two, "two");
        let here = moved.of(segment);
        assert_eq!((here.root(7), here.root(8)), (Some(two), None));
        assert_eq!((here.parts(&one), here.parts(&two)), (&[][..], &[7][..]));
        assert_eq!((moved.name(&one), moved.name(&two)), (hex(&one), "two".to_owned()));
    }
}
