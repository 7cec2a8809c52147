//! The way of records under faults: what was answered is stored once.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::harness::{Cloud, Nginx, eventually, get, request, skip};

const SERVER: &str = "
    api_sessions on;
    session_key request.header.S;
    server {
        listen 127.0.0.1:PORT;
        location / { return 200 ok; }
        location /status {
            api_sessions off;
            api_sessions_status;
        }
    }
";

fn http(export: &str) -> String {
    format!("api_sessions_export {export}; {SERVER}")
}

fn ask(nginx: &Nginx, count: usize) {
    for _ in 0..count {
        assert_eq!(get(nginx.port, "/", &[("S", "x")]).status, 200);
    }
}

#[track_caller]
fn stored(cloud: &Cloud, count: u64) {
    let sessions = cloud.sessions(count);
    let all: u64 = sessions.iter().filter_map(|session| session["requests"].as_u64()).sum();
    assert_eq!(all, count);
}

fn exported(nginx: &Nginx, name: &str) -> u64 {
    get(nginx.port, "/status", &[]).json()["export"][name].as_u64().expect(name)
}

#[test]
fn the_spool_keeps_records_over_an_end_of_nginx() {
    let mut cloud = Cloud::start();
    cloud.kill();
    let conf = http(&format!("{} spool=spooled:16m", cloud.export()));
    let nginx = Nginx::builder().http(&conf).start();
    ask(&nginx, 60);
    eventually("they are spooled", || {
        (exported(&nginx, "records_spooled_total") == 60).then_some(())
    });
    // Some are still in the queue when it ends.
    ask(&nginx, 40);
    let directory = nginx.finish();
    let log = fs::read_to_string(directory.path().join("error.log")).unwrap();
    assert!(!log.contains("are lost"), "{log}");
    cloud.run();
    let nginx = Nginx::builder().directory(directory).workers(1).http(&conf).start();
    stored(&cloud, 100);
    eventually("the spool is empty", || (exported(&nginx, "spool_bytes") == 0).then_some(()));
}

#[test]
fn without_a_spool_what_is_lost_at_the_end_is_said() {
    let mut cloud = Cloud::start();
    cloud.kill();
    let nginx = Nginx::builder().http(&http(&cloud.export())).start();
    ask(&nginx, 7);
    let directory = nginx.finish();
    let log = fs::read_to_string(directory.path().join("error.log")).unwrap();
    assert!(log.contains("7 records (") && log.contains("are lost"), "{log}");
}

#[test]
fn workers_without_privileges_write_the_spool() {
    let mut cloud = Cloud::start();
    cloud.kill();
    let directory = tempfile::tempdir().unwrap();
    // Workers pass through, as through /var/lib.
    set_mode(directory.path(), 0o755);
    let token = directory.path().join("token");
    fs::copy(cloud.ingest_token_file(), &token).unwrap();
    let export =
        format!("{} token_file={} flush=50ms spool=DIR/spool", cloud.url(), token.display());
    let nginx = Nginx::builder()
        .directory(directory)
        .user("nobody nogroup")
        .workers(1)
        .http(&http(&export))
        .start();
    ask(&nginx, 5);
    eventually("they are spooled", || {
        (exported(&nginx, "records_spooled_total") == 5).then_some(())
    });
    cloud.run();
    stored(&cloud, 5);
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_full_disk_is_told_once_and_hurts_nobody() {
    let mut cloud = Cloud::start();
    cloud.kill();
    let directory = tempfile::tempdir().unwrap();
    let disk = directory.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "none"])
        .arg(&disk)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return skip("a tmpfs cannot be mounted here");
    }
    let unmount = Unmount(disk);
    let export = format!("{} spool=DIR/disk/spool:16m", cloud.export());
    let nginx = Nginx::builder().directory(directory).workers(1).http(&http(&export)).start();
    // More than 64 kB of records.
    ask(&nginx, 400);
    eventually("the disk is full", || (exported(&nginx, "spool_errors_total") > 0).then_some(()));
    cloud.run();
    stored(&cloud, 400);
    let directory = nginx.finish();
    let log = fs::read_to_string(directory.path().join("error.log")).unwrap();
    assert_eq!(log.matches("cannot be written to").count(), 1, "{log}");
    drop(unmount);
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_cloud_killed_while_it_takes_batches_stores_each_record_once() {
    let mut cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&http(&format!("{} spool=DIR/spool:16m timeout=1s", cloud.export())))
        .start();
    let port = nginx.port;
    let load = std::thread::spawn(move || {
        (0..1500).filter(|_| get(port, "/", &[("S", "x")]).status == 200).count() as u64
    });
    for _ in 0..5 {
        std::thread::sleep(std::time::Duration::from_millis(200));
        cloud.kill();
        cloud.run();
    }
    stored(&cloud, load.join().unwrap());
}

