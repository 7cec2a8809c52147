//! Changing the list: one writer at a time, and nothing torn whenever it dies.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::thread;
use std::time::Duration;

use api_sessions_protocol::DenyEntry;

use super::layout::{Cell, UNIT_BYTES};
use super::lookup::{Fields, Link, read_text, since_word, until_word};
use super::text::Text;
use super::{Denylist, EntryOrigin, Place, bits};
use crate::entry::id_words;
use crate::lock::Acquired;
use crate::owner::{Life, MAX_SLOTS, Token, Waiter};
use api_sessions_protocol::SessionId;

/// Longest wait for another writer. A change takes a microsecond, unless the writer is preempted.
const WRITE_WAIT: Duration = Duration::from_millis(2);
/// Waits of that length that a sync, which runs beside the event loop, puts up with for one entry.
const SYNC_PATIENCE: u32 = 500;

/// Why an entry was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DenyError {
    /// The session is not 32 lower-case hexadecimal digits.
    #[error("a session id is 32 lower-case hexadecimal digits")]
    BadSession,
    /// More than [`api_sessions_protocol::limits::DENY_APPLICATIONS`] applications, or more than [`api_sessions_protocol::limits::DENY_APPLICATION_BYTES`] of
    /// names.
    #[error("an entry holds at most 16 applications, and 512 bytes of their names")]
    TooManyApplications,
    /// No room.
    #[error("the denylist is full")]
    Full,
    /// Another writer was at it for too long: try again.
    #[error("the denylist is being changed")]
    Busy,
}

/// What [`DenylistWriter::replace_from_cloud`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Synced {
    /// Entries in force now.
    pub taken: u64,
    /// Entries that are no longer in the document, and are gone.
    pub removed: u64,
    /// Entries not taken: bad, or no room.
    pub refused: u64,
}

/// A process's hand to write with. Its threads may share it.
#[derive(Clone, Copy)]
pub struct DenylistWriter {
    list: Denylist,
    token: Token,
}

/// The list, locked.
struct Locked<'a> {
    list: &'a Denylist,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.list.region.header().lock.release();
    }
}

impl DenylistWriter {
    pub(super) fn join(list: Denylist, slot: u16, pid: u32) -> Self {
        let slot = slot % MAX_SLOTS;
        let token = list.region.header().lives[usize::from(slot)].begin(slot, pid);
        Self { list, token }
    }

    /// The list.
    pub fn list(&self) -> Denylist {
        self.list
    }

    /// Denies a session, by this node's own decision; an entry of this node for it is replaced.
    /// Where there is no room, entries whose time is over at `now_ms` go.
    ///
    /// # Errors
    /// See [`DenyError`]. What is in the list then stays as it was.
    pub fn insert(&self, entry: &DenyEntry, now_ms: u64) -> Result<(), DenyError> {
        match self.put(entry, 0) {
            Err(DenyError::Full) if self.purge(now_ms) > 0 => self.put(entry, 0),
            result => result,
        }
    }

    /// Removes the entry of `origin` for a session. Whether there was one. One of the cloud comes
    /// back with the next document that holds it.
    ///
    /// # Errors
    /// [`DenyError::Busy`].
    pub fn remove(&self, session: &SessionId, origin: EntryOrigin) -> Result<bool, DenyError> {
        let place = self.list.place(id_words(session));
        let locked = self.lock().ok_or(DenyError::Busy)?;
        Ok(locked.remove(&place, |mark| (mark == 0) == (origin == EntryOrigin::Local)))
    }

    /// Removes entries whose time is over at `now_ms`. How many went.
    pub fn purge(&self, now_ms: u64) -> u64 {
        self.remove_where(|fields| !fields.is_in_force(now_ms))
    }

