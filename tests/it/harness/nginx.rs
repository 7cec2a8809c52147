//! A running NGINX.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::builder::{ConfigTest, NginxBuilder, check_config, command, write_config};
use super::eventually;

/// A running NGINX. When it is dropped, it ends gracefully, and its error log must be clean.
pub(crate) struct Nginx {
    child: Child,
    directory: TempDir,
    pub(crate) port: u16,
    ended: bool,
}

/// Text that no error log may contain.
const NEVER: &[&str] = &[
    "[alert]",
    "[crit]",
    "[emerg]",
    "exited on signal",
    "panicked",
    "AddressSanitizer",
    "caught by the module",
];

impl Nginx {
    pub(crate) fn builder<'a>() -> NginxBuilder<'a> {
        NginxBuilder::new()
    }

    /// Starts in a directory, and waits until NGINX listens.
    #[track_caller]
    pub(super) fn spawn(directory: TempDir, port: u16, config: &str) -> Self {
        write_config(directory.path(), config);
        let child = command(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let mut nginx = Self { child, directory, port, ended: false };
        eventually("nginx listens", || {
            if let Some(status) = nginx.child.try_wait().expect("a status") {
                nginx.ended = true;
                panic!("nginx ended with {status}:\n{}", nginx.error_log());
            }
            // A connection would prove less: `nginx -t` of another test may listen on the port briefly.
            nginx.path("nginx.pid").exists().then_some(())
        });
        nginx
    }

    /// Runs `nginx -t` with the configuration of this NGINX, beside it.
    pub(crate) fn check(&self) -> ConfigTest {
        check_config(self.directory.path())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn error_log(&self) -> String {
        fs::read_to_string(self.path("error.log")).unwrap_or_default()
    }

    /// Expects the lines that NGINX logs when a worker is killed (`ngx_process_get_status`) and when it
    /// releases that worker's lock of a zone (`ngx_unlock_mutexes`).
    pub(crate) fn expect_kills(&self) {
        self.expect_log(|line| {
            (line.contains("exited on signal 9") || line.contains("shared memory zone"))
                && !line.contains("[emerg]")
        });
    }

    /// Removes expected lines from the error log, which must be clean at the end.
    pub(crate) fn expect_log(&self, is_expected: impl Fn(&str) -> bool) {
        let log = self.error_log();
        let kept: Vec<&str> = log.lines().filter(|line| !is_expected(line)).collect();
        fs::write(self.path("error.log"), kept.join("\n") + "\n").expect("written");
    }

    /// Lines of a log in the test's directory.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Process ids of the current workers.
    pub(crate) fn workers(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    pub(crate) fn master(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the master, by its name for kill(1).
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Replaces text of the configuration, reloads, and waits for the new workers.
    #[track_caller]
    pub(crate) fn reload(&self, from: &str, to: &str) {
        let path = self.path("nginx.conf");
        let conf = fs::read_to_string(&path).expect("a configuration");
        assert!(conf.contains(from), "{from} is not in the configuration");
        fs::write(&path, conf.replace(from, to)).expect("written");
        let before = self.workers();
        self.signal("HUP");
        eventually("the workers are new ones", || {
            let now = self.workers();
            (!now.is_empty() && now.iter().all(|pid| !before.contains(pid))).then_some(())
        });
    }

    /// Kills master and workers at once, as a loss of power would; the directory is left.
    #[track_caller]
    pub(crate) fn kill_all(mut self) -> TempDir {
        let workers = self.workers();
        // The master first: it would start new workers.
        for pid in std::iter::once(self.master()).chain(workers) {
            signal(pid, "KILL");
        }
        let _ = self.child.wait();
        self.ended = true;
        let _ = fs::remove_file(self.path("nginx.pid"));
        std::mem::replace(&mut self.directory, tempfile::tempdir().expect("a directory"))
    }

    /// Ends gracefully, checks the error log, and returns the directory.
    #[track_caller]
    pub(crate) fn finish(mut self) -> TempDir {
        self.end();
        std::mem::replace(&mut self.directory, tempfile::tempdir().expect("a directory"))
    }

    #[track_caller]
    fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.signal("QUIT");
        let child = &mut self.child;
        let status = eventually("nginx ends", || child.try_wait().expect("a status"));
        let log = self.error_log();
        let bad: Vec<&str> =
            log.lines().filter(|line| NEVER.iter().any(|never| line.contains(never))).collect();
        assert!(bad.is_empty(), "in the error log:\n{}", bad.join("\n"));
        assert!(status.success(), "nginx ended with {status}");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("error log:\n{}", self.error_log());
            // SIGTERM, not SIGKILL: the master ends its workers first.
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
            let _ = self.child.wait();
        } else {
            self.end();
        }
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success(), "{name} to {pid}");
}
