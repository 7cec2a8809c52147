//! Moves the parts of a session that turns out to be an alias to its target, in all segments.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::codec::Key;
use super::moved::PartId;
use super::segment::Segments;

/// An alias and the session that it now leads to.
pub(super) type Join = (Key, Key);

/// Parts that belong to other sessions from now on.
#[derive(Debug, Default)]
pub(super) struct Rehomed {
    pub(super) parts: BTreeMap<PartId, Key>,
    /// Pairs of parts of one session, the newer first; see [`super::spans`].
    pub(super) links: Vec<(PartId, PartId)>,
}

impl Rehomed {
    /// Computes the result of applying the merges one after the other to the existing parts.
    pub(super) fn new(segments: &Segments, joins: &[Join]) -> Rehomed {
        let mut parts: BTreeMap<PartId, Key> = BTreeMap::new();
        let mut moved: HashMap<Key, Vec<PartId>> = HashMap::new();
        let aliases: BTreeSet<Key> = joins.iter().map(|join| join.0).collect();
        let mut known = match aliases.is_empty() {
            true => HashMap::new(),
            false => find(segments, &aliases),
        };
        if known.is_empty() {
            return Rehomed::default();
        }
        for (alias, root) in joins {
            let mut of_alias = known.remove(alias).unwrap_or_default();
            of_alias.retain(|part| !parts.contains_key(part));
            of_alias.extend(moved.remove(alias).unwrap_or_default());
            parts.extend(of_alias.iter().map(|part| (*part, *root)));
            moved.entry(*root).or_default().extend(of_alias);
        }
        let roots: BTreeSet<Key> = parts.values().copied().collect();
        let mut known = find(segments, &roots);
        let mut links = Vec::new();
        for root in roots {
            let mut whole = known.remove(&root).unwrap_or_default();
            whole.retain(|part| parts.get(part).is_none_or(|to| *to == root));
            whole.extend(moved.remove(&root).unwrap_or_default());
            link(whole, &mut links);
        }
        Rehomed { parts, links }
    }
}

/// The parts of the sessions.
fn find(segments: &Segments, keys: &BTreeSet<Key>) -> HashMap<Key, Vec<PartId>> {
    let mut found: HashMap<Key, Vec<PartId>> = HashMap::new();
    for segment in segments.list() {
        for (key, part) in segment.find_all(keys.iter()) {
            found.entry(key).or_default().push((segment.id, part));
        }
    }
    found
}

/// Links the last part in each segment, which may be the newest that a query sees, to all earlier ones.
fn link(mut parts: Vec<PartId>, links: &mut Vec<(PartId, PartId)>) {
    parts.sort_unstable();
    parts.dedup();
    for (n, newer) in parts.iter().enumerate() {
        let is_last = parts.get(n + 1).is_none_or(|next| next.0 != newer.0);
        if is_last {
            links.extend(parts.iter().take(n).map(|older| (*newer, *older)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment_id::SegmentId;
    use api_sessions_store::Day;

    #[test]
    fn whichever_segment_is_the_newest_has_all_older_parts() {
        let part = |day, part| (SegmentId { day: Day(day), number: 1 }, part);
        let mut links = Vec::new();
        link(vec![part(2, 9), part(1, 5), part(1, 4), part(2, 8), part(2, 9)], &mut links);
        let of = |newer| {
            let of: Vec<PartId> =
                links.iter().filter(|link| link.0 == newer).map(|link| link.1).collect();
            of
        };
        assert_eq!(of(part(1, 5)), [part(1, 4)]);
        assert_eq!(of(part(2, 9)), [part(1, 4), part(1, 5), part(2, 8)]);
        assert_eq!(links.len(), 4);
    }
}
