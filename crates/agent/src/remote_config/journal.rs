//! Denials and removals on this node since the last copy of the denylist, one per line.
//!
//! Orders are appended to a file under a lock, and are durable before they are acknowledged. When a new copy is made,
//! the file is put aside (`.old`), and retired (`.done`) once that copy is durable; until then the previous copy and
//! both files make up the list. Retired orders are kept for a while: during an upgrade of the binary (SIGUSR2), each
//! generation of NGINX has a list of its own, and takes over the orders of the other from these files. Applying a file
//! twice, or to a copy that already contains its orders, changes nothing, since the last order for a session wins.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use api_sessions_protocol::DenyEntry;
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_DONE_JOURNAL_BYTES, MAX_JOURNAL_BYTES};

/// Name of the file, in the directory of the spool.
const FILE: &str = "denylist.journal";
/// Orders that a copy in the making contains.
const OLD: &str = "denylist.journal.old";
/// Orders that the latest copy contains.
const DONE: &str = "denylist.journal.done";
/// Minimum time for which retired orders are kept: a multiple of the interval at which other generations read them.
const DONE_AGE: Duration = Duration::from_secs(10);
/// Held while an order is applied and appended.
const LOCK: &str = "denylist.lock";

/// An order from `api_sessions_control` or from a rule.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    /// Denies a session.
    Deny(DenyEntry),
    /// Takes back the denial of a session.
    Remove {
        /// The session.
        session: String,
        /// Time of the order, milliseconds since 1970.
        at: u64,
    },
}

impl Order {
    /// The session that it is about.
    pub(super) fn session(&self) -> &str {
        match self {
            Self::Deny(entry) => &entry.session,
            Self::Remove { session, .. } => session,
        }
    }
}

/// Inode, size and time of change of the files, which change with each order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mark([Option<(u64, u64, i64, i64)>; 3]);

/// The journal's files in a directory.
pub(super) struct Journal {
    directory: PathBuf,
}

/// The journal, locked against orders from others.
pub(super) struct LockedJournal<'a> {
    directory: &'a Path,
    _lock: File,
}

/// Content of the journal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// In the order in which they were applied.
    pub(super) orders: Vec<Order>,
    /// Invalid lines: an order was torn before it was acknowledged, or the disk is damaged.
    pub(super) damaged: usize,
}

impl Journal {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Bytes that the next copy makes redundant.
    pub(super) fn bytes(&self) -> u64 {
        let size = |name| fs::metadata(self.directory.join(name)).map_or(0, |file| file.len());
        size(FILE) + size(OLD)
    }

    /// The state of the files now.
    pub(super) fn mark(&self) -> Mark {
        Mark([DONE, OLD, FILE].map(|name| {
            let file = fs::metadata(self.directory.join(name)).ok()?;
            Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
        }))
    }

    /// Waits for the lock.
    pub(super) fn lock(&self) -> io::Result<LockedJournal<'_>> {
        Ok(LockedJournal { directory: &self.directory, _lock: lock(&self.directory, LOCK)? })
    }
}

