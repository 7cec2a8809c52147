//! A ClickHouse cluster without a Keeper, of which servers end and come back. `scripts/test` starts it and runs
//! these tests one after the other (see [`cluster`]).

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use api_sessions_store::clock::now_ms;
use serde_json::{Value, json};

use crate::support::{Cloud, batch, clickhouse, clickhouse_store, cluster, record};

/// The servers of `start_clickhouse_cluster`: 1 and 2 are a shard, 3 and 4 the other.
struct Servers {
    dir: PathBuf,
    url: String,
    started: Vec<Child>,
}

impl Servers {
    fn of_this_run() -> Option<Servers> {
        let (Some(dir), Some(url)) = (cluster(), clickhouse()) else {
            eprintln!("left to the run over a cluster");
            return None;
        };
        Some(Servers { dir, url, started: Vec::new() })
    }

    fn url(&self, server: u8) -> String {
        self.url.replace("127.0.0.2", &format!("127.0.0.{}", server + 1))
    }

    fn store(&self, server: u8, database: &str) -> String {
        clickhouse_store(&self.url(server), database)
    }

    fn ask(&self, server: u8, sql: &str) -> Option<String> {
        let mut answer = ureq::post(self.url(server)).send(sql).ok()?;
        answer.body_mut().read_to_string().ok().map(|text| text.trim().to_owned())
    }

    fn kill(&mut self, server: u8) {
        let pid = std::fs::read_to_string(self.dir.join(format!("{server}/pid"))).unwrap();
        assert!(Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap().success());
        self.started.retain_mut(|child| child.try_wait().unwrap().is_none());
        eventually("the server is gone", || self.ask(server, "SELECT 1").is_none());
    }

    fn start(&mut self, server: u8) {
        let start = self.dir.join(format!("{server}/start"));
        self.started.push(Command::new(start).spawn().unwrap());
        eventually("the server answers", || self.ask(server, "SELECT 1").is_some());
    }
}

impl Drop for Servers {
    /// What a test that failed left down.
    fn drop(&mut self) {
        for server in 1..=4 {
            if self.ask(server, "SELECT 1").is_none() {
                self.start(server);
            }
        }
    }
}