/// NGINX in front of the cloud, with a certificate; the address it listens on.
fn tls_front(cloud: &Cloud, directory: &Path, name: &str) -> Nginx {
    let front = tempfile::tempdir().unwrap();
    for file in ["pem", "key"] {
        fs::copy(directory.join(format!("{name}.{file}")), front.path().join(format!("c.{file}")))
            .unwrap();
    }
    Nginx::builder()
        .directory(front)
        .workers(1)
        .http(&format!(
            "
                server {{
                    listen 127.0.0.1:PORT ssl;
                    ssl_certificate DIR/c.pem;
                    ssl_certificate_key DIR/c.key;
                    location / {{ proxy_pass {}; }}
                }}
            ",
            cloud.url()
        ))
        .start()
}

/// `ca.pem`, and certificates of 127.0.0.1 (`good`), expired, of another name, of another CA.
fn certificates(directory: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let authority = || {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        (Issuer::new(params, key), pem)
    };
    let (issuer, pem) = authority();
    fs::write(directory.join("ca.pem"), pem).unwrap();
    let (stranger, _) = authority();
    for (file, name, issuer, years) in [
        ("good", "127.0.0.1", &issuer, 2000..2100),
        ("expired", "127.0.0.1", &issuer, 2000..2001),
        ("other-name", "other.example", &issuer, 2000..2100),
        ("unknown", "127.0.0.1", &stranger, 2000..2100),
    ] {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        let day = |year| time::Date::from_ordinal_date(year, 1).unwrap().midnight().assume_utc();
        params.not_before = day(years.start);
        params.not_after = day(years.end);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, issuer).unwrap();
        fs::write(directory.join(format!("{file}.pem")), certificate.pem()).unwrap();
        fs::write(directory.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}

#[test]
fn certificates_are_verified_and_a_wrong_one_costs_no_record() {
    let cloud = Cloud::start();
    let directory = tempfile::tempdir().unwrap();
    certificates(directory.path());
    let ca = directory.path().join("ca.pem");
    for wrong in ["expired", "other-name", "unknown"] {
        let front = tls_front(&cloud, directory.path(), wrong);
        let good = tls_front(&cloud, directory.path(), "good");
        let nginx = Nginx::builder()
            .workers(1)
            .http(&http(&format!(
                "https://127.0.0.1:{} token_file={} flush=50ms ca_file={}",
                front.port,
                cloud.ingest_token_file(),
                ca.display()
            )))
            .start();
        ask(&nginx, 3);
        let log = eventually("a word about it", || {
            let log = nginx.error_log();
            log.contains("records are kept and sent again").then_some(log)
        });
        assert!(log.to_lowercase().contains("certificate"), "{wrong}: {log}");
        assert_eq!(exported(&nginx, "records_sent_total"), 0);
        // Someone mends it.
        nginx.reload(
            &format!("127.0.0.1:{} token", front.port),
            &format!("127.0.0.1:{} token", good.port),
        );
        eventually("they arrive", || (exported(&nginx, "records_sent_total") == 3).then_some(()));
    }
    stored(&cloud, 9);
}

/// Heads and bodies of requests.
type Got = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

#[test]
fn any_receiver_of_ndjson_takes_records() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let got: Got = Arc::default();
    let into = got.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            let head = loop {
                let n = stream.read(&mut buffer).unwrap();
                bytes.extend_from_slice(&buffer[..n]);
                if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                    break at + 4;
                }
            };
            let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
            let length = text.to_lowercase();
            let length = length.split("content-length: ").nth(1).unwrap();
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            while bytes.len() < head + length {
                let n = stream.read(&mut buffer).unwrap();
                bytes.extend_from_slice(&buffer[..n]);
            }
            into.lock().unwrap().push((text, bytes[head..].to_vec()));
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                .unwrap();
        }
    });
    let query = "query=INSERT%20INTO%20requests%20FORMAT%20JSONEachRow";
    let nginx = Nginx::builder()
        .http(&http(&format!("http://127.0.0.1:{port}/?{query} flush=50ms")))
        .start();
    request(nginx.port, "GET", "/a?b=c", &[("S", "x")], "");
    let (head, body) = eventually("a batch", || got.lock().unwrap().first().cloned());
    assert!(head.starts_with(&format!("POST /?{query} HTTP/1.1\r\n")), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/x-ndjson"));
    assert!(!head.to_lowercase().contains("authorization"));
    let record: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(record["path"], "/a");
}

