//! Changes to the list: one writer at a time, and no torn entry wherever a writer dies.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::thread;

use api_sessions_protocol::{DenyEntry, SessionId};

use super::cell::{Cell, Fields, Link, since_word, until_word};
use super::layout::{RESTORE_BEGUN, RESTORE_DONE, UNIT_BYTES};
use super::lookup::read_text;
use super::text::Text;
use super::{BucketRef, Denylist, EntryOrigin, bitmap};
use crate::hash::id_words;
use crate::limits::{DENY_DOCUMENT_WAITS, DENY_WRITE_WAIT};
use crate::process::{LockWait, OwnerId};
use crate::robust_lock::Acquired;

/// Why an entry was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DenyError {
    /// The session is not 32 lower-case hexadecimal digits.
    #[error("a session id is 32 lower-case hexadecimal digits")]
    BadSession,
    /// More than [`api_sessions_protocol::limits::DENY_APPLICATIONS`] applications, or more than
    /// [`api_sessions_protocol::limits::DENY_APPLICATION_BYTES`] bytes of names.
    #[error("an entry holds at most 16 applications, and 512 bytes of their names")]
    TooManyApplications,
    /// The list is full.
    #[error("the denylist is full")]
    Full,
    /// Another writer held the lock for too long; try again.
    #[error("the denylist is being changed")]
    Busy,
}

/// Result of [`DenylistWriter::replace_from_cloud`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplaceSummary {
    /// Entries of the document in force.
    pub applied: u64,
    /// Entries of earlier documents that were removed.
    pub removed: u64,
    /// Entries of the document that are invalid or did not fit.
    pub rejected: u64,
}

/// A process's write access. Its threads may share it.
#[derive(Clone, Copy)]
pub struct DenylistWriter {
    list: Denylist,
    owner: OwnerId,
}

/// The locked list.
struct WriteGuard<'a> {
    list: &'a Denylist,
}

impl Drop for WriteGuard<'_> {
    fn drop(&mut self) {
        self.list.memory.header().lock.release();
    }
}

impl DenylistWriter {
    pub(super) fn join(list: Denylist, slot: u16, pid: u32) -> Self {
        let owner = list.memory.header().processes.register(slot, pid);
        Self { list, owner }
    }

    /// The list.
    pub fn list(&self) -> Denylist {
        self.list
    }

    /// Runs `restore`, which puts the entries of a saved copy back in force. Until it returns,
    /// [`Denylist::is_to_be_restored`] holds, even if this process is killed meanwhile.
    pub fn restoring<T>(&self, restore: impl FnOnce() -> T) -> T {
        let restored = &self.list.memory.header().restored;
        restored.store(RESTORE_BEGUN, Ordering::Release);
        let result = restore();
        restored.store(RESTORE_DONE, Ordering::Release);
        result
    }

    /// Denies a session on behalf of this node, replacing this node's entry for it. If the list is full,
    /// entries that have expired at `now_ms` are removed first.
    ///
    /// # Errors
    /// See [`DenyError`]; an existing entry for the session then stays as it was.
    pub fn insert(&self, entry: &DenyEntry, now_ms: u64) -> Result<(), DenyError> {
        match self.put(entry, 0) {
            Err(DenyError::Full) if self.purge(now_ms) > 0 => self.put(entry, 0),
            result => result,
        }
    }

    /// Removes the entry of `origin` for a session. Returns whether there was one. An entry of the cloud returns with
    /// the next document that contains it.
    ///
    /// # Errors
    /// [`DenyError::Busy`].
    pub fn remove(&self, session: &SessionId, origin: EntryOrigin) -> Result<bool, DenyError> {
        let target = self.list.bucket(id_words(session));
        let locked = self.lock().ok_or(DenyError::Busy)?;
        Ok(locked.remove(&target, |mark| (mark == 0) == (origin == EntryOrigin::Local)))
    }

    /// Removes entries that have expired at `now_ms`. Returns their number.
    pub fn purge(&self, now_ms: u64) -> u64 {
        self.remove_where(|fields| !fields.is_in_force(now_ms))
    }

