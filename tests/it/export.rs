//! The way of records under faults: what was answered is stored once.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::harness::{Cloud, Nginx, built, eventually, free_port, get, request, skip};

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
    assert!(log.contains("are lost, since they could not be sent: 7 ("), "{log}");
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

/// `setfacl -m u:nobody:rwx`, as the kernel keeps it: version, then tag, permissions and id of each entry.
fn grant_to_nobody(path: &Path) {
    const NONE: u32 = u32::MAX;
    let entries: [(u16, u16, u32); 5] =
        [(1, 7, NONE), (2, 7, 65_534), (4, 0, NONE), (16, 7, NONE), (32, 0, NONE)];
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        acl.extend_from_slice(&tag.to_le_bytes());
        acl.extend_from_slice(&permissions.to_le_bytes());
        acl.extend_from_slice(&id.to_le_bytes());
    }
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(path, "system.posix_acl_access", &acl, flags).unwrap();
}

#[test]
fn a_spool_that_an_access_control_list_grants_stopped_the_start() {
    let mut cloud = Cloud::start();
    cloud.kill();
    let directory = tempfile::tempdir().unwrap();
    let spool = directory.path().join("spool");
    fs::create_dir(&spool).unwrap();
    set_mode(&spool, 0o700);
    // The way there is granted in the same manner.
    set_mode(directory.path(), 0o700);
    grant_to_nobody(directory.path());
    grant_to_nobody(&spool);
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
}

#[test]
fn a_configuration_test_took_the_spool_from_the_running_nginx() {
    use std::os::unix::fs::MetadataExt;
    let cloud = Cloud::start();
    let directory = tempfile::tempdir().unwrap();
    set_mode(directory.path(), 0o755);
    let token = directory.path().join("token");
    fs::copy(cloud.ingest_token_file(), &token).unwrap();
    let spool = directory.path().join("spool");
    let export = format!(
        "{} token_file={} flush=50ms spool={}",
        cloud.url(),
        token.display(),
        spool.display()
    );
    // A test makes nothing.
    let tested = Nginx::builder().http(&http(&export)).check();
    assert!(tested.ok, "{}", tested.stderr);
    assert!(!spool.exists());
    let nginx = Nginx::builder()
        .directory(directory)
        .user("nobody nogroup")
        .workers(1)
        .http(&http(&export))
        .start();
    let owner = fs::metadata(&spool).unwrap().uid();
    assert_ne!(owner, 0);
    // A test as another user changes no owner, and says what would be wrong.
    let other = tempfile::tempdir().unwrap();
    let tested = Nginx::builder().user("daemon daemon").http(&http(&export)).check_in(&other);
    assert!(tested.ok, "{}", tested.stderr);
    assert!(
        tested.stderr.contains("[warn]") && tested.stderr.contains("\"daemon\""),
        "{}",
        tested.stderr
    );
    assert_eq!(fs::metadata(&spool).unwrap().uid(), owner);
    ask(&nginx, 1);
    stored(&cloud, 1);
}

#[test]
fn an_unwritable_spool_is_an_error_at_start_that_names_the_owner() {
    let directory = tempfile::tempdir().unwrap();
    set_mode(directory.path(), 0o755);
    fs::create_dir(directory.path().join("spool")).unwrap();
    let log = Nginx::builder()
        .directory(directory)
        .user("nobody nogroup")
        .http(&http("http://127.0.0.1:9 spool=DIR/spool"))
        .start_fails();
    assert!(
        log.contains("[emerg]") && log.contains("cannot be written to by the workers"),
        "{log}"
    );
    assert!(log.contains("belongs to uid 0") && log.contains("\"nobody\""), "{log}");
}

