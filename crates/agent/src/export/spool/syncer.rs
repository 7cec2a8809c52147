//! Syncs segments on a separate thread, since `fdatasync(2)` takes as long as the disk does.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::segment::Writer;

/// The thread starts when it is first needed and ends with the syncer.
#[derive(Default)]
pub(super) struct Syncer(Option<Running>);

struct Running {
    segments: Sender<PathBuf>,
    failures: Receiver<io::Error>,
}

impl Syncer {
    /// Takes over syncing a segment. The caller only waits for the disk if there is no thread.
    pub(super) fn take(&mut self, writer: &mut Writer) {
        if !writer.take_unsynced() {
            return;
        }
        if self.0.is_none() {
            self.0 = Running::start().ok();
        }
        let path = writer.path().to_owned();
        let handed_over = self.0.as_ref().is_some_and(|it| it.segments.send(path).is_ok());
        if !handed_over {
            let _ = writer.sync_all();
        }
    }

    /// An error of the disk since the last call.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.0.as_ref()?.failures.try_recv().ok()
    }
}

impl Running {
    fn start() -> io::Result<Self> {
        let (segments, waiting) = unbounded::<PathBuf>();
        let (failed, failures) = bounded(1);
        thread::Builder::new().name("api-sessions-io".to_owned()).spawn(move || {
            for path in waiting {
                if let Err(error) = sync(&path) {
                    // If the channel is full, an earlier error already says the same.
                    let _ = failed.try_send(error);
                }
            }
        })?;
        Ok(Self { segments, failures })
    }
}

/// Opens the file again: a duplicate of the writer's descriptor would keep its lock.
fn sync(path: &Path) -> io::Result<()> {
    match File::open(path) {
        // It was sent and removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        file => file?.sync_data(),
    }
}
