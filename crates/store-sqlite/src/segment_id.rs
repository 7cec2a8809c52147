//! Names of segments.

use std::fmt;

use serde::{Deserialize, Serialize};

use api_sessions_store::Day;

/// Name of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct SegmentId {
    pub(super) day: Day,
    /// Starts at 1 and increases in the order in which the day's segments are created.
    pub(super) number: u32,
}

impl SegmentId {
    pub(super) fn parse(text: &str) -> Option<SegmentId> {
        let (day, number) = text.split_once('.')?;
        Some(SegmentId { day: Day::parse(day)?, number: number.parse().ok()? })
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04}", self.day, self.number)
    }
}
