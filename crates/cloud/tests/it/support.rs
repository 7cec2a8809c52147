//! A server on a free port, and a client for it.

use std::path::{Path, PathBuf};

use api_sessions_cloud::connections::Limits;
use api_sessions_cloud::server::Server;
use api_sessions_cloud_config::config::Config;
use api_sessions_cloud_config::options::Options;
use api_sessions_store::Role;
use api_sessions_store::clock::now_ms;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// URL of the ClickHouse server that all tests use, such as `http://127.0.0.1:8123`; without one, they use the
/// embedded store. `scripts/test` runs the tests once with each.
pub(crate) fn clickhouse() -> Option<String> {
    std::env::var("API_SESSIONS_TEST_CLICKHOUSE").ok().filter(|url| !url.is_empty())
}

/// Directory of the ClickHouse cluster that all tests use; `start_clickhouse_cluster` in
/// `scripts/lib/clickhouse.sh` makes it.
pub(crate) fn cluster() -> Option<PathBuf> {
    std::env::var_os("API_SESSIONS_TEST_CLUSTER").map(PathBuf::from)
}

/// `--store` of a database on a ClickHouse server, or on its cluster where the tests use one.
pub(crate) fn clickhouse_store(url: &str, database: &str) -> String {
    let cluster = if cluster().is_some() { "?cluster=main" } else { "" };
    format!("clickhouse:{url}/{database}{cluster}")
}

/// Reports that the current test cannot run on this machine; the test returns after it.
///
/// The line also goes to the file that `API_SESSIONS_SKIPS` names, which `scripts/test` prints at its end:
/// a skipped test never counts as passed. A test that another run of `scripts/test` covers, with the other
/// engine, is not reported.
pub(crate) fn skip(reason: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {reason}\n", thread.name().unwrap_or("a test"));
    eprint!("{line}");
    if let Some(path) = std::env::var_os("API_SESSIONS_SKIPS") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes())).unwrap();
    }
}

/// For tests of ClickHouse alone: its URL. Without one, the run over ClickHouse covers the test.
pub(crate) fn clickhouse_only() -> Option<String> {
    let url = clickhouse();
    if url.is_none() {
        eprintln!("left to the run over ClickHouse");
    }
    url
}

/// For tests that change the tables of a server behind the cloud's back: its URL, if it is the only one.
pub(crate) fn single_clickhouse_only() -> Option<String> {
    if cluster().is_some() {
        eprintln!("left to the run over one server");
        return None;
    }
    clickhouse_only()
}

/// For tests of the embedded store alone: `false` in the run over ClickHouse.
pub(crate) fn embedded_store_only() -> bool {
    let is_embedded = clickhouse().is_none();
    if !is_embedded {
        eprintln!("left to the run over the embedded store");
    }
    is_embedded
}

/// A running server, which ends when dropped.
pub(crate) struct Cloud {
    pub(crate) url: String,
    pub(crate) admin: String,
    pub(crate) ingest: String,
    pub(crate) dir: Option<TempDir>,
    pub(crate) store: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// A response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|header| header.0 == name).map_or("", |header| &header.1)
    }
}

impl Cloud {
    pub(crate) fn start() -> Cloud {
        Cloud::start_in(tempfile::tempdir().unwrap())
    }

    pub(crate) fn start_in(dir: TempDir) -> Cloud {
        let store = clickhouse().map(|url| {
            // One database per directory, so that a restart finds its data.
            let name = dir.path().file_name().unwrap().to_string_lossy();
            let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            clickhouse_store(&url, &format!("test_{name}"))
        });
        Cloud::start_with(dir, store)
    }

    /// Starts a server with this `--store`.
    pub(crate) fn start_with(dir: TempDir, store: Option<String>) -> Cloud {
        Cloud::start_as(dir, Options { store, ..Options::default() }, None)
    }

    pub(crate) fn start_limited(limits: Limits) -> Cloud {
        Cloud::start_as(tempfile::tempdir().unwrap(), Options::default(), Some(limits))
    }

    /// Starts a server with the embedded store and these options.
    pub(crate) fn start_configured(options: Options) -> Cloud {
        Cloud::start_as(tempfile::tempdir().unwrap(), options, None)
    }