    /// Replaces the entries of the cloud with `document`, one by one: an entry in both the old and the new
    /// document stays in force throughout. Other writers may interleave. Not for an event loop: a long
    /// document takes tens of milliseconds.
    ///
    /// # Errors
    /// [`DenyError::Busy`]: another process or thread is applying a document, or writers kept the list locked. In the
    /// latter case the list contains entries of both documents until the next call.
    pub fn replace_from_cloud(&self, document: &[DenyEntry]) -> Result<ReplaceSummary, DenyError> {
        let header = self.list.memory.header();
        let claim = |free| {
            // As with the lock: whoever sees an owner also sees its registration.
            let order = (Ordering::AcqRel, Ordering::Acquire);
            header.syncing.compare_exchange(free, self.owner.word(), order.0, order.1)
        };
        if let Err(holder) = claim(0)
            && !(self.is_dead(holder) && claim(holder).is_ok())
        {
            return Err(DenyError::Busy);
        }
        let result = self.apply(document);
        header.syncing.store(0, Ordering::Release);
        result
    }

    fn apply(&self, document: &[DenyEntry]) -> Result<ReplaceSummary, DenyError> {
        let header = self.list.memory.header();
        // 16 bits; 0 stands for local entries.
        let mark = (header.mark.load(Ordering::Relaxed) % u32::from(u16::MAX)) as u16 + 1;
        header.mark.store(u32::from(mark), Ordering::Relaxed);
        let mut summary = ReplaceSummary::default();
        let mut full = 0u64;
        for entry in document {
            match self.put_with_retries(entry, mark) {
                Ok(()) => summary.applied += 1,
                Err(DenyError::Busy) => return Err(DenyError::Busy),
                Err(DenyError::Full) => full += 1,
                Err(_) => summary.rejected += 1,
            }
        }
        summary.removed = self.remove_where(|fields| ![0, mark].contains(&fields.mark()));
        if full > 0 {
            // The old document is gone, so entries may fit now.
            (summary.applied, summary.rejected) = (0, 0);
            for entry in document {
                match self.put_with_retries(entry, mark) {
                    Ok(()) => summary.applied += 1,
                    Err(DenyError::Busy) => return Err(DenyError::Busy),
                    Err(_) => summary.rejected += 1,
                }
            }
        }
        Ok(summary)
    }

    fn put_with_retries(&self, entry: &DenyEntry, mark: u16) -> Result<(), DenyError> {
        for _ in 0..DENY_DOCUMENT_WAITS {
            match self.put(entry, mark) {
                Err(DenyError::Busy) => thread::yield_now(),
                result => return result,
            }
        }
        Err(DenyError::Busy)
    }

    fn put(&self, entry: &DenyEntry, mark: u16) -> Result<(), DenyError> {
        let session: SessionId = entry.session.parse().map_err(|_| DenyError::BadSession)?;
        let target = self.list.bucket(id_words(&session));
        let text = |complete| {
            Text::new(entry, complete, |name| self.list.application_hash(name))
                .ok_or(DenyError::TooManyApplications)
        };
        // If the text heap is full, the session is denied without reason and author.
        let (complete, shorter) = (text(true)?, text(false)?);
        let since = since_word(entry.since, mark);
        let locked = self.lock().ok_or(DenyError::Busy)?;
        let put = |text| locked.put(&target, since, until_word(entry.until, text), text);
        if put(&complete) || put(&shorter) { Ok(()) } else { Err(DenyError::Full) }
    }

    /// Removes matching entries and returns their number. Locks the list for each one separately.
    fn remove_where(&self, matches: impl Fn(&Fields) -> bool) -> u64 {
        let memory = &self.list.memory;
        let is_match = |number: usize, cell: &Cell| {
            bitmap::is_set(memory.cell_bits(), number) && matches(&Fields::load(cell))
        };
        let mut removed = 0;
        for (number, cell) in memory.cells().iter().enumerate() {
            if !is_match(number, cell) {
                continue;
            }
            // If the list is busy, the entry is left for the next call.
            let Some(locked) = self.lock() else { continue };
            if is_match(number, cell) {
                let fields = Fields::load(cell);
                let target = self.list.bucket(fields.id);
                let mark = fields.mark();
                removed += u64::from(locked.remove(&target, |other| other == mark));
            }
        }
        removed
    }

