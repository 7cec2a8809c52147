//! A copy of the denylist and of the cloud's settings on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use api_sessions_protocol::DenyEntry;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use api_sessions_shm::{DenylistWriter, EntryOrigin, SharedConfig};

/// Name of the copy, in the directory of the spool.
const FILE: &str = "denylist.json";
/// Held while a copy is made and written, so that an older one never replaces a newer one.
const LOCK: &str = "denylist.lock";
/// Larger files are not read, bytes: more than the denylist holds.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Time without an attempt after one that failed.
const PAUSE: Duration = Duration::from_secs(30);

/// Keeps the copy.
pub struct StateFile {
    path: PathBuf,
    deny: DenylistWriter,
    settings: Option<SharedConfig>,
    /// What the copy on disk holds.
    kept: (u32, u64),
    /// Not before: a large list is not written each second.
    next: Instant,
    failing: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Copy {
    /// Added on this node.
    #[serde(default)]
    node: Vec<DenyEntry>,
    /// Taken from the cloud.
    #[serde(default)]
    cloud: Vec<DenyEntry>,
    /// The cloud's settings, as they were published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Box<RawValue>>,
}

impl StateFile {
    /// Keeps a copy in that directory.
    pub fn new(directory: &Path, deny: DenylistWriter, settings: Option<SharedConfig>) -> Self {
        let path = directory.join(FILE);
        Self { path, deny, settings, kept: (0, 0), next: Instant::now(), failing: false }
    }

    /// Puts the copy in force, where nothing is yet: after a start of nginx, before its first request.
    /// How many entries there were.
    ///
    /// # Errors
    /// As the file system has them, or the file is none of ours. Nothing is changed then.
    pub fn restore(&mut self, now_ms: u64, pid: u32) -> io::Result<usize> {
        if self.state() != (0, 0) {
            return Ok(0);
        }
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            file => file?,
        };
        if file.metadata()?.len() > MAX_FILE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let copy: Copy = serde_json::from_reader(BufReader::new(file))?;
        let mut taken = 0;
        for entry in &copy.node {
            taken += usize::from(self.deny.insert(entry, now_ms).is_ok());
        }
        if let Ok(summary) = self.deny.replace_from_cloud(&copy.cloud) {
            taken += usize::try_from(summary.applied).unwrap_or_default();
        }
        if let (Some(region), Some(text)) = (self.settings, &copy.settings) {
            // What no longer fits is taken from the cloud again.
            let _ = region.publish(text.get().as_bytes(), pid);
        }
        self.kept = self.state();
        Ok(taken)
    }

    /// Writes a copy if something has changed. To be called about once a second, not by an event loop.
    /// An error is returned once, until it works again.
    ///
    /// # Errors
    /// As the file system has them.
    pub fn keep(&mut self, now_ms: u64) -> io::Result<()> {
        if Instant::now() < self.next {
            return Ok(());
        }
        self.keep_now(now_ms)
    }

    /// As [`StateFile::keep`], for the last time: without a pause after the last one.
    ///
    /// # Errors
    /// As the file system has them.
    pub fn keep_now(&mut self, now_ms: u64) -> io::Result<()> {
        let (state, now) = (self.state(), Instant::now());
        if state == self.kept {
            return Ok(());
        }
        match self.write(now_ms) {
            Ok(()) => {
                // At most a tenth of the time goes into writing.
                self.next = Instant::now() + now.elapsed() * 10;
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

    /// Writes a copy now, whether or not another process has written one. It is durable when this returns: a
    /// denial may then be acknowledged. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// As the file system has them.
    pub fn persist(&self, now_ms: u64) -> io::Result<()> {
        self.write(now_ms)
    }

    fn state(&self) -> (u32, u64) {
        let settings = self.settings.map_or(0, |region| region.generation());
        (self.deny.list().changes(), settings)
    }

    fn write(&self, now_ms: u64) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600);
        // Dropped, and with it released, when the copy is written.
        let lock = lock.open(directory.join(LOCK))?;
        lock.lock()?;
        let mut copy = Copy::default();
        self.deny.list().list(now_ms, &mut |entry, origin| match origin {
            EntryOrigin::Local => copy.node.push(entry),
            EntryOrigin::Cloud => copy.cloud.push(entry),
        });
        let text = self.settings.and_then(|region| region.read());
        copy.settings =
            text.and_then(|(_, text)| RawValue::from_string(String::from_utf8(text).ok()?).ok());
        let new = self.path.with_extension(format!("{}.new", std::process::id()));
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let result = (|| {
            let mut out = BufWriter::new(file);
            serde_json::to_writer(&mut out, &copy)?;
            out.flush()?;
            out.get_ref().sync_all()?;
            fs::rename(&new, &self.path)?;
            // The name too survives a loss of power.
            File::open(directory)?.sync_all()
        })();
        result.inspect_err(|_| {
            let _ = fs::remove_file(&new);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_sessions_shm::testing;

    fn entry(number: u32) -> DenyEntry {
        DenyEntry {
            session: format!("{number:032x}"),
            reason: Some("why".into()),
            ..DenyEntry::default()
        }
    }

    fn keeper(directory: &Path) -> StateFile {
        let deny = testing::denylist(1 << 20).join(1, std::process::id());
        StateFile::new(directory, deny, Some(testing::shared_config(1024)))
    }

    fn entries(keeper: &StateFile) -> Vec<(String, EntryOrigin)> {
        let mut all = Vec::new();
        keeper.deny.list().list(1, &mut |entry, origin| all.push((entry.session, origin)));
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }

    #[test]
    fn entries_and_settings_survive_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = keeper(directory.path());
        assert_eq!(first.restore(1, 1).unwrap(), 0);
        first.deny.insert(&entry(1), 1).unwrap();
        first.deny.replace_from_cloud(&[entry(2), entry(3)]).unwrap();
        first.settings.unwrap().publish(b"{\"version\":\"v\"}", 1).unwrap();
        first.keep(1).unwrap();
        let mut second = keeper(directory.path());
        assert_eq!(second.restore(1, 1).unwrap(), 3);
        assert_eq!(entries(&second), entries(&first));
        assert_eq!(second.settings.unwrap().read().unwrap().1, b"{\"version\":\"v\"}");
        // What is there already is newer.
        second.deny.insert(&entry(4), 1).unwrap();
        assert_eq!(second.restore(1, 1).unwrap(), 0);
        assert_eq!(entries(&second).len(), 4);
    }

    #[test]
    fn a_damaged_copy_is_an_error_and_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "{\"node\":[{").unwrap();
        let mut keeper = keeper(directory.path());
        assert!(keeper.restore(1, 1).is_err());
        assert_eq!(entries(&keeper), []);
    }

    #[test]
    fn a_copy_that_cannot_be_written_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        let mut keeper = keeper(&directory.path().join("file"));
        keeper.deny.insert(&entry(1), 1).unwrap();
        assert!(keeper.keep(1).is_err());
        keeper.next = Instant::now();
        assert!(keeper.keep(1).is_ok());
    }
}
