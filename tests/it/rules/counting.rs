//! Counts under load, killed workers and a zone that is too small; conditions of several kinds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{fired, logged, server, start};
use crate::harness::{Nginx, eventually, get, raw, request, signal};

/// A figure of the status page about the zone of counts.
fn figure(nginx: &Nginx, name: &str) -> u64 {
    let status = get(nginx.port, "/status", &[]).json();
    status["rule_counts"][format!("rule_counts_{name}")]
        .as_u64()
        .unwrap_or_else(|| panic!("{name}: {status}"))
}

#[test]
fn attacks_and_new_sessions_are_counted() {
    let nginx = start(
        "api_sessions_detect on;
         session_rule sqli when=attack=sqli over=1/10m;
         session_rule several count=attacks when=attack=any over=3/10m;
         session_rule xss when=attack=xss over=0/10m;
         session_rule fresh when=session=new count=distinct:session over=3/10m per=ip;",
    );
    let mut lines = 0;
    let mut ask = |session: &str, ip: &str, query: &str| {
        get(nginx.port, &format!("/?q={query}"), &[("S", session), ("X-Forwarded-For", ip)]);
        lines += 1;
        logged(&nginx, lines).pop().unwrap()
    };
    let attack = "1%27%20OR%20%271%27=%271";
    assert_eq!(ask("a", "192.0.2.1", attack), "a 200 - -");
    assert_eq!(ask("a", "192.0.2.1", "harmless"), "a 200 - -");
    assert_eq!(ask("a", "192.0.2.1", attack), "a 200 sqli 2");
    // Two sessions have begun: the next two make four.
    for session in ["b", "b", "c", "c"] {
        assert!(!ask(session, "192.0.2.1", "").contains("fresh"));
    }
    assert_eq!(ask("d", "192.0.2.1", ""), "d 200 fresh 4");
    assert_eq!(ask("d", "192.0.2.1", ""), "d 200 - -", "it has begun already");
    assert_eq!(ask("e", "192.0.2.9", ""), "e 200 - -", "another address");
}

#[test]
fn one_user_tried_from_two_hundred_addresses_is_found() {
    let nginx = start("session_rules default;");
    for n in 0..200 {
        let ip = format!("198.51.{}.{}", n / 100, n % 100 + 1);
        let headers = [("X-Forwarded-For", &*ip), ("Answer", "401")];
        request(nginx.port, "POST", "/login?user=ann", &headers, "");
    }
    let lines = logged(&nginx, 200);
    assert_eq!(fired(&lines, "one-user-many-addresses"), 190);
    assert_eq!(fired(&lines, "many-users-one-address"), 0);
}

#[test]
fn a_worker_killed_while_it_counts_loses_one_count_at_most() {
    let nginx = start("session_rule many over=0/1h;");
    let is_over = AtomicBool::new(false);
    let port = nginx.port;
    let kills = 3;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // It may meet a worker that is being killed.
                    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else {
                        continue;
                    };
                    use std::io::{Read as _, Write as _};
                    let _ = stream.write_all(b"GET / HTTP/1.0\r\nS: x\r\n\r\n");
                    let _ = stream.read_to_end(&mut Vec::new());
                }
            });
        }
        for round in 1..=kills {
            logged(&nginx, round as usize * 40);
            let before = nginx.workers();
            signal(before[0], "KILL");
            eventually("another worker", || {
                let now = nginx.workers();
                (now.len() == before.len() && !now.contains(&before[0])).then_some(())
            });
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let served = nginx.lines("rules.log").len() as u64;
    get(port, "/", &[("S", "x")]);
    let last = logged(&nginx, served as usize + 1).pop().unwrap();
    let count: u64 = last.rsplit(' ').next().unwrap().parse().unwrap();
    let (lost, busy) = (figure(&nginx, "lost_total"), figure(&nginx, "lock_busy_total"));
    // A request may be counted and not logged.
    assert!(lost <= kills && count <= served + 1 + kills, "{count} of {served}, {lost} lost");
    // A lost entry starts from zero. Behind a process that is suspended while it holds the lock, requests are not counted.
    assert!(lost > 0 || count + busy > served, "{count} of {served}, {busy} busy");
    nginx.expect_kills();
}

#[test]
fn more_subjects_than_the_zone_holds_are_evicted_and_counted() {
    let conf = server(
        "session_rule one over=0/1h; api_sessions_rules_zone 256k; keepalive_requests 10000;",
    );
    let nginx = Nginx::builder().http(&conf).start();
    let subjects = 6000;
    let mut all = Vec::new();
    for n in 0..subjects {
        let last = if n + 1 == subjects { "Connection: close\r\n" } else { "" };
        let head = format!("GET /none HTTP/1.1\r\nHost: a\r\nS: s{n}\r\n{last}\r\n");
        all.extend(head.into_bytes());
    }
    let number = |name: &str| figure(&nginx, name);
    raw(nginx.port, &all);
    logged(&nginx, subjects);
    let (in_use, room) = (number("in_use"), number("capacity"));
    assert!(in_use <= room && room < subjects as u64, "{in_use} of {room}");
    // Beside the subjects there are the rule's figures.
    assert_eq!(number("created_total") - number("evicted_total"), in_use);
    assert!(number("evicted_total") >= subjects as u64 - room, "{}", number("evicted_total"));
    get(nginx.port, "/", &[("S", "after")]);
    assert_eq!(logged(&nginx, subjects + 1).pop().unwrap(), "after 200 one 1");
}