#[test]
fn files_that_another_user_left_in_the_spool_lost_denials() {
    let directory = tempfile::tempdir().unwrap();
    set_mode(directory.path(), 0o755);
    let spool = directory.path().join("spool");
    fs::create_dir(&spool).unwrap();
    std::os::unix::fs::chown(&spool, Some(65_534), None).unwrap();
    let copy = spool.join("denylist.json");
    fs::write(&copy, r#"{"node":[]}"#).unwrap();
    fs::write(spool.join("notes"), "not of the module").unwrap();
    set_mode(&copy, 0o600);
    let log = Nginx::builder()
        .directory(directory)
        .user("nobody nogroup")
        .http(&http("http://127.0.0.1:9 spool=DIR/spool"))
        .start_fails();
    assert!(log.contains("[emerg]") && log.contains("denylist.json\" cannot be read"), "{log}");
    assert!(log.contains("belongs to uid 0") && log.contains("chown -R \""), "{log}");
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
        let before = exported(&nginx, "records_sent_total");
        eventually("the cloud takes batches", || {
            (exported(&nginx, "records_sent_total") > before || load.is_finished()).then_some(())
        });
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

/// A certificate of 127.0.0.1 signed by itself: `name.pem` and `name.key`.
fn self_signed(directory: &Path, name: &str, is_ca: bool, host: &str, last_year: i32) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let day = |year| time::Date::from_ordinal_date(year, 1).unwrap().midnight().assume_utc();
    params.not_before = day(2000);
    params.not_after = day(last_year);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
    fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

#[test]
fn a_self_signed_certificate_named_in_ca_file_was_refused() {
    let cloud = Cloud::start();
    let directory = tempfile::tempdir().unwrap();
    // As `openssl req -x509` makes them (CA:TRUE), and without.
    for (name, is_ca) in [("ca-true", true), ("ca-false", false)] {
        self_signed(directory.path(), name, is_ca, "127.0.0.1", 2100);
        let front = tls_front(&cloud, directory.path(), name);
        let nginx = Nginx::builder()
            .workers(1)
            .http(&to_front(&cloud, &front, directory.path(), name))
            .start();
        ask(&nginx, 3);
        eventually("they arrive", || (exported(&nginx, "records_sent_total") == 3).then_some(()));
    }
    // As curl: also one of a CA that is not named, and a renewed one of the same key.
    certificates(directory.path());
    renewed(directory.path(), "ca-true", "renewed");
    for (presented, named) in [("good", "good"), ("renewed", "ca-true")] {
        let front = tls_front(&cloud, directory.path(), presented);
        let nginx = Nginx::builder()
            .workers(1)
            .http(&to_front(&cloud, &front, directory.path(), named))
            .start();
        ask(&nginx, 3);
        eventually("they arrive", || (exported(&nginx, "records_sent_total") == 3).then_some(()));
    }
    stored(&cloud, 12);
}

/// Another certificate for the key of `old`.
fn renewed(directory: &Path, old: &str, name: &str) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    let pem = fs::read_to_string(directory.join(format!("{old}.key"))).unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&KeyPair::from_pem(&pem).unwrap()).unwrap();
    fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
    fs::write(directory.join(format!("{name}.key")), pem).unwrap();
}

/// A certificate whose extendedKeyUsage is clientAuth alone, and its CA.
fn of_a_client(directory: &Path) {
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    };
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&key).unwrap().pem();
    fs::write(directory.join("client-ca.pem"), pem).unwrap();
    let issuer = Issuer::new(authority, key);
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    fs::write(directory.join("client.pem"), certificate.pem()).unwrap();
    fs::write(directory.join("client.key"), key.serialize_pem()).unwrap();
}

fn to_front(cloud: &Cloud, front: &Nginx, directory: &Path, ca: &str) -> String {
    http(&format!(
        "https://127.0.0.1:{} token_file={} flush=50ms ca_file={}",
        front.port,
        cloud.ingest_token_file(),
        directory.join(format!("{ca}.pem")).display()
    ))
}

#[test]
fn a_pinned_certificate_still_needs_its_name_and_its_time_and_messages_say_what_to_do() {
    let cloud = Cloud::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    self_signed(path, "good", true, "127.0.0.1", 2100);
    self_signed(path, "other", true, "127.0.0.1", 2100);
    self_signed(path, "expired", true, "127.0.0.1", 2001);
    self_signed(path, "former", false, "127.0.0.1", 2100);
    self_signed(path, "present", false, "127.0.0.1", 2100);
    self_signed(path, "elsewhere", true, "elsewhere.example", 2100);
    of_a_client(path);
    for (presented, named, cure) in [
        ("client", "client-ca", "the receiver needs a certificate for servers"),
        ("client", "client", "the receiver needs a certificate for servers"),
        ("expired", "expired", "renew"),
        ("elsewhere", "elsewhere", "use a host in the URL that the certificate names"),
        ("good", "other", "ca_file="),
        // The same name, another key.
        ("former", "present", "name the receiver's present certificate"),
    ] {
        let front = tls_front(&cloud, path, presented);
        let nginx =
            Nginx::builder().workers(1).http(&to_front(&cloud, &front, path, named)).start();
        ask(&nginx, 1);
        let log = eventually("a word about it", || {
            let log = nginx.error_log();
            log.contains("records are kept and sent again").then_some(log)
        });
        assert!(log.contains(cure), "{presented}: {log}");
        assert_eq!(exported(&nginx, "records_sent_total"), 0, "{presented}");
    }
    // No TLS at all there.
    let nginx = Nginx::builder()
        .workers(1)
        .http(&http(&format!(
            "https://{} token_file={} flush=50ms",
            cloud.url().trim_start_matches("http://"),
            cloud.ingest_token_file()
        )))
        .start();
    ask(&nginx, 1);
    eventually("a word about it", || nginx.error_log().contains("else use http://").then_some(()));
}