/// Resident memory in kB, and open file descriptors.
fn weight(pid: u32) -> (u64, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let rss = rss.split_whitespace().next().unwrap().parse().unwrap();
    (rss, fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count())
}

/// With a cloud that accepts and never answers: old workers must not pile up.
#[test]
fn reloads_leave_neither_workers_nor_memory_nor_descriptors_behind() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", hanging.local_addr().unwrap());
    let nginx = Nginx::builder()
        .workers(1)
        .http(&http(&format!("{url} flush=10ms shutdown=50ms spool=DIR/spool:1m")))
        .start();
    let reload = || {
        ask(&nginx, 1);
        let before = nginx.workers();
        nginx.signal("HUP");
        eventually("the old worker is gone and a new one is there", || {
            let now = nginx.workers();
            (now.len() == 1 && now != before).then_some(())
        });
    };
    let (warm_up, rounds) =
        if std::env::var_os("API_SESSIONS_FULL").is_some() { (50, 950) } else { (10, 30) };
    (0..warm_up).for_each(|_| reload());
    let (rss, descriptors) = weight(nginx.master());
    (0..rounds).for_each(|_| reload());
    let (rss_after, descriptors_after) = weight(nginx.master());
    assert_eq!(descriptors, descriptors_after);
    // NGINX's own pools move by a page or two; a leak of a page a reload would be 4 MB in 1,000.
    assert!(
        rss_after < rss + 64 + rounds * 2,
        "{rss} kB before, {rss_after} kB after {rounds} reloads"
    );
}

#[test]
fn the_token_is_nowhere_to_be_seen() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder().http(&http(&cloud.export())).start();
    ask(&nginx, 1);
    stored(&cloud, 1);
    let token = fs::read_to_string(cloud.ingest_token_file()).unwrap().trim().to_owned();
    for pid in nginx.workers().into_iter().chain([nginx.master()]) {
        for file in ["cmdline", "environ"] {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(&token));
        }
    }
    assert!(!nginx.error_log().contains(&token));
    let status = get(nginx.port, "/status", &[]);
    assert!(!status.body.contains(&token));
}

#[test]
fn more_workers_than_processors_have_a_ring_each_that_outlives_them() {
    let mut cloud = Cloud::start();
    cloud.kill();
    let nginx = Nginx::builder().workers(12).http(&http(&cloud.export())).start();
    ask(&nginx, 60);
    for pid in nginx.workers() {
        crate::harness::signal(pid, "KILL");
    }
    eventually("new workers", || (nginx.workers().len() == 12).then_some(()));
    cloud.run();
    stored(&cloud, 60);
    nginx.expect_kills();
}
