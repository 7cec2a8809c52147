//! SIGHUP and SIGUSR1, and a Unix-domain socket: what a service manager and a proxy on the same machine use.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{batch, record, token};

/// The program on a socket, with a configuration file and a log file.
struct Program {
    child: Child,
    dir: TempDir,
}

impl Program {
    fn start(config: &str) -> Program {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cloud.toml"), config).unwrap();
        let child = Self::spawn(dir.path());
        Program { child, dir }
    }

    fn spawn(dir: &Path) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_api-sessions-cloud"));
        command.env_clear().arg("--listen").arg(format!("unix:{}", dir.join("socket").display()));
        for (option, name) in
            [("--config", "cloud.toml"), ("--data", "data"), ("--log-file", "log")]
        {
            command.arg(option).arg(dir.join(name));
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("Console: "), "{line}");
        child
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits until the log contains `text`.
    fn wait_for_log(&self, text: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        while !std::fs::read_to_string(self.path("log")).unwrap_or_default().contains(text) {
            assert!(Instant::now() < end, "{}", std::fs::read_to_string(self.path("log")).unwrap());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn configure(&self, config: &str) {
        std::fs::write(self.path("cloud.toml"), config).unwrap();
        self.signal("HUP");
    }

    /// Sends a request over the socket; returns the response as text.
    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let mut stream = UnixStream::connect(self.path("socket")).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn bearer(&self, role: &str) -> String {
        format!("authorization: Bearer {}\r\n", token(&self.path("data"), role))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_cloud_listened_on_tcp_only() {
    let mut program = Program::start("socket-mode = \"660\"\n");
    let mode = std::fs::metadata(program.path("socket")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let lines = batch(&[record(1, 1, json!({}))]);
    let stored = program.send("POST", "/v1/records", &program.bearer("ingest"), &lines);
    assert!(stored.starts_with("HTTP/1.1 200") && stored.contains("\"stored\":1"), "{stored}");
    let list = program.send("GET", "/v1/sessions", &program.bearer("admin"), "");
    assert!(list.contains("\"total\":1"), "{list}");
    assert!(program.send("GET", "/v1/sessions", "", "").starts_with("HTTP/1.1 401"));

    // A killed process leaves its socket; the next one replaces it, and a second one does not.
    program.child.kill().unwrap();
    program.child.wait().unwrap();
    assert!(program.path("socket").exists());
    program.child = Program::spawn(program.dir.path());
    let second = Command::new(env!("CARGO_BIN_EXE_api-sessions-cloud"))
        .env_clear()
        .arg("--listen")
        .arg(format!("unix:{}", program.path("socket").display()))
        .arg("--data")
        .arg(program.path("other"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && error.contains("another process listens"), "{error}");
    assert!(program.send("GET", "/healthz", "", "").starts_with("HTTP/1.1 200"));
    program.signal("TERM");
    assert!(program.child.wait().unwrap().success());
    assert!(!program.path("socket").exists());
}

#[test]
fn sighup_did_not_reload() {
    let program = Program::start("log = \"warn\"\n");
    let location = || {
        let answer = program.send("GET", "/nodes", "", "");
        let line = answer.lines().find(|line| line.to_lowercase().starts_with("location:"));
        line.unwrap_or_default().split_once(' ').unwrap_or_default().1.trim().to_owned()
    };
    assert_eq!(location(), "/login?next=%2Fnodes");
    program.configure("log = \"info\"\npublic-url = \"https://a.example/x/\"\ndata = \"/other\"\ntrusted-proxy = \"10.0.0.1/8\"\n");
    program.wait_for_log("configuration reloaded");
    program.wait_for_log("low address bits of 10.0.0.1/8 are meaningless");
    assert_eq!(location(), "/x/login?next=%2Fnodes");

    // An invalid file changes nothing, not even what is valid in it.
    for (config, cause) in [
        ("log = \"debug\"\npublic-url = \"a.example\"\n", "public-url: http://"),
        ("public-url = \"https://b.example/y/\"\nlog = \"a=b=c\"\n", "a=b=c"),
        ("public-url = \"https://b.example/y/\"\nretenton = 3\n", "retenton"),
        ("public-url = \"https://b.example/y/", "cloud.toml"),
    ] {
        program.configure(config);
        program.wait_for_log(cause);
        assert_eq!(location(), "/x/login?next=%2Fnodes");
    }
    std::fs::remove_file(program.path("cloud.toml")).unwrap();
    program.signal("HUP");
    program.wait_for_log("No such file");
    assert_eq!(location(), "/x/login?next=%2Fnodes");
    program.configure("log = \"info\"\nretention = 3\nlog-format = \"json\"\n");
    program.wait_for_log("the change takes effect after a restart");
    assert_eq!(location(), "/login?next=%2Fnodes");
}

/// The program, whose start waits until its configuration, a FIFO, is written.
fn waiting_start(dir: &Path) -> Child {
    let made = Command::new("mkfifo").arg(dir.join("cloud.toml")).status().unwrap();
    assert!(made.success());
    let mut command = Command::new(env!("CARGO_BIN_EXE_api-sessions-cloud"));
    command.env_clear().arg("--listen").arg(format!("unix:{}", dir.join("socket").display()));
    command.arg("--data").arg(dir.join("data")).arg("--config").arg(dir.join("cloud.toml"));
    command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
}

/// Waits until the process handles signals 1, 2, 3, 10, 12 and 15: SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2 and
/// SIGTERM.
fn wait_for_handlers(child: &Child) {
    const WANTED: u64 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 9 | 1 << 11 | 1 << 14;
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        if u64::from_str_radix(caught.trim(), 16).unwrap() & WANTED == WANTED {
            return;
        }
        assert!(Instant::now() < end, "{status}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill(child: &Child, signal: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
}

#[test]
fn sighup_ended_a_cloud_that_was_starting() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = waiting_start(dir.path());
    wait_for_handlers(&child);
    for signal in ["HUP", "USR1", "USR2"] {
        kill(&child, signal);
    }
    let path = dir.path().join("cloud.toml");
    let fifo = std::fs::File::options().write(true).open(&path).unwrap();
    // The reload reads a file.
    std::fs::write(dir.path().join("new.toml"), "log = \"info\"\n").unwrap();
    std::fs::rename(dir.path().join("new.toml"), &path).unwrap();
    drop(fifo);
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("configuration reloaded") {
        assert_ne!(log.read_line(&mut seen).unwrap(), 0, "{seen}");
    }
    kill(&child, "TERM");
    log.read_to_string(&mut seen).unwrap();
    assert!(child.wait().unwrap().success(), "{seen}");
    assert!(seen.contains("stopped"), "{seen}");
}

#[test]
fn a_start_that_waits_ends_by_each_signal_to_stop() {
    for signal in ["TERM", "INT", "QUIT"] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = waiting_start(dir.path());
        wait_for_handlers(&child);
        kill(&child, signal);
        assert!(child.wait().unwrap().success(), "{signal}");
    }
}

#[test]
fn sigusr1_did_not_reopen_the_log() {
    let program = Program::start("");
    program.wait_for_log("listening");
    let rotated = program.path("log.1");
    std::fs::rename(program.path("log"), &rotated).unwrap();
    program.signal("USR1");
    program.wait_for_log("log reopened");
    let old = std::fs::read_to_string(&rotated).unwrap();
    assert!(old.contains("listening") && !old.contains("log reopened"), "{old}");

    // A log that cannot be opened continues in the old file.
    let kept = program.path("log.2");
    std::fs::rename(program.path("log"), &kept).unwrap();
    std::fs::create_dir(program.path("log")).unwrap();
    program.signal("USR1");
    let end = Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(&kept).unwrap().contains("log not reopened") {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(program.send("GET", "/healthz", "", "").starts_with("HTTP/1.1 200"));
}

#[test]
fn signals_that_nginx_takes_ended_the_cloud() {
    let mut program = Program::start("log = \"info\"\n");
    let rotated = program.path("log.1");
    let post = |number| {
        let lines = batch(&[record(number, number, json!({}))]);
        program.send("POST", "/v1/records", &program.bearer("ingest"), &lines)
    };
    // Reloads, rotations and batches at once.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..50 {
                let _ = std::fs::rename(program.path("log"), &rotated);
                for name in ["HUP", "USR1", "USR2", "WINCH"] {
                    program.signal(name);
                }
            }
        });
        for number in 1..=20 {
            let stored = post(number);
            assert!(stored.contains("\"stored\":1"), "{stored}");
        }
    });
    program.signal("USR2");
    program.wait_for_log("SIGUSR2 ignored");
    program.configure("public-url = \"https://a.example/x/\"\n");
    program.wait_for_log("configuration reloaded");
    assert!(program.send("GET", "/healthz", "", "").starts_with("HTTP/1.1 200"));
    // As `nginx -s quit`, and the stop signal of NGINX's containers.
    program.signal("QUIT");
    assert!(program.child.wait().unwrap().success());
    program.wait_for_log("stopped");
}