    fn start_as(dir: TempDir, options: Options, limits: Option<Limits>) -> Cloud {
        let config = Config::load(Options {
            listen: Some("127.0.0.1:0".into()),
            data: Some(dir.path().to_owned()),
            ..options.clone()
        })
        .unwrap();
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = crossbeam_channel::bounded(1);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut server = Server::start(config).await.unwrap();
                server.limits = limits.unwrap_or(server.limits);
                ready.send(server.address.clone()).unwrap();
                let stopped = async move { drop(stopped.await) };
                server.serve(stopped).await;
            });
        });
        let address = started.recv().expect("the server starts");
        Cloud {
            url: format!("http://{address}"),
            admin: token(dir.path(), "admin"),
            ingest: token(dir.path(), "ingest"),
            dir: Some(dir),
            store: options.store,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// A token of `role`.
    pub(crate) fn token(&self, role: Role) -> String {
        match role {
            Role::Ingest => self.ingest.clone(),
            Role::Admin => self.admin.clone(),
            Role::Viewer => {
                let mut command =
                    std::process::Command::new(env!("CARGO_BIN_EXE_api-sessions-cloud"));
                command.env_clear().arg("--data").arg(self.data());
                command.args(self.store.iter().flat_map(|store| ["--store", store]));
                let output =
                    command.args(["token", "create", "--role", "viewer"]).output().unwrap();
                assert!(output.status.success(), "{output:?}");
                String::from_utf8(output.stdout).unwrap().trim().to_owned()
            }
        }
    }

    pub(crate) fn data(&self) -> &Path {
        self.dir.as_ref().unwrap().path()
    }

    /// Ends the server as SIGTERM does; keeps its data.
    pub(crate) fn stop(mut self) -> TempDir {
        self.end();
        self.dir.take().unwrap()
    }

    /// A server with session 1 yesterday, whose file is damaged, and session 2 today; `None` in the run over
    /// ClickHouse, which has no such files.
    pub(crate) fn start_with_damaged_day() -> Option<(Cloud, String)> {
        if !embedded_store_only() {
            return None;
        }
        let cloud = Cloud::start();
        let yesterday = json!({"ts": now_ms() - 86_400_000});
        cloud.post(&[record(1, 1, yesterday), record(2, 2, json!({"ts": now_ms()}))]);
        Some(cloud.with_damaged_day())
    }

    /// Restarts it with the file of its oldest day damaged; returns the day.
    pub(crate) fn with_damaged_day(self) -> (Cloud, String) {
        let dir = self.stop();
        let file = day_files(dir.path()).remove(0);
        std::fs::write(&file, b"this is no database, but long enough to be looked at".repeat(200))
            .unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let day = name.trim_start_matches("day-").split('.').next().unwrap().to_owned();
        (Cloud::start_in(dir), day)
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .into();
        let mut request =
            ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = if body.is_empty() && method != "POST" && method != "PUT" {
            agent.run(request.body(()).unwrap())
        } else {
            agent.run(request.body(body).unwrap())
        }
        .unwrap();
        Answer {
            status: answer.status().as_u16(),
            headers: answer
                .headers()
                .iter()
                .map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                })
                .collect(),
            body: answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &self.admin, &[], b"")
    }

    /// The JSON body of a response that must be 200.
    pub(crate) fn ask(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    pub(crate) fn post(&self, lines: &[Value]) -> Answer {
        self.post_with(&[], batch(lines).as_bytes())
    }

    pub(crate) fn post_with(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send("POST", "/v1/records", &self.ingest, headers, body)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.end();
    }
}

pub(crate) fn token(dir: &Path, role: &str) -> String {
    std::fs::read_to_string(dir.join(format!("{role}.token"))).unwrap().trim().to_owned()
}

pub(crate) fn batch(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Now, ms since 1970.
pub(crate) fn now() -> u64 {
    now_ms()
}

/// Session id number `n`.
pub(crate) fn session(n: u32) -> String {
    format!("{n:032x}")
}

/// A record of session `n`, of an hour ago but of today (UTC), with the members of `more`.
pub(crate) fn record(n: u32, id: u32, more: Value) -> Value {
    let now = now_ms();
    let today = now / 86_400_000 * 86_400_000;
    let mut record = json!({
        "id": format!("{id:032x}"),
        "ts": (now - 3_600_000).max(today) + u64::from(id),
        "node": "n1",
        "session": session(n),
        "key": "sid",
        "source": "builtin",
        "ip": format!("192.0.2.{n}"),
        "ua": "curl/8",
        "host": "shop.example",
        "method": "GET",
        "path": format!("/users/{id}"),
        "proto": "HTTP/1.1",
        "scheme": "https",
        "status": 200,
        "time_ms": 12,
        "request_bytes": 300,
        "response_bytes": 1200,
        "denied": false,
    });
    for (name, value) in more.as_object().unwrap() {
        record[name] = value.clone();
    }
    record
}

/// Day files of the embedded store, oldest first.
pub(crate) fn day_files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut days: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "db"))
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("day-"))
        .collect();
    days.sort();
    days
}

/// A proxy that can be closed, which cuts its connections.
pub(crate) struct Way {
    pub(crate) address: std::net::SocketAddr,
    open: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Way {
    pub(crate) fn to(target: String) -> Way {
        use std::sync::atomic::Ordering::Relaxed;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let open = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        let is_open = open.clone();
        let pass =
            move |mut from: std::net::TcpStream,
                  mut to: std::net::TcpStream,
                  is_open: std::sync::Arc<std::sync::atomic::AtomicBool>| {
                use std::io::{Read, Write};
                let _ = from.set_read_timeout(Some(std::time::Duration::from_millis(20)));
                let mut buffer = [0; 16384];
                while is_open.load(Relaxed) {
                    match from.read(&mut buffer) {
                        Ok(0) => break,
                        Ok(n) if to.write_all(&buffer[..n]).is_ok() => {}
                        Err(error)
                            if matches!(
                                error.kind(),
                                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                            ) => {}
                        _ => break,
                    }
                }
                let _ = from.shutdown(std::net::Shutdown::Both);
                let _ = to.shutdown(std::net::Shutdown::Both);
            };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !is_open.load(Relaxed) {
                    continue;
                }
                let Ok(server) = std::net::TcpStream::connect(&target) else { continue };
                let (back, forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (one, two) = (is_open.clone(), is_open.clone());
                std::thread::spawn(move || pass(client, server, one));
                std::thread::spawn(move || pass(back, forth, two));
            }
        });
        Way { address, open }
    }

    pub(crate) fn close(&self) {
        self.open.store(false, std::sync::atomic::Ordering::Relaxed);
    }

    pub(crate) fn open(&self) {
        self.open.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// A small file system of its own.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    pub(crate) fn of(size: &str) -> Option<SmallDisk> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(dir.path())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            skip("a tmpfs cannot be mounted here");
            return None;
        }
        Some(SmallDisk(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn remount(&self, options: &str) {
        let mut mount = std::process::Command::new("mount");
        let mounted = mount.args(["-o", &format!("remount,{options}")]).arg(self.0.path()).status();
        assert!(mounted.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