#[test]
fn a_receiver_that_wants_a_client_certificate_was_a_broken_pipe() {
    let directory = tempfile::tempdir().unwrap();
    self_signed(directory.path(), "own", true, "127.0.0.1", 2100);
    for version in ["-tls1_2", "-tls1_3"] {
        let port = free_port();
        let receiver = std::process::Command::new("openssl")
            .args(["s_server", "-quiet", version, "-Verify", "1", "-verify_return_error"])
            .args(["-accept", &port.to_string(), "-cert", "own.pem", "-key", "own.key"])
            .current_dir(&directory)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let _receiver = Killed(receiver);
        eventually("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        let nginx = Nginx::builder()
            .workers(1)
            .http(&http(&format!(
                "https://127.0.0.1:{port} flush=50ms ca_file={}",
                directory.path().join("own.pem").display()
            )))
            .start();
        ask(&nginx, 1);
        eventually("a word about it", || {
            nginx.error_log().contains("without a client certificate").then_some(())
        });
    }
}

/// A process that ends with the test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_ca_file_whose_certificates_are_damaged_failed_while_running() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damaged.pem");
    let damaged = "-----BEGIN CERTIFICATE-----\nMIIDBTCCAe2gAwIBAgIU\n-----END CERTIFICATE-----\n";
    let key = "-----BEGIN PRIVATE KEY-----\nMIIDBTCCAe2gAwIBAgIU\n-----END PRIVATE KEY-----\n";
    for (text, said, cure) in [
        (
            damaged,
            "damaged.pem\": no usable CA certificate",
            "the receiver's CA, or its own, in PEM",
        ),
        (key, "damaged.pem\" holds no PEM certificate", "-----BEGIN CERTIFICATE-----"),
        ("\u{30}\u{3}DER", "damaged.pem\" holds no PEM certificate", "openssl x509 -inform der"),
    ] {
        fs::write(&path, text).unwrap();
        let test = Nginx::builder()
            .http(&http(&format!("https://127.0.0.1:1 ca_file={}", path.display())))
            .start_fails();
        assert!(test.contains(said) && test.contains(cure), "{test}");
    }
}

