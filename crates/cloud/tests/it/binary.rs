//! The program: first start, subcommands, signals.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::support::{SmallDisk, batch, day_files, record, session, token};
use serde_json::json;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api-sessions-cloud"));
    command.env_clear();
    command
}

/// Starts the program; returns the process and the Console link.
fn start(data: &Path) -> (Child, String) {
    let mut child = program()
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let link = line.trim().strip_prefix("Console: ").unwrap().trim_end_matches('/').to_owned();
    (child, link)
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    program().args(arguments).arg("--data").arg(data).output().unwrap()
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into()
}

#[test]
fn acknowledged_batches_survive_sigkill() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, link) = start(dir.path());
    let base = link.split("/login").next().unwrap().to_owned();
    let ingest = format!("Bearer {}", token(dir.path(), "ingest"));
    for n in 0..5 {
        let body = batch(&[record(n, n, json!({}))]);
        let url = format!("{base}/v1/records");
        let answer = agent().post(&url).header("authorization", &ingest).send(&body).unwrap();
        assert_eq!(answer.status(), 200);
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let (mut child, link) = start(dir.path());
    let base = link.split("/login").next().unwrap().to_owned();
    let admin = format!("Bearer {}", token(dir.path(), "admin"));
    let url = format!("{base}/v1/sessions");
    let mut answer = agent().get(&url).header("authorization", &admin).call().unwrap();
    let page: serde_json::Value =
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(page["total"], 5);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_reload_signal_ended_the_cloud() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, link) = start(dir.path());
    let base = link.split("/login").next().unwrap().to_owned();
    for name in ["HUP", "USR1", "HUP"] {
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
    // A signal that ends the process does so within microseconds.
    for _ in 0..20 {
        assert_eq!(agent().get(format!("{base}/healthz")).call().unwrap().status(), 200);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(child.try_wait().unwrap().is_none());
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_first_start_creates_tokens_and_a_login_link() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("deep/data");
    let (mut child, link) = start(&data);
    for name in ["ingest.token", "admin.token", "control.db"] {
        let mode = std::fs::metadata(data.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let login = agent().get(&link).call().unwrap();
    let cookie = login.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let base = link.split("/login").next().unwrap().to_owned();
    let page = agent().get(format!("{base}/")).header("cookie", cookie).call().unwrap();
    assert_eq!(page.status(), 200);

    let made = run(&data, &["token", "create", "--role", "viewer"]);
    let made = String::from_utf8(made.stdout).unwrap();
    assert_eq!(made.lines().count(), 1);
    let bearer = format!("Bearer {}", made.trim());
    let url = format!("{base}/v1/sessions");
    let ask = || agent().get(&url).header("authorization", &bearer).call().unwrap().status();
    assert_eq!(ask(), 200, "a running server knows the new token");
    let list = String::from_utf8(run(&data, &["token", "list"]).stdout).unwrap();
    assert!(list.contains("3\tviewer") && !list.contains(made.trim()), "{list}");
    assert!(run(&data, &["token", "revoke", "3"]).status.success());
    assert_eq!(ask(), 401);

    let doctor = run(&data, &["doctor"]);
    assert!(doctor.status.success(), "{}", String::from_utf8_lossy(&doctor.stdout));

    // SIGTERM ends it with success.
    let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn startup_errors_name_their_cause() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let not_a_dir = run(&file, &["--listen", "127.0.0.1:0"]);
    let output = String::from_utf8_lossy(&not_a_dir.stderr).into_owned();
    assert!(!not_a_dir.status.success() && output.contains("cannot make"), "{output}");
    let bad = run(dir.path(), &["--retention", "never"]);
    let output = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(!bad.status.success() && output.contains("retention"), "{output}");
    std::fs::write(dir.path().join("control.db"), "x".repeat(9000)).unwrap();
    let damaged = run(dir.path(), &["--listen", "127.0.0.1:0"]);
    let output = String::from_utf8_lossy(&damaged.stderr).into_owned();
    assert!(!damaged.status.success() && output.contains("control.db"), "{output}");
    let doctor = run(dir.path(), &["doctor"]);
    assert!(!doctor.status.success());
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("BAD"));
}

/// A client of a cloud.
struct Client {
    base: String,
    data: PathBuf,
}

impl Client {
    fn of(link: &str, data: &Path) -> Client {
        Client { base: link.split("/login").next().unwrap().to_owned(), data: data.to_owned() }
    }

    fn post(&self, path: &str, role: &str, body: &str) -> (u16, String) {
        let bearer = format!("Bearer {}", token(&self.data, role));
        let url = format!("{}{path}", self.base);
        let mut answer = agent().post(&url).header("authorization", &bearer).send(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    /// Stores a request of session `n`.
    fn store(&self, n: u32) -> (u16, String) {
        self.post("/v1/records", "ingest", &batch(&[record(n, n, json!({}))]))
    }

    fn deny(&self) -> u16 {
        let entry = json!({"session": session(1), "seconds": 60});
        self.post("/v1/denylist", "admin", &entry.to_string()).0
    }

    fn get(&self, path: &str) -> String {
        let bearer = format!("Bearer {}", token(&self.data, "admin"));
        let url = format!("{}{path}", self.base);
        let mut answer = agent().get(&url).header("authorization", &bearer).call().unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.body_mut().read_to_string().unwrap()
    }

    fn sessions(&self) -> u64 {
        let page: serde_json::Value = serde_json::from_str(&self.get("/v1/sessions")).unwrap();
        page["total"].as_u64().unwrap()
    }

    fn is_writable(&self) -> bool {
        self.get("/metrics").contains("\napi_sessions_cloud_store_writable 1\n")
    }
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Ends a process as `systemctl stop` does.
fn stop(mut child: Child) {
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}

/// Whether there is a write-ahead log.
fn has_log(data: &Path) -> bool {
    let mut files = std::fs::read_dir(data).unwrap();
    files.any(|entry| entry.unwrap().file_name().to_string_lossy().ends_with("-wal"))
}

/// A small disk with the data of a stopped cloud that has stored one session.
fn small_disk(end: fn(Child)) -> Option<(SmallDisk, PathBuf)> {
    let disk = SmallDisk::of("16m")?;
    let data = disk.path().join("data");
    let (child, link) = start(&data);
    assert_eq!(Client::of(&link, &data).store(1).0, 200);
    end(child);
    Some((disk, data))
}

#[test]
fn a_read_only_disk_is_served_and_reported() {
    for (end, is_clean) in [(kill as fn(Child), false), (stop, true)] {
        let Some((disk, data)) = small_disk(end) else { return };
        // After a clean stop, the files that SQLite needs for reading do not exist and cannot be created.
        assert_eq!(has_log(&data), !is_clean);
        disk.remount("ro");
        let (child, link) = start(&data);
        let client = Client::of(&link, &data);
        let (status, output) = client.store(2);
        assert!(status == 503 && output.contains(&data.display().to_string()), "{status} {output}");
        assert_eq!((client.sessions(), client.deny()), (1, 503));
        client.get(&format!("/v1/sessions/{}", session(1)));
        assert!(!client.is_writable());
        let doctor = run(&data, &["doctor"]);
        assert!(!doctor.status.success());
        let output = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(output.contains("BAD  disk") && output.contains("Read-only"), "{output}");
        assert!(output.contains("read-only: control.db"), "{output}");

        // No restart is required.
        disk.remount("rw");
        assert_eq!((client.store(2).0, client.deny()), (200, 201));
        assert_eq!(client.sessions(), 2);
        assert!(client.is_writable());
        kill(child);
    }
}

/// Fills the disk completely.
fn fill(disk: &SmallDisk) -> PathBuf {
    use std::io::Write;
    let path = disk.path().join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    for size in [1 << 16, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

#[test]
fn a_cloud_did_not_start_on_a_full_disk() {
    let Some((disk, data)) = small_disk(stop) else { return };
    let filler = fill(&disk);
    let (child, link) = start(&data);
    let client = Client::of(&link, &data);
    let (status, output) = client.store(2);
    assert!(status == 503 && output.contains("day-"), "{status} {output}");
    assert_eq!((client.sessions(), client.deny()), (1, 503));
    assert!(!client.is_writable());
    let doctor = run(&data, &["doctor"]);
    let output = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(output.contains("BAD  disk") && output.contains("read-only"), "{output}");

    std::fs::remove_file(filler).unwrap();
    assert_eq!((client.store(2).0, client.deny()), (200, 201));
    assert_eq!(client.sessions(), 2);
    assert!(client.is_writable());
    kill(child);
}

#[test]
fn expired_days_kept_a_full_disk_full() {
    let Some((disk, data)) = small_disk(stop) else { return };
    // The cloud was stopped for a long time.
    std::fs::rename(day_files(&data).remove(0), data.join("day-2020-01-01.0001.db")).unwrap();
    // As large as a day is.
    let mut day =
        std::fs::File::options().append(true).open(data.join("day-2020-01-01.0001.db")).unwrap();
    std::io::Write::write_all(&mut day, &[0; 1 << 18]).unwrap();
    drop(day);
    fill(&disk);
    let (child, link) = start(&data);
    let client = Client::of(&link, &data);
    // Opening `control.db` first had left it read-only.
    assert!(client.is_writable());
    assert_eq!((client.deny(), client.sessions()), (201, 0));
    assert!(client.get("/metrics").contains("api_sessions_cloud_days_dropped_total 1"));
    kill(child);
}

#[test]
fn a_second_process_deleted_days_that_the_first_serves() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (child, link) = start(&data);
    assert_eq!(Client::of(&link, &data).store(1).0, 200);
    // The second process has a shorter retention.
    let old = data.join("day-2020-01-01.0001.db");
    std::fs::copy(day_files(&data).remove(0), &old).unwrap();
    let address = link.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let second = program().args(["--listen", &address, "--data"]).arg(&data).output().unwrap();
    assert!(!second.status.success());
    let output = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(output.contains(&format!("cannot listen on {address}")), "{output}");
    assert!(old.exists());
    kill(child);
}

#[test]
fn a_token_created_before_the_first_start_prevented_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert!(run(&data, &["token", "create", "--role", "viewer"]).status.success());
    let (mut child, link) = start(&data);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(link.contains("/login?token="), "{link}");
    assert!(data.join("ingest.token").exists() && data.join("admin.token").exists());
    let list = String::from_utf8(run(&data, &["token", "list"]).stdout).unwrap();
    assert_eq!(list.lines().count(), 3, "{list}");
    // Only the missing token is created.
    let admin = list.lines().find(|line| line.contains("admin")).unwrap();
    let number = admin.split('\t').next().unwrap();
    let before = token(&data, "ingest");
    assert!(run(&data, &["token", "revoke", number]).status.success());
    let (mut child, link) = start(&data);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(link.contains(&token(&data, "admin")), "{link}");
    assert_eq!(token(&data, "ingest"), before);
}

#[test]
fn the_admin_token_was_printed_at_every_start() {
    let dir = tempfile::tempdir().unwrap();
    let output = || {
        let (mut child, link) = start(dir.path());
        child.kill().unwrap();
        child.wait().unwrap();
        link
    };
    assert!(output().contains("/login?token=ast_"));
    assert!(!output().contains("token"), "the second start");
}

#[test]
fn doctor_and_token_list_created_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("mistyped");
    for arguments in [&["doctor"][..], &["token", "list"], &["token", "revoke", "1"]] {
        let done = run(&data, arguments);
        let output = [done.stdout, done.stderr].concat();
        let output = String::from_utf8_lossy(&output);
        assert!(!done.status.success() && output.contains("mistyped"), "{arguments:?}: {output}");
        assert!(!data.exists(), "{arguments:?}");
        let done = run(dir.path(), arguments);
        assert!(!done.status.success(), "{arguments:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{arguments:?}");
    }
}

#[test]
fn a_label_with_line_breaks_forged_lines_of_the_token_list() {
    let dir = tempfile::tempdir().unwrap();
    let create = ["token", "create", "--role", "viewer", "--label", "a\n9\tadmin\u{1b}[2J"];
    assert!(run(dir.path(), &create).status.success());
    let list = String::from_utf8(run(dir.path(), &["token", "list"]).stdout).unwrap();
    assert_eq!(list.lines().count(), 1, "{list}");
    assert!(!list.contains('\u{1b}'));
}

#[test]
fn generate_accepted_days_that_are_not_a_number() {
    let dir = tempfile::tempdir().unwrap();
    for days in ["nan", "inf", "-1"] {
        let done = run(dir.path(), &["generate", &format!("--days={days}")]);
        let output = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && output.contains("--days"), "{days}: {output}");
    }
}

#[test]
fn an_empty_environment_variable_was_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program();
    for name in ["LISTEN", "STORE", "RETENTION", "LOG", "LOG_FORMAT", "CONFIG", "DATA"] {
        command.env(format!("API_SESSIONS_CLOUD_{name}"), "");
    }
    let done = command.args(["token", "create", "--role", "viewer"]);
    let done = done.current_dir(dir.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(dir.path().join("api-sessions-data/control.db").exists());
}

#[test]
fn bash_completed_nothing_after_a_subcommand() {
    let script = program().args(["completions", "bash"]).output().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("completion");
    std::fs::write(&path, script.stdout).unwrap();
    for (words, expected) in [
        ("doc", "doctor"),
        ("doctor --n", "--nginx"),
        ("token cr", "create"),
        ("try --no-b", "--no-builtin"),
    ] {
        // As bash calls it: the command, the word that is completed, and the one before.
        let complete = format!(
            "source '{}'
             COMP_WORDS=(api-sessions-cloud {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
             _api__sessions__cloud api-sessions-cloud \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"
             echo \"${{COMPREPLY[@]}}\"",
            path.display()
        );
        let completed = Command::new("bash").args(["-c", &complete]).output().unwrap();
        let found = String::from_utf8_lossy(&completed.stdout);
        assert!(found.split_whitespace().any(|word| word == expected), "{words}: {completed:?}");
    }
}

#[test]
fn a_broken_configuration_stopped_subcommands_that_read_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cloud.toml");
    std::fs::write(&file, "nonsense = = 1").unwrap();
    for arguments in [&["completions", "bash"][..], &["doctor", "--nginx", "no-such-nginx"]] {
        let output = program().arg("--config").arg(&file).args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!error.contains("nonsense") && !output.stdout.is_empty(), "{arguments:?}: {error}");
    }
    let output = program().arg("--config").arg(&file).arg("doctor").output().unwrap();
    assert!(!output.status.success() && !output.stderr.is_empty());
}

#[test]
fn a_bare_name_of_nginx_was_not_found() {
    let output = program()
        .env("PATH", env!("CARGO_MANIFEST_DIR"))
        .args(["doctor", "--nginx", "Cargo.toml"])
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.contains("/Cargo.toml") && !output.contains("No such file"), "{output}");
}
