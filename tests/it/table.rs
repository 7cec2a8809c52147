//! The session table under a real NGINX: killed workers, upgrades, helpers, privileges.

use std::time::Instant;

use crate::harness::{Daemon, Nginx, eventually, get, signal};

const SHOW: &str =
    "add_header X-Requests $api_session_requests; add_header X-Session $api_session_id;";

#[track_caller]
fn requests(nginx: &Nginx, session: &str) -> u64 {
    let answer = get(nginx.port, "/", &[("S", session)]);
    answer
        .header("X-Requests")
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{answer:?}"))
}

#[test]
fn workers_killed_at_any_moment_under_load_stop_nobody_and_counts_stay_sound() {
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                session_key request.header.S;
                {SHOW}
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ return 204; }}
                    location /status {{
                        api_sessions off;
                        api_sessions_status;
                    }}
                }}
            "
        ))
        .start();
    let deaths = if std::env::var_os("API_SESSIONS_FULL").is_some() { 300 } else { 25 };
    let port = nginx.port;
    let stop = std::sync::atomic::AtomicBool::new(false);
    let answered = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        for client in 0..3 {
            let (stop, answered) = (&stop, &answered);
            scope.spawn(move || {
                let request = format!("GET / HTTP/1.0\r\nS: client-{client}\r\n\r\n");
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    // A killed worker takes its connections with it.
                    use std::io::{Read, Write};
                    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else {
                        continue;
                    };
                    let mut answer = String::new();
                    let sent = stream.write_all(request.as_bytes());
                    if sent.is_ok()
                        && stream.read_to_string(&mut answer).is_ok()
                        && answer.contains(" 204 ")
                    {
                        answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
        for death in 0..deaths {
            let before = answered.load(std::sync::atomic::Ordering::Relaxed);
            eventually("requests are answered", || {
                (answered.load(std::sync::atomic::Ordering::Relaxed) > before).then_some(())
            });
            let worker = eventually("a worker", || nginx.workers().get(death % 2).copied());
            let _ = std::process::Command::new("kill")
                .args(["-s", "KILL", &worker.to_string()])
                .status();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    eventually("two workers", || (nginx.workers().len() == 2).then_some(()));
    let status = get(port, "/status", &[]).json();
    let table = |name: &str| status["table"][name].as_u64().unwrap();
    let (recovered, busy) = (table("lock_recoveries_total"), table("lock_busy_total"));
    let counted: u64 = (0..3).map(|client| requests(&nginx, &format!("client-{client}")) - 1).sum();
    let answered = answered.into_inner();
    println!(
        "{deaths} deaths, {answered} answered, {counted} counted, {recovered} locks recovered"
    );
    assert!(answered > 0 && recovered <= deaths as u64);
    // Counted and killed before the answer: more. Fewer only where a death took half a session, or behind a process
    // that was suspended while it held the lock.
    assert!(counted + busy >= answered || recovered > 0, "{counted} of {answered}, {busy} busy");
    nginx.expect_kills();
}

#[test]
fn a_binary_upgrade_serves_on() {
    let nginx = Daemon::start(&format!(
        "
            api_sessions on;
            session_key request.header.S;
            {SHOW}
            api_sessions_export http://127.0.0.1:1 flush=1s shutdown=100ms;
            server {{
                listen 127.0.0.1:PORT;
                return 204;
            }}
        "
    ));
    let ask = |session| {
        let answer = get(nginx.port, "/", &[("S", session)]);
        answer.header("X-Requests").unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(ask("a"), 1);
    let old = nginx.pid();
    signal(old, "USR2");
    let new =
        eventually("a new master", || Some(nginx.pid()).filter(|pid| *pid != 0 && *pid != old));
    signal(old, "QUIT");
    eventually("the old one has ended", || nginx.has_ended(old).then_some(()));
    // The new master has a table of its own.
    assert_eq!((ask("a"), ask("a")), (1, 2));
    signal(new, "QUIT");
    eventually("the new one has ended", || nginx.has_ended(new).then_some(()));
    let log = nginx.error_log();
    for never in ["[alert]", "[crit]", "[emerg]", "signal 11", "signal 6"] {
        assert!(!log.contains(never), "{log}");
    }
}

#[test]
fn cache_helpers_do_nothing_of_ours() {
    let nginx = Nginx::builder()
        .workers(1)
        .http(&format!(
            "
                proxy_cache_path DIR/cache keys_zone=cache:1m;
                api_sessions on;
                session_key request.header.S;
                {SHOW}
                api_sessions_export http://127.0.0.1:1 flush=1s;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ return 204; }}
                }}
            "
        ))
        .start();
    assert_eq!(requests(&nginx, "a"), 1);
    // Worker, cache manager, and for a minute the cache loader: one of them has an exporter.
    let threads =
        |pid: &u32| std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    let counts: Vec<usize> = nginx.workers().iter().map(threads).collect();
    assert_eq!(counts.iter().filter(|threads| **threads > 1).count(), 1, "{counts:?}");
}

#[test]
fn a_large_zone_starts_at_once_and_takes_no_memory_before_it_is_used() {
    let start = Instant::now();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_zone s:512m;
                session_key request.header.S;
                {SHOW}
                server {{
                    listen 127.0.0.1:PORT;
                    return 204;
                }}
            "
        ))
        .start();
    assert_eq!(requests(&nginx, "a"), 1);
    println!("a zone of 512 MB: first answer after {:?}", start.elapsed());
    let status = std::fs::read_to_string(format!("/proc/{}/status", nginx.master())).unwrap();
    let shared = status.lines().find_map(|line| line.strip_prefix("RssShmem:")).unwrap();
    let kilobytes: u64 = shared.trim().trim_end_matches(" kB").parse().unwrap();
    // NGINX's own page descriptors are 3 MB of it.
    assert!(kilobytes < 16 * 1024, "{kilobytes} kB of shared memory are touched");
}

#[test]
fn an_unprivileged_user_on_a_tree_it_cannot_write_is_enough() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret"), [b's'; 32]).unwrap();
    // Only root may read it; workers are nobody.
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory.path().join("secret"), PermissionsExt::from_mode(0o600))
        .unwrap();
    let nginx = Nginx::builder()
        .directory(directory)
        .user("nobody nogroup")
        .workers(1)
        .http(&format!(
            "
                api_sessions on;
                api_sessions_secret DIR/secret;
                session_key request.header.S;
                {SHOW}
                api_sessions_export http://127.0.0.1:1 flush=1s;
                server {{
                    listen 127.0.0.1:PORT;
                    return 204;
                }}
            "
        ))
        .start();
    assert_eq!(requests(&nginx, "a"), 1);
}

