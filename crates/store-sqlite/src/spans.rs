//! Sessions that span several segments. In a list, the newest segment of a session returns it.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::bits::Bits;
use super::damaged::damaged;
use super::segment_id::SegmentId;

/// A session's part in another segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Link {
    /// The session's number in this segment.
    pub(super) session: u32,
    pub(super) segment: SegmentId,
    /// The session's number in the other segment.
    pub(super) other: u32,
}

/// Links from a segment's sessions to parts in other segments.
#[derive(Debug, Clone, Default)]
pub(super) struct Spans {
    /// Sessions that a newer segment also has.
    pub(super) continued: Bits,
    /// Links not stored in this segment's file: parts added to older segments later (late records; stored in
    /// their files), and parts of aliases.
    pub(super) late: Vec<Link>,
    /// The oldest segment linked from here.
    pub(super) oldest: Option<SegmentId>,
}

/// [`Spans`] of all segments.
#[derive(Debug, Default)]
pub(super) struct AllSpans(BTreeMap<SegmentId, Spans>);

impl AllSpans {
    /// Adds the links of a segment; adding a link twice has no effect.
    pub(super) fn add(&mut self, id: SegmentId, links: &[Link]) {
        for link in links {
            let (here, there) = ((id, link.session), (link.segment, link.other));
            let is_late = there > here;
            if is_late {
                self.join(there, here);
                continue;
            }
            self.0.entry(there.0).or_default().continued.insert(there.1);
            let spans = self.0.entry(here.0).or_default();
            spans.oldest = spans.oldest.into_iter().chain([there.0]).min();
        }
    }

    /// Adds a link between parts of one session that no file stores.
    pub(super) fn join(&mut self, newer: (SegmentId, u32), older: (SegmentId, u32)) {
        self.0.entry(older.0).or_default().continued.insert(older.1);
        let spans = self.0.entry(newer.0).or_default();
        spans.oldest = spans.oldest.into_iter().chain([older.0]).min();
        let link = Link { session: newer.1, segment: older.0, other: older.1 };
        if let Err(at) = spans.late.binary_search(&link) {
            spans.late.insert(at, link);
        }
    }

    /// The links of a segment.
    pub(super) fn of(&self, id: SegmentId) -> Spans {
        self.0.get(&id).cloned().unwrap_or_default()
    }

    /// Removes a deleted segment.
    pub(super) fn remove(&mut self, id: SegmentId) {
        self.0.remove(&id);
    }
}

/// Stores the links of sessions that a transaction adds.
pub(super) fn store(connection: &Connection, links: &[Link]) -> rusqlite::Result<()> {
    if links.is_empty() {
        return Ok(());
    }
    let packed = postcard::to_allocvec(links).unwrap_or_default();
    connection
        .prepare_cached("INSERT INTO link (links) VALUES (?)")?
        .execute(params![packed])
        .map(|_| ())
}

/// The links stored in a segment's file.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<Link>> {
    let mut links: Vec<Link> = Vec::new();
    let mut statement = connection.prepare_cached("SELECT links FROM link ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let packed = row.get_ref(0)?.as_blob().unwrap_or_default();
        links.extend(postcard::from_bytes::<Vec<Link>>(packed).map_err(|_| damaged())?);
    }
    Ok(links)
}
