//! The state of a segment at one moment.

use std::sync::Arc;

use super::index::Index;
use super::moved::MovedHere;
use super::segment::Segment;
use super::spans::Spans;

/// A segment at one moment.
pub(super) struct SegmentSnapshot<'a> {
    pub(super) segment: &'a Segment,
    pub(super) index: Index,
    /// Number of sessions.
    pub(super) sessions: u32,
    pub(super) spans: Spans,
    pub(super) moved: Arc<MovedHere>,
    /// Times of its oldest and of its newest request, ms since 1970.
    pub(super) times: (u64, u64),
}

impl SegmentSnapshot<'_> {
    /// State of the segments at one moment. Segments without an index are left out.
    pub(super) fn all(segments: &[Segment]) -> Vec<SegmentSnapshot<'_>> {
        let Some(any) = segments.first() else { return Vec::new() };
        let all = any.all_spans();
        let see = |segment| {
            let segment: &Segment = segment;
            let index = segment.loaded_index()?;
            let (sessions, times) = (index.sessions(), index.times());
            let (spans, moved) = (all.of(segment.id), segment.moved());
            Some(SegmentSnapshot { segment, sessions, times, spans, moved, index })
        };
        segments.iter().filter_map(see).collect()
    }
}
