//! What the packaged service and its operator rely on: readiness, and subcommands that root runs.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::skip;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api-sessions-cloud"));
    command.env_clear();
    command
}

/// A server whose service manager is this test.
struct Service {
    child: Child,
    manager: UnixDatagram,
    dir: TempDir,
}

impl Service {
    fn start() -> Service {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cloud.toml"), "retention = 3\n").unwrap();
        let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let child = program()
            .env("NOTIFY_SOCKET", dir.path().join("notify"))
            .args(["--listen", &format!("unix:{}", dir.path().join("socket").display())])
            .arg("--data")
            .arg(dir.path().join("data"))
            .arg("--config")
            .arg(dir.path().join("cloud.toml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Service { child, manager, dir }
    }

    /// The next message.
    fn told(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.manager.recv(&mut buffer).expect("a message comes");
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_ingest_token_came_after_the_start_was_over() {
    let mut service = Service::start();
    assert_eq!(service.told(), "READY=1");
    assert!(service.dir.path().join("data/ingest.token").exists());
    std::os::unix::net::UnixStream::connect(service.dir.path().join("socket")).unwrap();

    service.signal("HUP");
    let reloading = service.told();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(service.told(), "READY=1\nSTATUS=");
    std::fs::write(service.dir.path().join("cloud.toml"), "retention =\nx").unwrap();
    service.signal("HUP");
    assert!(service.told().starts_with("RELOADING=1"));
    let failed = service.told();
    assert!(failed.starts_with("READY=1\nSTATUS=reload failed: "), "{failed}");
    assert_eq!(failed.lines().count(), 2, "{failed}");

    service.signal("TERM");
    assert_eq!(service.told(), "STOPPING=1");
    assert!(service.child.wait().unwrap().success());
}

#[test]
fn a_server_that_cannot_listen_was_ready() {
    let other = tempfile::tempdir().unwrap();
    let used = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let manager = UnixDatagram::bind(other.path().join("notify")).unwrap();
    manager.set_nonblocking(true).unwrap();
    let output = program()
        .env("NOTIFY_SOCKET", other.path().join("notify"))
        .args(["--listen", &used.local_addr().unwrap().to_string(), "--data"])
        .arg(other.path().join("data"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(manager.recv(&mut [0; 16]).is_err(), "nothing was told");
}

/// Owners of what is in a directory.
fn owners(directory: &Path) -> Vec<(u32, u32)> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().metadata().unwrap()).map(|m| (m.uid(), m.gid())).collect()
}

#[test]
fn files_that_root_created_were_not_the_services() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can run as another user");
    }
    let dir = tempfile::tempdir().unwrap();
    // Readable for the owner of the data, as /var/lib is.
    chown(dir.path(), Some(65_534), Some(65_534)).unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    chown(&data, Some(65_534), Some(65_534)).unwrap();
    let run = |arguments: &[&str]| {
        let output = program().args(arguments).arg("--data").arg(&data).output().unwrap();
        let shown = [output.stdout.clone(), output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&shown));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run(&["token", "create", "--role", "admin"]).starts_with("ast_"));
    assert!(run(&["token", "list"]).contains("1\tadmin"));
    assert!(owners(&data).iter().all(|owner| *owner == (65_534, 65_534)), "{:?}", owners(&data));
}

#[test]
fn the_manual_page_lacked_the_options_of_subcommands() {
    let page = program().arg("manual").output().unwrap();
    let page = String::from_utf8(page.stdout).unwrap();
    for (section, option) in [
        ("api\\-sessions\\-cloud doctor\n", "\\-\\-nginx"),
        ("api\\-sessions\\-cloud token create\n", "\\-\\-role"),
        ("api\\-sessions\\-cloud copy\n", "\\-\\-from"),
        ("api\\-sessions\\-cloud token revoke", "[ID]"),
    ] {
        let start = page.find(&format!(".SS {section}")).unwrap_or_else(|| panic!("{section}"));
        let end = page[start + 1..].find("\n.S").map_or(page.len(), |end| start + 1 + end);
        let text = &page[start..end];
        assert!(text.contains(option) || option == "[ID]" && text.contains("ID"), "{text}");
        assert!(!text.contains("\\-\\-retention"), "options of all subcommands come once: {text}");
    }
    assert!(!page.contains("cloud manual"), "a hidden subcommand stays hidden");
}