    /// Makes the entries of the cloud those of `document`. Each entry is replaced by itself: one
    /// that is in the old and in the new document is in force all the time. Others may write in
    /// between. Not for an event loop: a long document takes tens of milliseconds.
    ///
    /// # Errors
    /// [`DenyError::Busy`]: another process or thread is syncing, or writers kept the list locked.
    /// The list then holds entries of both documents, until the next sync.
    pub fn replace_from_cloud(&self, document: &[DenyEntry]) -> Result<Synced, DenyError> {
        let header = self.list.region.header();
        let claim = |free| {
            // As with a set's lock: whoever sees the token sees the life.
            let order = (Ordering::AcqRel, Ordering::Acquire);
            header.syncing.compare_exchange(free, self.token.0, order.0, order.1)
        };
        if let Err(holder) = claim(0)
            && !(self.waiter().surely_dead(holder) && claim(holder).is_ok())
        {
            return Err(DenyError::Busy);
        }
        let result = self.sync(document);
        header.syncing.store(0, Ordering::Release);
        result
    }

    fn sync(&self, document: &[DenyEntry]) -> Result<Synced, DenyError> {
        let header = self.list.region.header();
        // 16 bits, of which 0 is for local entries.
        let mark = (header.mark.load(Ordering::Relaxed) % u32::from(u16::MAX)) as u16 + 1;
        header.mark.store(u32::from(mark), Ordering::Relaxed);
        let mut synced = Synced::default();
        let mut full = 0u64;
        for entry in document {
            match self.put_patiently(entry, mark) {
                Ok(()) => synced.taken += 1,
                Err(DenyError::Busy) => return Err(DenyError::Busy),
                Err(DenyError::Full) => full += 1,
                Err(_) => synced.refused += 1,
            }
        }
        synced.removed = self.remove_where(|fields| ![0, mark].contains(&fields.mark()));
        if full > 0 {
            // The old document made way.
            (synced.taken, synced.refused) = (0, 0);
            for entry in document {
                match self.put_patiently(entry, mark) {
                    Ok(()) => synced.taken += 1,
                    Err(DenyError::Busy) => return Err(DenyError::Busy),
                    Err(_) => synced.refused += 1,
                }
            }
        }
        Ok(synced)
    }

    fn put_patiently(&self, entry: &DenyEntry, mark: u16) -> Result<(), DenyError> {
        for _ in 0..SYNC_PATIENCE {
            match self.put(entry, mark) {
                Err(DenyError::Busy) => thread::yield_now(),
                result => return result,
            }
        }
        Err(DenyError::Busy)
    }

    fn put(&self, entry: &DenyEntry, mark: u16) -> Result<(), DenyError> {
        let session: SessionId = entry.session.parse().map_err(|_| DenyError::BadSession)?;
        let place = self.list.place(id_words(&session));
        let text = |complete| {
            Text::new(entry, complete, |name| self.list.application_hash(name))
                .ok_or(DenyError::TooManyApplications)
        };
        // Where texts have no room, an entry is denied without its reason.
        let (complete, shorter) = (text(true)?, text(false)?);
        let since = since_word(entry.since, mark);
        let locked = self.lock().ok_or(DenyError::Busy)?;
        let put = |text| locked.put(&place, since, until_word(entry.until, text), text);
        if put(&complete) || put(&shorter) { Ok(()) } else { Err(DenyError::Full) }
    }

    /// Removes the entries that `gone` says, each under the lock by itself.
    fn remove_where(&self, gone: impl Fn(&Fields) -> bool) -> u64 {
        let region = &self.list.region;
        let is_gone = |number: usize, cell: &Cell| {
            bits::is_set(region.cell_bits(), number) && gone(&Fields::load(cell))
        };
        let mut removed = 0;
        for (number, cell) in region.cells().iter().enumerate() {
            if !is_gone(number, cell) {
                continue;
            }
            // A busy list is left for the next time.
            let Some(locked) = self.lock() else { continue };
            if is_gone(number, cell) {
                let fields = Fields::load(cell);
                let place = self.list.place(fields.id);
                let mark = fields.mark();
                removed += u64::from(locked.remove(&place, |other| other == mark));
            }
        }
        removed
    }

