//! A copy of the denylist and of the cloud's settings on disk, and the orders since it was made.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use api_sessions_protocol::{DenyEntry, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::journal::{self, Journal, LockedJournal, Mark, Order};
use crate::limits::{MAX_ORDERS_BYTES, MAX_STATE_FILE_BYTES};
use api_sessions_shm::{DenyError, DenylistWriter, EntryOrigin, SharedConfig};

/// Name of the copy, in the directory of the spool.
const FILE: &str = "denylist.json";
/// Held while a copy is written, so that an older copy never replaces a newer one.
const LOCK: &str = "denylist.copy.lock";
/// Name that a copy gets if it cannot be read.
const DAMAGED: &str = "denylist.damaged.json";
/// Pause after a failed attempt.
const PAUSE: Duration = Duration::from_secs(30);
/// Orders are durable without a copy. A new copy is made if the last one is older than this or orders take more bytes.
const ORDERS_PAUSE: Duration = Duration::from_secs(60);
const ORDERS_BYTES: u64 = 1 << 20;

/// Maintains the copy.
pub struct StateFile {
    path: PathBuf,
    journal: Journal,
    deny: DenylistWriter,
    settings: Option<SharedConfig>,
    /// What the copy on disk contains.
    kept: Kept,
    /// The journal whose orders are in force here, whichever generation of NGINX has taken them.
    followed: Mark,
    /// Time of the next attempt: a large list is not written every second.
    next: Instant,
    /// As `next`, if only orders have changed.
    next_for_orders: Instant,
    failing: bool,
}

/// Counters that change with the content of a copy.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Kept {
    changes: u32,
    /// Documents of the cloud that were applied.
    documents: u32,
    settings: u64,
}

/// What was put back in force.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Entries of the denylist.
    pub entries: usize,
    /// Orders that could not be read: torn before they were acknowledged, or the disk is damaged.
    pub damaged_orders: usize,
}