impl LockedJournal<'_> {
    /// Appends orders. They are durable when this returns.
    pub(super) fn add(&self, orders: &[Order]) -> io::Result<()> {
        // Starts a new line, in case the last one is torn.
        let mut lines = b"\n".to_vec();
        for order in orders {
            serde_json::to_writer(&mut lines, order)?;
            lines.push(b'\n');
        }
        let path = self.directory.join(FILE);
        let is_new = !path.exists();
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        file.write_all(&lines)?;
        file.sync_data()?;
        // A new file name has to survive a power failure, too.
        if is_new { sync_directory(self.directory) } else { Ok(()) }
    }

    /// Puts aside the orders that a copy of the current list will contain.
    pub(super) fn put_aside(&self) -> io::Result<()> {
        let (path, old) = (self.directory.join(FILE), self.directory.join(OLD));
        if !path.exists() {
            return Ok(());
        }
        if !old.exists() {
            fs::rename(path, old)?;
        } else {
            // The previous copy was never finished.
            let mut file = OpenOptions::new().append(true).open(old)?;
            io::copy(&mut File::open(&path)?, &mut file)?;
            file.sync_data()?;
            fs::remove_file(path)?;
        }
        sync_directory(self.directory)
    }

    /// Retires what was put aside, once the copy that contains it is durable.
    pub(super) fn retire_old(&self) -> io::Result<()> {
        let (old, done) = (self.directory.join(OLD), self.directory.join(DONE));
        if !old.exists() {
            return Ok(());
        }
        let is_recent = fs::metadata(&done).is_ok_and(|file| {
            let age = file.modified().ok().and_then(|time| time.elapsed().ok());
            file.len() < MAX_DONE_JOURNAL_BYTES && age.is_none_or(|age| age < DONE_AGE)
        });
        if !is_recent {
            return fs::rename(old, done);
        }
        let mut file = OpenOptions::new().append(true).open(done)?;
        io::copy(&mut File::open(&old)?, &mut file)?;
        fs::remove_file(old)
    }

    /// All orders that the copy may lack, oldest first.
    pub(super) fn read(&self) -> io::Result<Orders> {
        self.read_files(&[OLD, FILE])
    }

    /// As [`Self::read`], with those that were retired a while ago.
    pub(super) fn read_recent(&self) -> io::Result<Orders> {
        self.read_files(&[DONE, OLD, FILE])
    }

    fn read_files(&self, names: &[&str]) -> io::Result<Orders> {
        let mut all = Orders::default();
        for name in names {
            let file = match File::open(self.directory.join(name)) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                file => file?,
            };
            if file.metadata()?.len() > MAX_JOURNAL_BYTES {
                return Err(ErrorKind::FileTooLarge.into());
            }
            let mut text = Vec::new();
            (&file).read_to_end(&mut text)?;
            for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                match serde_json::from_slice(line) {
                    Ok(order) => all.orders.push(order),
                    Err(_) => all.damaged += 1,
                }
            }
        }
        Ok(all)
    }
}

/// Waits for a lock in the directory, which is created if it is missing. Dropping the file releases the lock.
pub(super) fn lock(directory: &Path, name: &str) -> io::Result<File> {
    fs::create_dir_all(directory)?;
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600);
    let file = file.open(directory.join(name))?;
    file.lock()?;
    Ok(file)
}

/// Makes created, renamed and removed file names survive a power failure.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn remove(number: usize) -> Order {
        Order::Remove { session: format!("{number:032x}"), at: 1 }
    }

    #[test]
    fn orders_are_read_in_the_order_they_were_taken_whatever_was_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::new(directory.path());
        for number in 0..6 {
            journal.lock().unwrap().add(&[remove(number)]).unwrap();
            if [1, 3].contains(&number) {
                journal.lock().unwrap().put_aside().unwrap();
            }
        }
        let all: Vec<_> = (0..6).map(remove).collect();
        assert_eq!(journal.lock().unwrap().read().unwrap(), Orders { orders: all, damaged: 0 });
        journal.lock().unwrap().retire_old().unwrap();
        let left: Vec<_> = (4..6).map(remove).collect();
        assert_eq!(journal.lock().unwrap().read().unwrap().orders, left);
        // Other generations still find the others, also after another copy at once.
        journal.lock().unwrap().put_aside().unwrap();
        journal.lock().unwrap().retire_old().unwrap();
        let recent = journal.lock().unwrap().read_recent().unwrap().orders;
        assert_eq!(recent, (0..6).map(remove).collect::<Vec<_>>());
        assert_eq!(journal.bytes(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn an_order_that_was_torn_takes_no_other_with_it(torn in 0_usize..60, zeroes in 0_usize..3) {
            let directory = tempfile::tempdir().unwrap();
            let journal = Journal::new(directory.path());
            journal.lock().unwrap().add(&[remove(1)]).unwrap();
            let path = directory.path().join(FILE);
            let whole = fs::read(&path).unwrap();
            let mut text = whole.clone();
            text.extend_from_slice(&whole[..torn.min(whole.len() - 2)]);
            // A file system may extend the file before it writes the data.
            text.extend(std::iter::repeat_n(0, zeroes));
            fs::write(&path, text).unwrap();
            journal.lock().unwrap().add(&[remove(2)]).unwrap();
            let read = journal.lock().unwrap().read().unwrap();
            prop_assert_eq!(read.orders, [remove(1), remove(2)]);
            prop_assert_eq!(read.damaged, usize::from(torn > 1 || zeroes > 0));
        }
    }
}