#[test]
fn a_zone_that_is_full_refuses_nobody() {
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_zone s:256k;
                session_key $arg_s;
                {SHOW}
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ return 204; }}
                    location /status {{
                        api_sessions off;
                        api_sessions_status;
                    }}
                }}
            "
        ))
        .start();
    let status = || get(nginx.port, "/status", &[]).json()["table"].clone();
    let capacity = status()["sessions_capacity"].as_u64().unwrap();
    for number in 0..capacity * 2 {
        assert_eq!(get(nginx.port, &format!("/?s={number}"), &[]).status, 204);
    }
    let table = status();
    assert!(table["sessions_in_use"].as_u64().unwrap() <= capacity, "{table}");
    assert!(table["evicted_provisional_total"].as_u64().unwrap() > 0, "{table}");
}

#[test]
fn sessions_in_use_that_have_to_go_are_warned_of_once() {
    let nginx = Nginx::builder()
        .workers(1)
        .http(
            "
                api_sessions on;
                api_sessions_zone tiny:256k;
                session_key request.header.S;
                server {
                    listen 127.0.0.1:PORT;
                    location / { return 200 ok; }
                    location /status {
                        api_sessions off;
                        api_sessions_status;
                    }
                }
            ",
        )
        .start();
    let status = || get(nginx.port, "/status", &[]).json()["table"].clone();
    let capacity = status()["sessions_capacity"].as_u64().unwrap();
    // Twice each, so that they count as in use.
    for number in 0..2 * capacity {
        let session = number.to_string();
        for _ in 0..2 {
            assert_eq!(get(nginx.port, "/", &[("S", &session)]).status, 200);
        }
    }
    assert!(status()["evicted_live_total"].as_u64().unwrap() > 0);
    let warnings = || nginx.error_log().matches("zone too small").count();
    crate::harness::eventually("a warning", || (warnings() > 0).then_some(()));
    for number in 0..capacity {
        let session = format!("more {number}");
        for _ in 0..2 {
            get(nginx.port, "/", &[("S", &session)]);
        }
    }
    // Two looks of the worker, one a second: it must say nothing, so there is nothing to wait for.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(warnings(), 1, "at most once a minute");
}
