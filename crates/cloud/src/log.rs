//! The log: on standard error or in a file, with a filter that a reload changes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use api_sessions_cloud_config::config::Config;

type SetFilter = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

/// The running log.
pub struct Log {
    set_filter: SetFilter,
    file: Option<LogFile>,
}

/// Why the log cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be opened.
    #[error("cannot open the log {0}: {1}")]
    File(PathBuf, io::Error),
}

impl Log {
    /// Starts the log of this process.
    ///
    /// # Errors
    /// [`LogError`]
    pub fn start(config: &Config) -> Result<Log, LogError> {
        let file = config.log_file.as_deref().map(LogFile::open).transpose()?;
        let writer = match &file {
            Some(file) => BoxMakeWriter::new(file.clone()),
            None => BoxMakeWriter::new(io::stderr),
        };
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(writer);
        let filter = config.log_filter();
        // Each format is a different type.
        let set_filter: SetFilter = if config.log_json {
            let log = log.json().with_env_filter(filter).with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string()))
        } else {
            let log = log.with_env_filter(filter).with_filter_reloading();
            let handle = log.reload_handle();
            log.init();
            Box::new(move |filter| handle.reload(filter).map_err(|error| error.to_string()))
        };
        Ok(Log { set_filter, file })
    }

    /// Changes the filter.
    ///
    /// # Errors
    /// The log has ended.
    pub fn set_filter(&self, filter: EnvFilter) -> Result<(), String> {
        (self.set_filter)(filter)
    }

    /// Reopens the log file, after a rotation. Returns false if the log is standard error.
    ///
    /// # Errors
    /// The file cannot be opened; the log continues in the old one.
    pub fn reopen(&self) -> Result<bool, LogError> {
        match &self.file {
            Some(file) => file.reopen().map(|()| true),
            None => Ok(false),
        }
    }
}

/// A log file that can be reopened.
#[derive(Debug, Clone)]
struct LogFile {
    path: Arc<Path>,
    file: Arc<Mutex<File>>,
}

fn append_to(path: &Path) -> Result<File, LogError> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.map_err(|error| LogError::File(path.to_owned(), error))
}

impl LogFile {
    fn open(path: &Path) -> Result<LogFile, LogError> {
        let file = Arc::new(Mutex::new(append_to(path)?));
        Ok(LogFile { path: Arc::from(path), file })
    }

    fn reopen(&self) -> Result<(), LogError> {
        let file = append_to(&self.path)?;
        *self.file.lock() = file;
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.file.lock().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogFile {
    type Writer = LogFile;

    fn make_writer(&self) -> LogFile {
        self.clone()
    }
}
