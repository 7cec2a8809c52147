//! An NGINX in the background, as init systems start it.

use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::builder::{NginxBuilder, command, write_config};
use super::eventually;

/// An NGINX that is no child of the test, as a binary upgrade needs. The test ends it.
pub(crate) struct Daemon {
    directory: TempDir,
    pub(crate) port: u16,
}

impl Daemon {
    /// Starts one worker with that content of `http { … }`.
    #[track_caller]
    pub(crate) fn start(http: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        // A binary upgrade starts the new master without the environment, and a sanitizer needs these.
        let builder = NginxBuilder::new().workers(1).main("env LD_PRELOAD; env ASAN_OPTIONS;");
        let (port, config) = builder.http(http).render(directory.path());
        write_config(directory.path(), &config.replace("daemon off;", "daemon on;"));
        let status = command(directory.path()).stderr(Stdio::null()).status().expect("nginx runs");
        let daemon = Self { directory, port };
        assert!(status.success(), "{}", daemon.error_log());
        eventually("nginx listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        daemon
    }

    /// Process id of the master that wrote the pid file last; 0 if there is no such file.
    pub(crate) fn pid(&self) -> u32 {
        let text = fs::read_to_string(self.directory.path().join("nginx.pid")).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    pub(crate) fn has_ended(&self, pid: u32) -> bool {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // In a container nobody may reap an orphan: a zombie counts as ended.
        stat.is_empty() || stat.contains(") Z ")
    }

    pub(crate) fn error_log(&self) -> String {
        fs::read_to_string(self.directory.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = self.pid();
        if pid != 0 && !self.has_ended(pid) {
            let _ = Command::new("kill").arg(pid.to_string()).status();
        }
    }
}
