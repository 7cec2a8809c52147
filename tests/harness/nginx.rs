//! Starting, asking and ending NGINX.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{built, eventually, free_port};

/// A running NGINX. When it is dropped, it ends gracefully, and its error log must be clean.
pub(crate) struct Nginx {
    child: Child,
    directory: TempDir,
    pub(crate) port: u16,
    ended: bool,
}

/// What `nginx -t` said.
pub(crate) struct Tested {
    pub(crate) accepted: bool,
    pub(crate) said: String,
}

/// What must not be in any error log.
const NEVER: &[&str] = &[
    "[alert]",
    "[crit]",
    "[emerg]",
    "exited on signal",
    "panicked",
    "AddressSanitizer",
    "caught by the module",
];

/// The configuration around a test's own: `PORT`, `DIR` are filled in.
fn whole(directory: &Path, port: u16, main: &str, http: &str) -> String {
    let module = built("API_SESSIONS_MODULE");
    let dir = directory.display();
    format!(
        "load_module {module};
daemon off;
user root;
pid {dir}/nginx.pid;
error_log {dir}/error.log info;
{main}
events {{ worker_connections 256; }}
http {{
    access_log {dir}/access.log;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    log_format session '$request_uri $status $api_session_id $api_session_key $api_session_source $api_session_requests';
{http}
}}
"
    )
    .replace("PORT", &port.to_string())
    .replace("DIR", &dir.to_string())
}

impl Nginx {
    /// Starts with that inside `http { … }`; it must have a server that listens on `127.0.0.1:PORT`.
    #[track_caller]
    pub(crate) fn start(http: &str) -> Self {
        Self::start_with("worker_processes 2;", http)
    }

    /// As [`Nginx::start`], with that in the main context.
    #[track_caller]
    pub(crate) fn start_with(main: &str, http: &str) -> Self {
        Self::start_in(tempfile::tempdir().expect("a directory"), main, http)
    }

    /// As [`Nginx::start_with`], in a directory that holds files already.
    #[track_caller]
    pub(crate) fn start_in(directory: TempDir, main: &str, http: &str) -> Self {
        let port = free_port();
        let conf = whole(directory.path(), port, main, http);
        Self::start_whole(directory, port, &conf)
    }

    /// As [`Nginx::start_in`], with workers that run as that user.
    #[track_caller]
    pub(crate) fn start_as(directory: TempDir, user: &str, http: &str) -> Self {
        let port = free_port();
        let conf = whole(directory.path(), port, "worker_processes 1;", http);
        let conf = conf.replace("user root;", &format!("user {user};"));
        Self::start_whole(directory, port, &conf)
    }

    /// Starts once more what has ended, with the same configuration and port.
    #[track_caller]
    pub(crate) fn start_again(directory: TempDir, conf: &str) -> Self {
        let listens = conf.split("listen 127.0.0.1:").nth(1).unwrap_or_default();
        let digits: String = listens.chars().take_while(char::is_ascii_digit).collect();
        Self::start_whole(directory, digits.parse().expect("a port"), conf)
    }

    #[track_caller]
    fn start_whole(directory: TempDir, port: u16, conf: &str) -> Self {
        fs::write(directory.path().join("nginx.conf"), conf).expect("written");
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
            // Not before it says so itself: until then, who listens there may be another test's
            // `nginx -t`, which opens its sockets too.
            nginx.path("nginx.pid").exists().then_some(())
        });
        nginx
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn error_log(&self) -> String {
        fs::read_to_string(self.path("error.log")).unwrap_or_default()
    }

    /// NGINX says itself that a worker was killed (`ngx_process_get_status`), and that it took a lock of a
    /// zone from it (`ngx_unlock_mutexes`): in a test that kills workers, those lines are no fault. All
    /// others still are.
    pub(crate) fn forgive_kills(&self) {
        self.forgive(|line| {
            (line.contains("exited on signal 9") || line.contains("shared memory zone"))
                && !line.contains("[emerg]")
        });
    }

    /// Takes lines out of the error log that the test is about.
    pub(crate) fn forgive(&self, is_expected: impl Fn(&str) -> bool) {
        let log = self.error_log();
        let kept: Vec<&str> = log.lines().filter(|line| !is_expected(line)).collect();
        fs::write(self.path("error.log"), kept.join("\n") + "\n").expect("written");
    }

    /// Lines of a log in the test's directory.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Process ids of the workers that run now.
    pub(crate) fn workers(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.child.id());
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    pub(crate) fn master(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the master, by the name that kill(1) knows.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Replaces something in the configuration, reloads, and waits for the new workers.
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

    /// Ends gracefully; the error log must be clean.
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
            // Workers of a master that is killed live on: it ends them first.
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

fn command(directory: &Path) -> Command {
    let mut command = Command::new(built("API_SESSIONS_NGINX"));
    command
        .arg("-p")
        .arg(directory)
        .arg("-c")
        .arg(directory.join("nginx.conf"))
        .arg("-e")
        .arg(directory.join("error.log"));
    command
}

/// `nginx -t` with that inside `http { … }`.
pub(crate) fn check(http: &str) -> Tested {
    let directory = tempfile::tempdir().expect("a directory");
    check_in(&directory, http)
}

/// As [`check`], in a directory that holds files already.
pub(crate) fn check_in(directory: &TempDir, http: &str) -> Tested {
    let conf = whole(directory.path(), free_port(), "", http);
    check_whole(directory, &conf)
}

/// `nginx -t` with that as the whole configuration.
pub(crate) fn check_whole(directory: &TempDir, conf: &str) -> Tested {
    fs::write(directory.path().join("nginx.conf"), conf).expect("written");
    let output = command(directory.path()).arg("-t").output().expect("nginx runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Tested { accepted: output.status.success(), said }
}

/// An NGINX that is nobody's child, for what only such a one does. The test ends it.
pub(crate) struct Daemon {
    directory: TempDir,
    pub(crate) port: u16,
}

impl Daemon {
    #[track_caller]
    pub(crate) fn start(http: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let conf = whole(directory.path(), port, "worker_processes 1;", http);
        fs::write(directory.path().join("nginx.conf"), conf.replace("daemon off;", "daemon on;"))
            .expect("written");
        let status = command(directory.path()).stderr(Stdio::null()).status().expect("nginx runs");
        let daemon = Self { directory, port };
        assert!(status.success(), "{}", daemon.error_log());
        eventually("nginx listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        daemon
    }

    /// Process id of the master that wrote the pid file last; 0 for none.
    pub(crate) fn pid(&self) -> u32 {
        let text = fs::read_to_string(self.directory.path().join("nginx.pid")).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    pub(crate) fn has_ended(&self, pid: u32) -> bool {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Nobody may wait for an orphan here: a zombie has ended.
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
