//! `try --har`: the sessions that a node would make of a browser's export, without a node.
//!
//! A HAR file contains the requests and responses of one browser. [`read`] streams its entries, [`exchange`] presents
//! an entry as a node sees a request, [`grouping`] resolves and learns as a node does, and [`report`] prints the
//! result.

mod entry;
mod exchange;
mod grouping;
mod read;
mod report;
mod rotation;
mod selection;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use api_sessions_extract::{KeyExport, NoVariables, Point, SessionKey, longest_pattern_first};
use clap::Args;

use grouping::Grouping;
use selection::Selection;

use crate::limits::MAX_PRINTED_ERRORS;

/// Arguments of `try`.
#[derive(Debug, Args)]
pub struct Try {
    /// HAR file, as browsers export it ("Save all as HAR", with cookies)
    #[arg(long, value_name = "FILE")]
    pub har: PathBuf,
    /// Session key, as in session_key: a point such as request.header.x-user; repeatable, in order of priority
    #[arg(long = "key", value_name = "POINT", value_parser = key)]
    pub keys: Vec<SessionKey>,
    /// Without the built-in set of keys (api_sessions_builtin_keys off)
    #[arg(long)]
    pub no_builtin: bool,
    /// Host whose requests the node would see; repeatable; by default that of the first request
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,
}

/// Minimum size of a file for which progress is printed, bytes.
const LARGE_FILE: u64 = 16 << 20;

fn key(text: &str) -> Result<SessionKey, String> {
    let point = Point::parse(text, &mut NoVariables).map_err(|error| error.to_string())?;
    Ok(SessionKey { point, name: text.to_owned(), export: KeyExport::Off })
}

/// Groups the file's requests. Prints the sessions to `out`, problems to `messages`, and progress to standard error.
/// Returns whether the file was read to its end.
///
/// # Errors
/// The file cannot be read or is not a HAR file, or an output cannot be written.
pub fn run(
    what: Try,
    out: &mut dyn Write,
    messages: &mut dyn Write,
) -> Result<bool, Box<dyn std::error::Error>> {
    let name = what.har.display().to_string();
    let in_file = |error: &dyn std::fmt::Display| format!("{name}: {error}");
    let file = File::open(&what.har).map_err(|error| in_file(&error))?;
    let size = file.metadata().map_err(|error| in_file(&error))?.len();
    let mut keys = what.keys;
    longest_pattern_first(&mut keys);
    let mut grouping = Grouping::new(keys, !what.no_builtin).ok_or("out of memory")?;
    let mut selection = Selection::new(what.hosts);
    let (mut entries, mut bad) = (0_usize, 0_usize);
    let mut told = io::Result::Ok(());
    let progress = Progress::new(&what.har, size);
    let reader = BufReader::with_capacity(1 << 16, Counted { file, progress });
    let ended = read::entries(reader, &mut |entry| {
        entries += 1;
        match entry {
            Ok(entry) => {
                if let Some(request) = selection.select(entry) {
                    grouping.take(request);
                }
            }
            Err(error) => {
                bad += 1;
                if bad <= MAX_PRINTED_ERRORS && told.is_ok() {
                    told = writeln!(messages, "{name}: entry {entries} is left out: {error} of it");
                }
            }
        }
    });
    told?;
    if bad > MAX_PRINTED_ERRORS {
        writeln!(messages, "{name}: {bad} entries are left out in all")?;
    }
    if let Err(error) = &ended {
        if entries == 0 {
            return Err(in_file(error).into());
        }
        writeln!(messages, "{name}: {error}; the {entries} entries before that are shown")?;
    }
    let groups = grouping.finish();
    report::print(&name, entries, &selection, &groups, out)?;
    Ok(ended.is_ok())
}

/// A file that reports the progress of reading it.
struct Counted {
    file: File,
    progress: Progress,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(buffer)?;
        self.progress.add(len as u64);
        Ok(len)
    }
}

/// Reports each tenth of a large file on standard error.
struct Progress {
    name: String,
    size: u64,
    done: u64,
}

impl Progress {
    fn new(file: &Path, size: u64) -> Self {
        Self { name: file.display().to_string(), size, done: 0 }
    }

    fn add(&mut self, len: u64) {
        let tenth = (self.size / 10).max(1);
        let before = self.done / tenth;
        self.done += len;
        if self.size >= LARGE_FILE && self.done / tenth != before {
            let percent = (self.done / tenth * 10).min(100);
            // Failing to print progress is not an error.
            let _ = writeln!(io::stderr(), "{}: {percent} % read", self.name);
        }
    }
}