/// Why an order is not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The denylist did not accept it.
    #[error(transparent)]
    NotTaken(#[from] DenyError),
    /// It is in force, but not on disk.
    #[error(transparent)]
    NotDurable(#[from] io::Error),
}

#[derive(Default, Serialize, Deserialize)]
struct Copy {
    /// Added on this node.
    #[serde(default)]
    node: Vec<DenyEntry>,
    /// Received from the cloud.
    #[serde(default)]
    cloud: Vec<DenyEntry>,
    /// The cloud's settings, as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Box<RawValue>>,
}

impl StateFile {
    /// Keeps a copy in `directory`.
    pub fn new(directory: &Path, deny: DenylistWriter, settings: Option<SharedConfig>) -> Self {
        let now = Instant::now();
        Self {
            path: directory.join(FILE),
            journal: Journal::new(directory),
            deny,
            settings,
            kept: Kept::default(),
            followed: Mark::default(),
            next: now,
            next_for_orders: now,
            failing: false,
        }
    }

    /// Puts the copy and the orders since then back in force after a start of NGINX, unless that was done already. Each
    /// worker calls it before its first request: the first one restores, and the others wait.
    ///
    /// # Errors
    /// File system errors, or a file with invalid content. A damaged copy is put aside; the orders are in force
    /// nevertheless.
    pub fn restore(&mut self, now_ms: u64, pid: u32) -> io::Result<Restored> {
        let nothing = Restored::default();
        if !self.directory().exists() {
            return Ok(nothing);
        }
        let _lock = journal::lock(self.directory(), LOCK)?;
        let orders = self.journal.lock()?;
        if !self.deny.list().is_to_be_restored() {
            return Ok(nothing);
        }
        let (restored, is_kept) = self.deny.restoring(|| self.apply(&orders, now_ms, pid))?;
        let (kept, mark) = (self.state(), self.journal.mark());
        drop(orders);
        self.followed = mark;
        if is_kept {
            self.kept = kept;
        }
        Ok(restored)
    }

    /// Puts the copy and the orders in force. Returns also whether the copy contains everything.
    fn apply(
        &self,
        orders: &LockedJournal<'_>,
        now_ms: u64,
        pid: u32,
    ) -> io::Result<(Restored, bool)> {
        let copy = self.read_copy();
        // Entries that are rejected do not fit or are invalid.
        if let Ok(copy) = &copy {
            for entry in &copy.node {
                let _ = self.deny.insert(entry, now_ms);
            }
            let _ = self.deny.replace_from_cloud(&copy.cloud);
            if let (Some(region), Some(text)) = (self.settings, &copy.settings) {
                // Settings that no longer fit will be received from the cloud again.
                let _ = region.publish(text.get().as_bytes(), pid);
            }
        }
        let journal = orders.read()?;
        for order in &journal.orders {
            match order {
                Order::Deny(entry) => {
                    let _ = self.deny.insert(entry, now_ms);
                }
                Order::Remove { session, .. } => {
                    if let Ok(session) = session.parse() {
                        let _ = self.deny.remove(&session, EntryOrigin::Local);
                    }
                }
            }
        }
        let is_kept = journal.orders.is_empty() && journal.damaged == 0;
        let mut entries = 0;
        self.deny.list().list(now_ms, &mut |_, _| entries += 1);
        copy.map(|_| (Restored { entries, damaged_orders: journal.damaged }, is_kept))
    }

    /// Takes over orders of another generation of NGINX: during an upgrade of the binary, both take orders and serve
    /// requests, each with its own list.
    ///
    /// # Errors
    /// The journal cannot be read.
    fn follow(&mut self, now_ms: u64) -> io::Result<()> {
        if self.journal.mark() == self.followed || !self.directory().exists() {
            return Ok(());
        }
        let locked = self.journal.lock()?;
        self.take_over(&locked, now_ms)?;
        let mark = self.journal.mark();
        drop(locked);
        self.followed = mark;
        Ok(())
    }

    /// The last order for a session decides, unless the list has something newer that is not in the journal yet.
    fn take_over(&self, locked: &LockedJournal<'_>, now_ms: u64) -> io::Result<()> {
        let orders = locked.read_recent()?.orders;
        let last: HashMap<&str, &Order> =
            orders.iter().map(|order| (order.session(), order)).collect();
        for order in last.into_values() {
            let Ok(session) = order.session().parse::<SessionId>() else { continue };
            let since = self.deny.list().denied_since(&session);
            // What is rejected does not fit here.
            match order {
                Order::Deny(entry) => {
                    let is_over = entry.until.is_some_and(|until| until <= now_ms);
                    if !is_over && since.is_none_or(|since| since < entry.since) {
                        let _ = self.deny.insert(entry, now_ms);
                    }
                }
                Order::Remove { at, .. } => {
                    if since.is_some_and(|since| since <= *at) {
                        let _ = self.deny.remove(&session, EntryOrigin::Local);
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes a copy if something has changed. Called about once a second, but not by an event loop. An error is
    /// returned only once until a copy succeeds.
    ///
    /// # Errors
    /// File system errors.
    pub fn keep(&mut self, now_ms: u64) -> io::Result<()> {
        // What cannot be read now is tried again in a second, and by the next copy.
        let _ = self.follow(now_ms);
        let (state, now) = (self.state(), Instant::now());
        let orders_alone =
            (state.documents, state.settings) == (self.kept.documents, self.kept.settings);
        let is_early =
            orders_alone && now < self.next_for_orders && self.journal.bytes() < ORDERS_BYTES;
        if now < self.next || is_early { Ok(()) } else { self.keep_now(now_ms) }
    }

    /// As [`StateFile::keep`], but without a pause since the last copy; for shutdown.
    ///
    /// # Errors
    /// File system errors.
    pub fn keep_now(&mut self, now_ms: u64) -> io::Result<()> {
        let (state, now) = (self.state(), Instant::now());
        if state == self.kept {
            return Ok(());
        }
        match self.write(now_ms) {
            Ok(()) => {
                // Writing takes at most a tenth of the time.
                self.next = Instant::now() + now.elapsed() * 10;
                self.next_for_orders = now + ORDERS_PAUSE;
                self.kept = state;
                self.failing = false;
                Ok(())
            }
            Err(error) => {
                self.next = now + PAUSE;
                if std::mem::replace(&mut self.failing, true) { Ok(()) } else { Err(error) }
            }
        }
    }

    /// Denies a session on behalf of this node. When this returns, the denial is in force and on disk, and may be
    /// acknowledged. Blocks while the disk writes one line, whatever the length of the list.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub fn insert(&self, entry: &DenyEntry, now_ms: u64) -> Result<(), OrderError> {
        let order = || Order::Deny(entry.clone());
        let change = || self.deny.insert(entry, now_ms).map(|()| true);
        self.take(now_ms, change, order).map(drop)
    }

    /// Takes back this node's denial of a session. Returns whether there was one. Durable as with
    /// [`StateFile::insert`].
    ///
    /// # Errors
    /// See [`OrderError`].
    pub fn remove(&self, session: &SessionId, now_ms: u64) -> Result<bool, OrderError> {
        let change = || self.deny.remove(session, EntryOrigin::Local);
        let order = || Order::Remove { session: session.to_string(), at: now_ms };
        self.take(now_ms, change, order)
    }

    /// Writes down denials that rules have put in force. They are durable when this returns. A denial that was removed
    /// since then is left out: its removal may be in the journal already.
    ///
    /// # Errors
    /// File system errors.
    pub fn write_down(&self, denials: &[DenyEntry], now_ms: u64) -> io::Result<()> {
        if self.journal.bytes() > MAX_ORDERS_BYTES {
            // If it fails, the journal keeps growing.
            let _ = self.write(now_ms);
        }
        let locked = self.journal.lock()?;
        let list = self.deny.list();
        let is_in_force = |entry: &&DenyEntry| {
            let session = entry.session.parse::<SessionId>();
            session.is_ok_and(|session| list.denied_since(&session) == Some(entry.since))
        };
        let orders: Vec<Order> =
            denials.iter().filter(is_in_force).cloned().map(Order::Deny).collect();
        if orders.is_empty() { Ok(()) } else { locked.add(&orders) }
    }

    /// The lock keeps list and journal in the same order, whichever workers apply orders.
    fn take(
        &self,
        now_ms: u64,
        change: impl FnOnce() -> Result<bool, DenyError>,
        order: impl FnOnce() -> Order,
    ) -> Result<bool, OrderError> {
        if self.journal.bytes() > MAX_ORDERS_BYTES {
            // If it fails, the journal keeps growing.
            let _ = self.write(now_ms);
        }
        let locked = self.journal.lock();
        let is_changed = change()?;
        if is_changed {
            locked?.add(&[order()])?;
        }
        Ok(is_changed)
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    fn state(&self) -> Kept {
        let list = self.deny.list();
        let settings = self.settings.map_or(0, |region| region.generation());
        Kept { changes: list.changes(), documents: list.documents(), settings }
    }

    fn read_copy(&self) -> io::Result<Copy> {
        let read = || {
            let file = File::open(&self.path)?;
            if file.metadata()?.len() > MAX_STATE_FILE_BYTES {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            serde_json::from_reader(BufReader::new(file)).map_err(io::Error::from)
        };
        // Whatever is wrong with the copy, the next one must not overwrite it.
        read().or_else(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                return Ok(Copy::default());
            }
            let kept = fs::rename(&self.path, self.path.with_file_name(DAMAGED));
            let place =
                if kept.is_ok() { format!("; it is kept as {DAMAGED}") } else { String::new() };
            Err(io::Error::other(format!("{error}{place}")))
        })
    }

    fn write(&self, now_ms: u64) -> io::Result<()> {
        // Held until the copy is written.
        let _lock = journal::lock(self.directory(), LOCK)?;
        let mut copy = Copy::default();
        {
            let orders = self.journal.lock()?;
            // Without them, the copy would undo orders of another generation. The own ones are in the list.
            let _ = self.take_over(&orders, now_ms);
            orders.put_aside()?;
            self.deny.list().list(now_ms, &mut |entry, origin| match origin {
                EntryOrigin::Local => copy.node.push(entry),
                EntryOrigin::Cloud => copy.cloud.push(entry),
            });
        }
        let text = self.settings.and_then(|region| region.read());
        copy.settings =
            text.and_then(|(_, text)| RawValue::from_string(String::from_utf8(text).ok()?).ok());
        let new = self.path.with_extension("json.new");
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let result = (|| {
            let mut out = BufWriter::new(file);
            serde_json::to_writer(&mut out, &copy)?;
            out.flush()?;
            out.get_ref().sync_all()?;
            fs::rename(&new, &self.path)?;
            // The new file name has to survive a power failure, too.
            journal::sync_directory(self.directory())
        })();
        result.inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })?;
        self.journal.lock()?.retire_old()
    }
}

#[cfg(test)]
mod tests;