    fn waiter<'a>(&'a self) -> Waiter<impl Fn(u16) -> Option<&'a Life>> {
        Waiter::new(WRITE_WAIT, |slot| self.list.region.header().lives.get(usize::from(slot)))
    }

    fn lock(&self) -> Option<Locked<'_>> {
        let header = self.list.region.header();
        let acquired = header.lock.acquire(self.token.0, &mut self.waiter())?;
        let locked = Locked { list: &self.list };
        if let Acquired::FromDead { .. } = acquired {
            locked.recover();
        }
        Some(locked)
    }
}

/// Makes `from`, which is `head` or a link further down its chain, lead to what `to` leads to.
fn relink(head: &AtomicU64, from: &AtomicU64, to: Link, signs: u16) {
    let signs = if std::ptr::eq(head, from) { signs } else { 0 };
    from.store(to.with_signs(signs).0, Ordering::Release);
}

impl Locked<'_> {
    /// Writes an entry and links it in the place of the one it replaces. `false`: no room.
    fn put(&self, place: &Place, since: u64, until: u64, text: &Text) -> bool {
        let region = &self.list.region;
        let Place { bucket, id, sign } = *place;
        let Some(head) = region.heads().get(bucket) else { return false };
        let is_cloud = since >> 48 != 0;
        let old = self.find(place, |mark| (mark != 0) == is_cloud);
        if let Some((_, _, cell)) = old
            && is_cloud
            && self.is_same(cell, until, text)
        {
            cell.since.store(since, Ordering::Relaxed);
            return true;
        }
        let (cells, texts) = (region.cell_bits(), region.text_bits());
        let header = region.header();
        let units = text.len().div_ceil(UNIT_BYTES);
        let Some(number) = bits::find_clear(cells, 1, 0) else { return false };
        let Some(cell) = region.cell(number as u32) else { return false };
        let unit = if units == 0 { Some(0) } else { bits::find_clear(texts, units, 0) };
        let Some(unit) = unit else { return false };

        header.intent.bucket.store(bucket as u32, Ordering::Relaxed);
        header.intent.new.store(number as u32 + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        bits::set(cells, number, 1, true);
        // The length before the place: recovery frees this many units from that place.
        cell.until.store(until, Ordering::Relaxed);
        if units > 0 {
            cell.text.store(unit as u32 + 1, Ordering::Release);
            fence(Ordering::Release);
            bits::set(texts, unit, units, true);
            let words = region.text(unit as u32, text.len()).unwrap_or_default();
            let write = |(to, from): (&AtomicU64, u64)| to.store(from, Ordering::Relaxed);
            words.iter().zip(text.words()).for_each(write);
        }
        cell.id[0].store(id[0], Ordering::Relaxed);
        cell.id[1].store(id[1], Ordering::Relaxed);
        cell.since.store(since, Ordering::Relaxed);
        let generation = cell.generation.load(Ordering::Relaxed) | 1;
        let entries = header.entries.load(Ordering::Relaxed);
        header.entries.store(entries + 1, Ordering::Relaxed);

        let signs = Link::load(head).signs();
        let (from, next) = match old {
            Some((from, number, old)) => {
                header.intent.old.store(number + 1, Ordering::Relaxed);
                (from, Link::load(&old.next))
            }
            None => (head, Link::load(head)),
        };
        cell.next.store(next.with_signs(0).0, Ordering::Relaxed);
        cell.generation.store(generation, Ordering::Release);
        relink(head, from, Link::to(number as u32, generation), signs | sign);
        if let Some((_, number, old)) = old {
            self.free(number, old);
        }
        self.done();
        true
    }

    /// Removes the entry at `place` whose mark `is`. Whether there was one.
    fn remove(&self, place: &Place, is: impl Fn(u16) -> bool) -> bool {
        let Some(head) = self.list.region.heads().get(place.bucket) else { return false };
        let Some((from, number, cell)) = self.find(place, is) else { return false };
        let intent = &self.list.region.header().intent;
        intent.bucket.store(place.bucket as u32, Ordering::Relaxed);
        intent.old.store(number + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        relink(head, from, Link::load(&cell.next), Link::load(head).signs());
        self.free(number, cell);
        // A writer that dies before this leaves a sign too many, which costs readers a look.
        let signs = self.chain(place.bucket).map(|(_, _, cell)| Fields::load(cell).id);
        let signs = signs.fold(0, |all, id| all | self.list.place(id).sign);
        head.store(Link::load(head).with_signs(signs).0, Ordering::Release);
        self.done();
        true
    }

    /// Whether an entry says already what is to be put.
    fn is_same(&self, cell: &Cell, until: u64, text: &Text) -> bool {
        let fields = Fields::load(cell);
        fields.until == until && read_text(self.list, &fields).words().eq(text.words())
    }

    /// The entry at `place` whose mark `is`: the link to it, its number and itself.
    fn find(&self, place: &Place, is: impl Fn(u16) -> bool) -> Option<(&AtomicU64, u32, &Cell)> {
        self.chain(place.bucket).find(|(_, _, cell)| {
            let fields = Fields::load(cell);
            fields.id == place.id && is(fields.mark())
        })
    }

    /// A bucket's cells, each with the link to it.
    fn chain(&self, bucket: usize) -> impl Iterator<Item = (&AtomicU64, u32, &Cell)> {
        let region = &self.list.region;
        let mut from = region.heads().get(bucket);
        std::iter::from_fn(move || {
            let link = from?;
            let number = Link::load(link).cell()?;
            let cell = region.cell(number)?;
            from = Some(&cell.next);
            Some((link, number, cell))
        })
    }

    /// Frees a cell that no link leads to. Whoever still reads it learns so by its generation, which
    /// changes before anything else. Harmless if part of it is done.
    fn free(&self, number: u32, cell: &Cell) {
        let region = &self.list.region;
        let generation = cell.generation.load(Ordering::Relaxed);
        if generation & 1 == 1 {
            cell.generation.store(generation.wrapping_add(1), Ordering::Relaxed);
            fence(Ordering::Release);
        }
        if let Some(unit) = cell.text.load(Ordering::Relaxed).checked_sub(1) {
            let units = Fields::load(cell).text_bytes().div_ceil(UNIT_BYTES);
            bits::set(region.text_bits(), unit as usize, units, false);
            cell.text.store(0, Ordering::Release);
        }
        bits::set(region.cell_bits(), number as usize, 1, false);
        let header = region.header();
        let entries = header.entries.load(Ordering::Relaxed);
        header.entries.store(entries.saturating_sub(1), Ordering::Release);
    }

    fn done(&self) {
        let header = self.list.region.header();
        fence(Ordering::Release);
        header.intent.new.store(0, Ordering::Relaxed);
        header.intent.old.store(0, Ordering::Relaxed);
        header.changes.fetch_add(1, Ordering::Release);
    }

    /// Frees what a dead writer had taken and not linked, or unlinked and not freed.
    #[cold]
    fn recover(&self) {
        let header = self.list.region.header();
        let bucket = header.intent.bucket.load(Ordering::Relaxed) as usize;
        for intent in [&header.intent.new, &header.intent.old] {
            let Some(number) = intent.load(Ordering::Relaxed).checked_sub(1) else { continue };
            let is_linked = self.chain(bucket).any(|(_, other, _)| other == number);
            if let Some(cell) = self.list.region.cell(number)
                && !is_linked
            {
                self.free(number, cell);
            }
        }
        self.done();
        let entries = bits::count(self.list.region.cell_bits());
        header.entries.store(entries as u32, Ordering::Release);
        header.recovered.fetch_add(1, Ordering::Relaxed);
        header.lock.repaired();
    }
}
