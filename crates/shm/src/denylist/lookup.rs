//! Lock-free reads.

use std::sync::atomic::{AtomicU64, Ordering};

use api_sessions_protocol::DenyEntry;

use super::cell::{Fields, Link};
use super::text::Text;
use super::{BucketRef, Denylist, EntryOrigin, bitmap};
use crate::hash;
use crate::limits::{DENY_CHAIN_CELLS, DENY_LOOKUP_ATTEMPTS};

/// Looks for a session in the chain of its bucket. `None`: a cell was reused during the walk; start over.
#[inline]
pub(super) fn follow_chain(
    list: &Denylist,
    bucket: &BucketRef,
    application: &[u8],
    now_ms: u64,
) -> Option<bool> {
    let Some(head) = list.memory.heads().get(bucket.bucket) else { return Some(false) };
    let mut link = Link::load(head);
    if link.fingerprints() & bucket.fingerprint == 0 {
        return Some(false);
    }
    for _ in 0..DENY_CHAIN_CELLS {
        let Some(number) = link.cell() else { return Some(false) };
        let cell = list.memory.cell(number)?;
        let fields = Fields::load(cell);
        let next = Link::load(&cell.next);
        if !cell.is_current(link.generation()) {
            return None;
        }
        if fields.id == bucket.id && fields.is_in_force(now_ms) {
            if !fields.has_applications() {
                return Some(true);
            }
            let named = names_application(list, &fields, application);
            if !cell.is_current(link.generation()) {
                return None;
            }
            if named {
                return Some(true);
            }
        }
        link = next;
    }
    Some(false)
}

/// Time of denial (milliseconds since 1970) of this node's own entry in the chain of a bucket. The outer `None`: a cell
/// was reused during the walk; start over.
pub(super) fn local_since(list: &Denylist, bucket: &BucketRef) -> Option<Option<u64>> {
    let Some(head) = list.memory.heads().get(bucket.bucket) else { return Some(None) };
    let mut link = Link::load(head);
    for _ in 0..DENY_CHAIN_CELLS {
        let Some(number) = link.cell() else { return Some(None) };
        let cell = list.memory.cell(number)?;
        let fields = Fields::load(cell);
        let next = Link::load(&cell.next);
        if !cell.is_current(link.generation()) {
            return None;
        }
        if fields.id == bucket.id && fields.mark() == 0 {
            return Some(Some(fields.since_ms()));
        }
        link = next;
    }
    Some(None)
}

/// Whether `application` is one of the entry's.
#[cold]
fn names_application(list: &Denylist, fields: &Fields, application: &[u8]) -> bool {
    let unit = fields.text.checked_sub(1);
    let words = unit.and_then(|unit| list.memory.text(unit, fields.text_bytes()));
    let Some((number, hashes)) = words.and_then(<[AtomicU64]>::split_first) else { return false };
    let wanted = list.application_hash(application);
    let number = number.load(Ordering::Relaxed) as usize;
    hashes.iter().take(number).any(|hash| hash.load(Ordering::Relaxed) == wanted)
}

/// A copy of an entry.
pub(super) struct EntryCopy {
    fields: Fields,
    text: Text,
}

impl EntryCopy {
    pub(super) fn is_in_force(&self, now_ms: u64) -> bool {
        self.fields.is_in_force(now_ms)
    }

    pub(super) fn origin(&self) -> EntryOrigin {
        if self.fields.mark() == 0 { EntryOrigin::Local } else { EntryOrigin::Cloud }
    }

    pub(super) fn into_deny_entry(self) -> DenyEntry {
        let mut entry = DenyEntry {
            session: hash::id_from_words(self.fields.id).to_string(),
            since: self.fields.since_ms(),
            until: self.fields.until_ms(),
            ..DenyEntry::default()
        };
        self.text.write_to(&mut entry);
        entry
    }
}

/// Copies the entry in a cell. `None`: the cell is free, or changed during every attempt.
pub(super) fn read_entry(list: &Denylist, number: u32) -> Option<EntryCopy> {
    if !bitmap::is_set(list.memory.cell_bits(), number as usize) {
        return None;
    }
    let cell = list.memory.cell(number)?;
    for _ in 0..DENY_LOOKUP_ATTEMPTS {
        let generation = cell.generation.load(Ordering::Acquire);
        if generation & 1 == 0 {
            return None;
        }
        let fields = Fields::load(cell);
        let text = read_text(list, &fields);
        if cell.is_current(generation) {
            return Some(EntryCopy { fields, text });
        }
    }
    None
}

/// Copies an entry's text; empty if it has none.
pub(super) fn read_text(list: &Denylist, fields: &Fields) -> Text {
    let unit = fields.text.checked_sub(1);
    match unit.and_then(|unit| list.memory.text(unit, fields.text_bytes())) {
        Some(words) => {
            let words = words.iter().map(|word| word.load(Ordering::Relaxed));
            Text::from_words(words, fields.text_bytes(), fields.has_applications())
        }
        None => Text::from_words(std::iter::empty(), 0, false),
    }
}