fn eventually(what: &str, mut ask: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ask() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A second process over the first one's database, through another server.
fn beside(one: &Cloud, store: String) -> Cloud {
    let dir = tempfile::tempdir().unwrap();
    for name in ["admin.token", "ingest.token"] {
        std::fs::copy(one.data().join(name), dir.path().join(name)).unwrap();
    }
    Cloud::start_with(dir, Some(store))
}

/// Requests `from..to`, spread over 40 sessions.
fn records(from: u32, to: u32) -> String {
    let lines: Vec<Value> = (from..to).map(|n| record(n % 40, n, json!({}))).collect();
    batch(&lines)
}

fn requests(cloud: &Cloud) -> u64 {
    let list = cloud.ask("/v1/sessions?limit=100");
    let sessions = list["sessions"].as_array().unwrap();
    sessions.iter().map(|session| session["requests"].as_u64().unwrap()).sum()
}

#[test]
fn a_replica_that_ended_is_neither_missed_nor_left_behind() {
    let Some(mut servers) = Servers::of_this_run() else { return };
    let database = format!("replica_{:x}", now_ms());
    let one = Cloud::start_with(tempfile::tempdir().unwrap(), Some(servers.store(1, &database)));
    let two = beside(&one, servers.store(3, &database));
    let post = |cloud: &Cloud, key: &str, from: u32, to: u32| {
        cloud.post_with(&[("idempotency-key", key)], records(from, to).as_bytes()).status
    };
    assert_eq!(post(&one, "a", 0, 1000), 200);
    assert_eq!(post(&two, "a", 0, 1000), 200, "the same batch through the other process");
    let local = format!("SELECT count() FROM {database}.request_local FINAL");
    let spread: Vec<u64> =
        (1..=4).map(|server| servers.ask(server, &local).unwrap().parse().unwrap()).collect();
    assert_eq!((spread[0], spread[2]), (spread[1], spread[3]), "replicas are equal");
    assert_eq!(spread[0] + spread[2], 1000);
    assert!(spread[0] > 100 && spread[2] > 100, "{spread:?}");

    // A server of each shard ends, one of them the one that a process is connected to.
    servers.kill(1);
    servers.kill(4);
    for cloud in [&one, &two] {
        assert_eq!(requests(cloud), 1000);
    }
    assert_eq!(post(&one, "b", 1000, 1500), 200);
    assert_eq!(post(&two, "c", 1500, 2000), 200);
    // Rows for a replica that is away go through the queue of the server that took them, those for its
    // twin too.
    eventually("all is read", || requests(&one) == 2000 && requests(&two) == 2000);

    servers.start(1);
    servers.start(4);
    eventually("the replicas have caught up", || {
        (1..=4).all(|server| {
            let own = servers.ask(server, &local).and_then(|text| text.parse::<u64>().ok());
            let other = servers.ask(if server % 2 == 0 { server - 1 } else { server + 1 }, &local);
            own.is_some() && own == other.and_then(|text| text.parse().ok())
        })
    });
    assert_eq!((requests(&one), requests(&two)), (2000, 2000));
}

#[test]
fn a_shard_that_is_away_is_503_and_its_nodes_keep_their_records() {
    let Some(mut servers) = Servers::of_this_run() else { return };
    let database = format!("shard_{:x}", now_ms());
    let cloud = Cloud::start_with(tempfile::tempdir().unwrap(), Some(servers.store(1, &database)));
    let body = records(0, 500);
    let post = || cloud.post_with(&[("idempotency-key", "k")], body.as_bytes()).status;
    servers.kill(3);
    servers.kill(4);
    assert_eq!(post(), 503);
    assert_eq!(cloud.get("/v1/sessions").status, 503);
    servers.start(3);
    servers.start(4);
    eventually("200 once it is back", || post() == 200);
    assert_eq!(requests(&cloud), 500);
}

#[test]
fn a_server_that_was_away_gets_its_tables_when_it_is_back() {
    let Some(mut servers) = Servers::of_this_run() else { return };
    let database = format!("tables_{:x}", now_ms());
    servers.kill(2);
    let cloud = Cloud::start_with(tempfile::tempdir().unwrap(), Some(servers.store(1, &database)));
    assert_eq!(cloud.post_with(&[], records(0, 100).as_bytes()).status, 200);
    servers.start(2);
    let tables = format!("SELECT count() FROM system.tables WHERE database = '{database}'");
    let all = servers.ask(1, &tables);
    assert_ne!(all.as_deref(), Some("0"));
    eventually("it has all tables", || all.is_some() && servers.ask(2, &tables) == all);
    let local = format!("SELECT count() FROM {database}.request_local FINAL");
    eventually("and the rows of its shard", || {
        servers.ask(2, &local).is_some() && servers.ask(2, &local) == servers.ask(1, &local)
    });
    assert_eq!(requests(&cloud), 100);

    // A column that a server lost, as after an upgrade while it was away.
    servers.ask(2, &format!("ALTER TABLE {database}.request_local DROP COLUMN scheme")).unwrap();
    let column = format!(
        "SELECT count() FROM system.columns WHERE database = '{database}' AND table = 'request_local' AND name = 'scheme'"
    );
    eventually("it has the column again", || servers.ask(2, &column).as_deref() == Some("1"));
}

#[test]
fn a_cluster_that_does_not_exist_is_named() {
    let Some(servers) = Servers::of_this_run() else { return };
    let output = Command::new(env!("CARGO_BIN_EXE_api-sessions-cloud"))
        .args(["--data"])
        .arg(tempfile::tempdir().unwrap().path())
        .args(["--store", &format!("clickhouse:{}/x?cluster=missing", servers.url(1))])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(error.contains("\"missing\" is no cluster of http://127.0.0.2"), "{error}");
}
