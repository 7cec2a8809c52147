//! Reading without a lock.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use api_sessions_protocol::DenyEntry;

use super::layout::Cell;
use super::text::Text;
use super::{Denylist, EntryOrigin, Place};
use api_sessions_protocol::SessionId;

/// Longest chain that is followed: with a keyed hash none comes near it.
const LONGEST_CHAIN: usize = 1024;

const TIME_MAX: u64 = (1 << 48) - 1;
const LOW: u32 = (1 << 24) - 1;

/// Number (24 bits, plus 1) and generation (24 bits) of a cell, in one word. 0: the end. In the head
/// of a bucket also the signs (16 bits) of at least all its entries: most sessions that are not
/// denied are told by it alone, without a look at a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link(pub(super) u64);

impl Link {
    pub(super) fn to(cell: u32, generation: u32) -> Self {
        Self(u64::from(generation & LOW) << 24 | u64::from((cell + 1) & LOW))
    }

    pub(super) fn with_signs(self, signs: u16) -> Self {
        Self(self.0 << 16 >> 16 | u64::from(signs) << 48)
    }

    #[inline]
    pub(super) fn signs(self) -> u16 {
        (self.0 >> 48) as u16
    }

    #[inline]
    pub(super) fn load(from: &AtomicU64) -> Self {
        Self(from.load(Ordering::Acquire))
    }

    #[inline]
    pub(super) fn cell(self) -> Option<u32> {
        (self.0 as u32 & LOW).checked_sub(1)
    }

    #[inline]
    pub(super) fn generation(self) -> u32 {
        (self.0 >> 24) as u32 & LOW
    }
}

/// `since` and its neighbour in a word: see [`Cell`].
pub(super) fn since_word(since_ms: u64, mark: u16) -> u64 {
    since_ms.min(TIME_MAX) | u64::from(mark) << 48
}

/// `until` and its neighbours in a word: see [`Cell`].
pub(super) fn until_word(until_ms: Option<u64>, text: &Text) -> u64 {
    let until_ms = until_ms.map_or(0, |until_ms| until_ms.clamp(1, TIME_MAX));
    until_ms | (text.len() as u64) << 48 | u64::from(text.has_applications) << 63
}

/// The words of a cell but for its links.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub(super) id: [u64; 2],
    pub(super) since: u64,
    pub(super) until: u64,
    pub(super) text: u32,
}

impl Fields {
    #[inline]
    pub(super) fn load(cell: &Cell) -> Self {
        Self {
            id: [cell.id[0].load(Ordering::Relaxed), cell.id[1].load(Ordering::Relaxed)],
            since: cell.since.load(Ordering::Relaxed),
            until: cell.until.load(Ordering::Relaxed),
            text: cell.text.load(Ordering::Relaxed),
        }
    }

    /// Document it came with; 0: local.
    pub(super) fn mark(&self) -> u16 {
        (self.since >> 48) as u16
    }

    #[inline]
    pub(super) fn is_in_force(&self, now_ms: u64) -> bool {
        let until_ms = self.until & TIME_MAX;
        until_ms == 0 || now_ms < until_ms
    }

    #[inline]
    pub(super) fn has_applications(&self) -> bool {
        self.until >> 63 == 1
    }

    pub(super) fn text_bytes(&self) -> usize {
        (self.until >> 48 & 0x7fff) as usize
    }
}

/// Whether the cell is still what a link to its `generation` meant. What was read from it before is
/// then good.
#[inline]
fn is_current(cell: &Cell, generation: u32) -> bool {
    fence(Ordering::Acquire);
    cell.generation.load(Ordering::Relaxed) & LOW == generation & LOW
}

/// Follows a bucket's chain. `None`: a cell was reused under our feet; start again.
#[inline]
pub(super) fn walk(
    list: &Denylist,
    place: &Place,
    application: &[u8],
    now_ms: u64,
) -> Option<bool> {
    let Some(head) = list.region.heads().get(place.bucket) else { return Some(false) };
    let mut link = Link::load(head);
    if link.signs() & place.sign == 0 {
        return Some(false);
    }
    for _ in 0..LONGEST_CHAIN {
        let Some(number) = link.cell() else { return Some(false) };
        let cell = list.region.cell(number)?;
        let fields = Fields::load(cell);
        let next = Link::load(&cell.next);
        if !is_current(cell, link.generation()) {
            return None;
        }
        if fields.id == place.id && fields.is_in_force(now_ms) {
            if !fields.has_applications() {
                return Some(true);
            }
            let named = is_named(list, &fields, application);
            if !is_current(cell, link.generation()) {
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

/// Whether the entry's applications include `application`.
#[cold]
fn is_named(list: &Denylist, fields: &Fields, application: &[u8]) -> bool {
    let unit = fields.text.checked_sub(1);
    let words = unit.and_then(|unit| list.region.text(unit, fields.text_bytes()));
    let Some((number, hashes)) = words.and_then(<[AtomicU64]>::split_first) else { return false };
    let wanted = list.application_hash(application);
    let number = number.load(Ordering::Relaxed) as usize;
    hashes.iter().take(number).any(|hash| hash.load(Ordering::Relaxed) == wanted)
}

/// An entry, copied.
pub(super) struct Copied {
    fields: Fields,
    text: Text,
}

impl Copied {
    pub(super) fn is_in_force(&self, now_ms: u64) -> bool {
        self.fields.is_in_force(now_ms)
    }

    pub(super) fn origin(&self) -> EntryOrigin {
        if self.fields.mark() == 0 { EntryOrigin::Local } else { EntryOrigin::Cloud }
    }

    pub(super) fn into_wire(self) -> DenyEntry {
        let [low, high] = self.fields.id;
        let id = SessionId((u128::from(low) | u128::from(high) << 64).to_le_bytes());
        let until = self.fields.until & TIME_MAX;
        let mut entry = DenyEntry {
            session: id.to_string(),
            since: self.fields.since & TIME_MAX,
            until: (until != 0).then_some(until),
            ..DenyEntry::default()
        };
        self.text.tell(&mut entry);
        entry
    }
}

/// Copies the entry in a cell, if there is one.
pub(super) fn read_entry(list: &Denylist, number: u32) -> Option<Copied> {
    if !super::bits::is_set(list.region.cell_bits(), number as usize) {
        return None;
    }
    let cell = list.region.cell(number)?;
    for _ in 0..super::LOOKUP_TRIES {
        let generation = cell.generation.load(Ordering::Acquire);
        if generation & 1 == 0 {
            return None;
        }
        let fields = Fields::load(cell);
        let text = read_text(list, &fields);
        if is_current(cell, generation) {
            return Some(Copied { fields, text });
        }
    }
    None
}

/// Copies an entry's text; empty where it has none.
pub(super) fn read_text(list: &Denylist, fields: &Fields) -> Text {
    let unit = fields.text.checked_sub(1);
    let words = unit.and_then(|unit| list.region.text(unit, fields.text_bytes()));
    match words {
        Some(words) => {
            let words = words.iter().map(|word| word.load(Ordering::Relaxed));
            Text::from_words(words, fields.text_bytes(), fields.has_applications())
        }
        None => Text::from_words(std::iter::empty(), 0, false),
    }
}