    fn is_dead(&self, owner: u32) -> bool {
        let processes = &self.list.memory.header().processes;
        OwnerId::from_word(owner).is_some_and(|owner| processes.of(owner).is_dead(owner, true))
    }

    fn lock(&self) -> Option<WriteGuard<'_>> {
        let header = self.list.memory.header();
        let mut policy = LockWait::new(DENY_WRITE_WAIT, |owner| header.processes.of(owner));
        let acquired = header.lock.acquire(self.owner.word(), &mut policy)?;
        let locked = WriteGuard { list: &self.list };
        if let Acquired::OwnerDied { .. } = acquired {
            locked.recover();
        }
        Some(locked)
    }
}

/// Makes `from`, which is `head` or a later link of its chain, refer to the cell of `to`. Only a head has
/// fingerprints.
fn relink(head: &AtomicU64, from: &AtomicU64, to: Link, fingerprints: u16) {
    let fingerprints = if std::ptr::eq(head, from) { fingerprints } else { 0 };
    from.store(to.with_fingerprints(fingerprints).word(), Ordering::Release);
}

impl WriteGuard<'_> {
    /// Writes an entry and links it instead of the one it replaces. `false`: the list is full.
    fn put(&self, target: &BucketRef, since: u64, until: u64, text: &Text) -> bool {
        let memory = &self.list.memory;
        let BucketRef { bucket, id, fingerprint } = *target;
        let Some(head) = memory.heads().get(bucket) else { return false };
        let is_cloud = since >> 48 != 0;
        let old = self.find(target, |mark| (mark != 0) == is_cloud);
        if let Some((_, _, cell)) = old
            && is_cloud
            && self.is_same(cell, until, text)
        {
            cell.since.store(since, Ordering::Relaxed);
            return true;
        }
        let (cells, texts) = (memory.cell_bits(), memory.text_bits());
        let header = memory.header();
        let units = text.len().div_ceil(UNIT_BYTES);
        let Some(number) = bitmap::find_clear(cells, 1, 0) else { return false };
        let Some(cell) = memory.cell(number as u32) else { return false };
        let unit = if units == 0 { Some(0) } else { bitmap::find_clear(texts, units, 0) };
        let Some(unit) = unit else { return false };

        header.intent.bucket.store(bucket as u32, Ordering::Relaxed);
        header.intent.new.store(number as u32 + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        bitmap::set(cells, number, 1, true);
        // Length before position: recovery frees that many units from that position.
        cell.until.store(until, Ordering::Relaxed);
        if units > 0 {
            cell.text.store(unit as u32 + 1, Ordering::Release);
            fence(Ordering::Release);
            bitmap::set(texts, unit, units, true);
            let words = memory.text(unit as u32, text.len()).unwrap_or_default();
            let write = |(to, from): (&AtomicU64, u64)| to.store(from, Ordering::Relaxed);
            words.iter().zip(text.words()).for_each(write);
        }
        cell.id[0].store(id[0], Ordering::Relaxed);
        cell.id[1].store(id[1], Ordering::Relaxed);
        cell.since.store(since, Ordering::Relaxed);
        let generation = cell.generation.load(Ordering::Relaxed) | 1;
        let entries = header.entries.load(Ordering::Relaxed);
        header.entries.store(entries + 1, Ordering::Relaxed);

        let fingerprints = Link::load(head).fingerprints();
        let (from, next) = match old {
            Some((from, number, old)) => {
                header.intent.old.store(number + 1, Ordering::Relaxed);
                (from, Link::load(&old.next))
            }
            None => (head, Link::load(head)),
        };
        cell.next.store(next.with_fingerprints(0).word(), Ordering::Relaxed);
        cell.generation.store(generation, Ordering::Release);
        relink(head, from, Link::to(number as u32, generation), fingerprints | fingerprint);
        if let Some((_, number, old)) = old {
            self.free(number, old);
        }
        self.done();
        true
    }

    /// Removes the entry of a session whose mark matches. Returns whether there was one.
    fn remove(&self, target: &BucketRef, has_mark: impl Fn(u16) -> bool) -> bool {
        let Some(head) = self.list.memory.heads().get(target.bucket) else { return false };
        let Some((from, number, cell)) = self.find(target, has_mark) else { return false };
        let intent = &self.list.memory.header().intent;
        intent.bucket.store(target.bucket as u32, Ordering::Relaxed);
        intent.old.store(number + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        relink(head, from, Link::load(&cell.next), Link::load(head).fingerprints());
        self.free(number, cell);
        // A writer that dies before this leaves a superfluous fingerprint, which only costs readers time.
        let ids = self.chain(target.bucket).map(|(_, _, cell)| Fields::load(cell).id);
        let fingerprints = ids.fold(0, |all, id| all | self.list.bucket(id).fingerprint);
        head.store(Link::load(head).with_fingerprints(fingerprints).word(), Ordering::Release);
        self.done();
        true
    }

    /// Whether an entry already has this expiry and text.
    fn is_same(&self, cell: &Cell, until: u64, text: &Text) -> bool {
        let fields = Fields::load(cell);
        fields.until == until && read_text(self.list, &fields).words().eq(text.words())
    }

    /// The entry of a session whose mark matches: the link to it, its number and its cell.
    fn find(
        &self,
        target: &BucketRef,
        has_mark: impl Fn(u16) -> bool,
    ) -> Option<(&AtomicU64, u32, &Cell)> {
        self.chain(target.bucket).find(|(_, _, cell)| {
            let fields = Fields::load(cell);
            fields.id == target.id && has_mark(fields.mark())
        })
    }

    /// The cells of a bucket: the link to each, its number and the cell.
    fn chain(&self, bucket: usize) -> impl Iterator<Item = (&AtomicU64, u32, &Cell)> {
        let memory = &self.list.memory;
        let mut from = memory.heads().get(bucket);
        std::iter::from_fn(move || {
            let link = from?;
            let number = Link::load(link).cell()?;
            let cell = memory.cell(number)?;
            from = Some(&cell.next);
            Some((link, number, cell))
        })
    }

    /// Frees a cell that is not linked. Its generation changes first, so that readers still in the cell notice.
    /// Idempotent: recovery repeats it after a partial run.
    fn free(&self, number: u32, cell: &Cell) {
        let memory = &self.list.memory;
        let generation = cell.generation.load(Ordering::Relaxed);
        if generation & 1 == 1 {
            cell.generation.store(generation.wrapping_add(1), Ordering::Relaxed);
            fence(Ordering::Release);
        }
        if let Some(unit) = cell.text.load(Ordering::Relaxed).checked_sub(1) {
            let units = Fields::load(cell).text_bytes().div_ceil(UNIT_BYTES);
            bitmap::set(memory.text_bits(), unit as usize, units, false);
            cell.text.store(0, Ordering::Release);
        }
        bitmap::set(memory.cell_bits(), number as usize, 1, false);
        let header = memory.header();
        let entries = header.entries.load(Ordering::Relaxed);
        header.entries.store(entries.saturating_sub(1), Ordering::Release);
    }

    fn done(&self) {
        let header = self.list.memory.header();
        fence(Ordering::Release);
        header.intent.new.store(0, Ordering::Relaxed);
        header.intent.old.store(0, Ordering::Relaxed);
        header.changes.fetch_add(1, Ordering::Release);
    }

    /// Frees the cells that a dead writer took and did not link, or unlinked and did not free.
    #[cold]
    fn recover(&self) {
        let header = self.list.memory.header();
        let bucket = header.intent.bucket.load(Ordering::Relaxed) as usize;
        for intent in [&header.intent.new, &header.intent.old] {
            let Some(number) = intent.load(Ordering::Relaxed).checked_sub(1) else { continue };
            let is_linked = self.chain(bucket).any(|(_, other, _)| other == number);
            if let Some(cell) = self.list.memory.cell(number)
                && !is_linked
            {
                self.free(number, cell);
            }
        }
        self.done();
        let entries = bitmap::count(self.list.memory.cell_bits());
        header.entries.store(entries as u32, Ordering::Release);
        header.recovered.fetch_add(1, Ordering::Relaxed);
        header.lock.make_consistent();
    }
}