/// Heads and bodies of requests.
type Got = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Takes one request a connection, and answers it with `status`.
fn receive(mut stream: impl Read + Write, status: u16, got: &Got) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let head = loop {
        let n = stream.read(&mut buffer).unwrap();
        bytes.extend_from_slice(&buffer[..n]);
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if n == 0 {
            return;
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
    got.lock().push((text, bytes[head..].to_vec()));
    let content_length = if status == 204 { "" } else { "Content-Length: 0\r\n" };
    let location =
        if status == 301 { "Location: https://cloud.example/v1/records\r\n" } else { "" };
    let answer =
        format!("HTTP/1.1 {status} Taken\r\nConnection: close\r\n{location}{content_length}\r\n");
    stream.write_all(answer.as_bytes()).unwrap();
}

/// A receiver that answers each batch with `status`; its address, and what it got.
fn receiver(status: u16) -> (String, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let got: Got = Arc::default();
    let into = got.clone();
    std::thread::spawn(move || {
        listener.incoming().for_each(|stream| receive(stream.unwrap(), status, &into));
    });
    (address, got)
}

#[test]
fn any_receiver_of_ndjson_takes_records() {
    let (address, got) = receiver(200);
    let query = "query=INSERT%20INTO%20requests%20FORMAT%20JSONEachRow";
    let nginx =
        Nginx::builder().http(&http(&format!("http://{address}/?{query} flush=50ms"))).start();
    request(nginx.port, "GET", "/a?b=c", &[("S", "x")], "");
    let (head, body) = eventually("a batch", || got.lock().first().cloned());
    assert!(head.starts_with(&format!("POST /?{query} HTTP/1.1\r\n")), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/x-ndjson"));
    assert!(!head.to_lowercase().contains("authorization"));
    let record: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(record["path"], "/a");
}

#[test]
fn a_batch_answered_with_201_202_or_204_was_sent_for_ever() {
    for status in [201, 202, 204] {
        let (address, got) = receiver(status);
        let nginx = Nginx::builder()
            .workers(1)
            .http(&http(&format!("http://{address} flush=10ms spool=DIR/spool:1m")))
            .start();
        ask(&nginx, 2);
        eventually("both count as sent", || {
            (exported(&nginx, "records_sent_total") == 2).then_some(())
        });
        // A batch that is kept is sent again before later ones: once a later one has arrived, none was kept.
        ask(&nginx, 1);
        eventually("a later one counts as sent", || {
            (exported(&nginx, "records_sent_total") == 3).then_some(())
        });
        let lines = |body: &[u8]| body.iter().filter(|byte| **byte == b'\n').count();
        let records: usize = got.lock().iter().map(|(_, body)| lines(body)).sum();
        assert_eq!(records, 3, "{status}");
        assert_eq!(exported(&nginx, "export_retries_total"), 0, "{status}");
        assert_eq!(exported(&nginx, "spool_bytes"), 0, "{status}");
    }
}

#[test]
fn the_target_of_a_redirect_was_not_in_the_log() {
    let (address, _) = receiver(301);
    let nginx = Nginx::builder().http(&http(&format!("http://{address} flush=10ms"))).start();
    ask(&nginx, 1);
    eventually("the log has it", || {
        nginx.error_log().contains("answered 301: https://cloud.example/v1/records").then_some(())
    });
}

#[test]
fn headers_of_other_receivers_are_sent_and_their_values_shown_nowhere() {
    let (address, got) = receiver(202);
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("headers"),
        "# of the file\nAuthorization: Splunk 6f1ed002-secret\n\nX-Scope-OrgID: tenant 1\n",
    )
    .unwrap();
    let nginx = Nginx::builder().directory(directory).workers(1).http(&http(&format!(
            "http://{address}/v1/records flush=10ms header=\"DD-API-KEY: key-secret\" \"header=X-Two: 2\" header_file=headers"
        ))).start();
    ask(&nginx, 1);
    let (head, _) = eventually("a batch", || got.lock().first().cloned());
    let lower = head.to_lowercase();
    assert!(lower.starts_with("post /v1/records http/1.1\r\n"), "{head}");
    for header in [
        "authorization: splunk 6f1ed002-secret\r\n",
        "x-scope-orgid: tenant 1\r\n",
        "dd-api-key: key-secret\r\n",
        "x-two: 2\r\n",
    ] {
        assert!(lower.contains(header), "{header} in {head}");
    }
    let log = nginx.error_log();
    assert!(!log.contains("key-secret") && !log.contains("002-secret"), "{log}");
}

#[test]
fn a_socket_of_a_sidecar_takes_records() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("sidecar.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let got: Got = Arc::default();
    let into = got.clone();
    std::thread::spawn(move || {
        listener.incoming().for_each(|stream| receive(stream.unwrap(), 200, &into));
    });
    let nginx = Nginx::builder()
        .http(&http(&format!("http://unix:{}:/base flush=10ms", socket.display())))
        .start();
    ask(&nginx, 1);
    eventually("sent", || (exported(&nginx, "records_sent_total") == 1).then_some(()));
    let (head, _) = got.lock()[0].clone();
    assert!(head.starts_with("POST /base/v1/records HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("host: localhost\r\n"), "{head}");
}

#[test]
fn node_proxy_and_cloud_meet_on_a_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let listen = format!("unix:{}", path("cloud.sock"));
    let mut cloud = std::process::Command::new(built("API_SESSIONS_CLOUD"))
        .args(["--listen", &listen, "--trusted-proxy", "unix:", "--data", &path("data")])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let token = eventually("the cloud starts", || {
        std::os::unix::net::UnixStream::connect(path("cloud.sock")).ok()?;
        fs::read_to_string(path("data/admin.token")).ok().filter(|token| token.ends_with('\n'))
    });
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {listen} token_file={} flush=10ms;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ return 200 ok; }}
                    location /console/ {{
                        api_sessions off;
                        proxy_pass http://{listen}:/;
                        proxy_set_header X-Forwarded-Prefix /console;
                    }}
                }}
            ",
            path("data/ingest.token")
        ))
        .start();
    get(nginx.port, "/", &[]);
    let bearer = format!("Bearer {}", token.trim());
    eventually("the record is in the cloud", || {
        let answer = get(nginx.port, "/console/v1/sessions", &[("Authorization", &bearer)]);
        (answer.status == 200 && answer.json()["total"] == 1).then_some(())
    });
    let login = get(nginx.port, "/console/nodes", &[]);
    assert!(
        login.header("location").unwrap().ends_with("/console/login?next=%2Fnodes"),
        "{login:?}"
    );
    cloud.kill().unwrap();
    cloud.wait().unwrap();
}

/// Resident memory in kB, and open file descriptors: the fewest within a tenth of a second, since the master closes the
/// channel of a worker some time after that is gone.
fn weight(pid: u32) -> (u64, usize) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let rss = rss.split_whitespace().next().unwrap().parse().unwrap();
    let descriptors = (0..10).map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
    });
    (rss, descriptors.min().unwrap())
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
