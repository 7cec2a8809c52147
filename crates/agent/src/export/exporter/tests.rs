mod facts;
mod full_ring;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::answers::first_half;
use super::*;
use crate::export::{Endpoint, LogEvent, SpoolSettings, log_channel};
use crate::{Stop, stop_channel};
use api_sessions_shm::{Producer, RecordQueue, testing};

/// Statuses of the receiver's answers, in order; 200 after the last.
type Script = &'static [&'static str];

/// A receiver that misbehaves according to a script and stores batches by name.
struct FakeCloud {
    url: String,
    stored: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    attempts: Arc<Mutex<Vec<String>>>,
}

impl FakeCloud {
    fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            stored: Arc::default(),
            attempts: Arc::default(),
        };
        let (stored, attempts) = (receiver.stored.clone(), receiver.attempts.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stored, attempts) = (stored.clone(), attempts.clone());
                std::thread::spawn(move || serve(stream.unwrap(), script, &stored, &attempts));
            }
        });
        receiver
    }

    fn lines(&self) -> Vec<String> {
        let stored = self.stored.lock();
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
        let mut lines: Vec<String> = stored
            .values()
            .flat_map(|b| text(b).lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        lines.sort();
        lines
    }
}

fn serve(
    stream: TcpStream,
    script: Script,
    stored: &Mutex<BTreeMap<String, Vec<u8>>>,
    attempts: &Mutex<Vec<String>>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut headers = BTreeMap::new();
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        loop {
            line.clear();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        if headers.get("content-encoding").is_some_and(|value| value == "gzip") {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
            body = plain;
        }
        assert_eq!(headers["content-type"], "application/x-ndjson");
        assert_eq!(headers["authorization"], "Bearer secret-token");
        let name = headers["idempotency-key"].clone();
        let nth = {
            let mut attempts = attempts.lock();
            attempts.push(name.clone());
            attempts.len() - 1
        };
        let answer = match script.get(nth) {
            Some(&"too large if several") if body.iter().filter(|b| **b == b'\n').count() > 1 => {
                "413 Payload Too Large"
            }
            Some(&"too large if several") | None => "200 OK",
            Some(other) => other,
        };
        match answer {
            "close" => return,
            "garbage" => {
                let _ = writer.write_all(b"\x00\xff nothing like HTTP\r\n\r\n");
                return;
            }
            "drip" => {
                for byte in b"HTTP/1.1 200 OK\r\n" {
                    if writer.write_all(&[*byte]).is_err() {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(200));
                }
                return;
            }
            "half" => {
                stored.lock().insert(name, body);
                let _ =
                    writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it");
                return;
            }
            "store, then close" => {
                stored.lock().insert(name, body);
                return;
            }
            _ => {}
        }
        if answer.starts_with("200") {
            stored.lock().insert(name, body);
        }
        let text = format!("HTTP/1.1 {answer}\r\nContent-Length: 2\r\n\r\nno");
        writer.write_all(text.as_bytes()).unwrap();
    }
}

struct Running {
    producer: Producer,
    stop: Stop,
    thread: JoinHandle<()>,
    notes: Receiver<LogEvent>,
    region: RecordQueue,
}

fn settings(url: &str) -> ExportSettings {
    ExportSettings {
        endpoint: Endpoint::parse(url).unwrap(),
        token: Some("secret-token".to_owned()),
        headers: Vec::new(),
        node: "node 1".to_owned(),
        flush: Duration::from_millis(10),
        batch: 4096,
        gzip: false,
        timeout: Duration::from_secs(5),
        ca_pem: None,
        shutdown: Duration::from_secs(1),
        spool: None,
    }
}

fn start(url: &str, gzip: bool, shutdown_ms: u64) -> Running {
    let shutdown = Duration::from_millis(shutdown_ms);
    start_with(ExportSettings { gzip, shutdown, ..settings(url) })
}

fn start_with(settings: ExportSettings) -> Running {
    start_with_facts(settings, never())
}

/// Size of a ring, bytes.
const RING: usize = 64 * 1024;

fn start_with_facts(settings: ExportSettings, facts: Receiver<Vec<WindowFacts>>) -> Running {
    let region = testing::record_queue(4, RING);
    let hand = region.join(1, std::process::id());
    let (producer, consumer) = hand.claim().unwrap();
    let (notes, receiver) = log_channel();
    let (stop, stopped) = stop_channel();
    let thread = std::thread::spawn(move || {
        let exporter = Exporter::new(settings, hand, consumer, stopped, Arc::new(()), notes);
        exporter.unwrap().with_key_facts(facts).run();
    });
    Running { producer, stop, thread, notes: receiver, region }
}

impl Running {
    fn push(&mut self, count: usize) -> Vec<String> {
        let lines: Vec<String> = (0..count).map(|n| format!("{{\"n\":\"{n:05}\"}}")).collect();
        for line in &lines {
            self.producer.push(format!("{line}\n").as_bytes()).unwrap();
        }
        lines
    }

    fn wait_until_empty(&self) {
        let start = Instant::now();
        while self.region.stats().used > 0 {
            assert!(start.elapsed() < Duration::from_secs(30), "records stay in the queue");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn finish(self) -> Vec<LogEvent> {
        drop(self.stop);
        self.thread.join().unwrap();
        self.notes.try_iter().collect()
    }
}

#[test]
fn every_line_arrives_once_whatever_the_receiver_does_first() {
    let scripts: [Script; 9] = [
        &[],
        &["500 Oops"],
        &["401 Unauthorized", "404 Not Found", "408 Timeout"],
        &["429 Slow Down", "503 Busy"],
        &["close"],
        &["garbage"],
        &["301 Moved"],
        &["store, then close"],
        &["too large if several"; 64],
    ];
    for script in scripts {
        for gzip in [false, true] {
            let receiver = FakeCloud::start(script);
            let mut running = start(&receiver.url, gzip, 1000);
            let lines = running.push(40);
            running.wait_until_empty();
            assert_eq!(running.region.stats().sent, 40, "{script:?}");
            running.finish();
            assert_eq!(receiver.lines(), lines, "{script:?}");
        }
    }
}

#[test]
fn an_answer_that_drips_or_breaks_off_loses_and_doubles_nothing() {
    let receiver = FakeCloud::start(&["drip", "half", "drip"]);
    let mut running = start_with(ExportSettings {
        timeout: Duration::from_millis(300),
        ..settings(&receiver.url)
    });
    let mut lines = running.push(3);
    running.wait_until_empty();
    lines.extend(running.push(3));
    running.wait_until_empty();
    assert_eq!(running.region.stats().sent, 6);
    running.finish();
    lines.sort();
    assert_eq!(receiver.lines(), lines);
}

#[test]
fn a_repetition_has_the_name_of_the_first_attempt() {
    let receiver = FakeCloud::start(&["store, then close", "500 Oops"]);
    let mut running = start(&receiver.url, false, 1000);
    running.push(3);
    running.wait_until_empty();
    running.finish();
    let attempts = receiver.attempts.lock();
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|name| *name == attempts[0] && name.starts_with("node_1-")));
}

#[test]
fn a_bad_batch_is_dropped_counted_and_told_once() {
    for answer in ["400 Bad", "415 Type", "422 Content"] {
        let script: Script = vec![answer].leak();
        let receiver = FakeCloud::start(script);
        let mut running = start(&receiver.url, false, 1000);
        running.push(3);
        running.wait_until_empty();
        let stats = running.region.stats();
        assert_eq!((stats.refused, stats.sent), (3, 0));
        let notes = running.finish();
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].text.contains(&answer[..3]) && notes[0].severity == Severity::Error);
    }
}

#[test]
fn an_outage_is_told_once_and_its_end_once() {
    let receiver = FakeCloud::start(&["500 a", "500 b", "500 c"]);
    let mut running = start(&receiver.url, false, 1000);
    running.push(3);
    running.wait_until_empty();
    let notes = running.finish();
    let severities: Vec<_> = notes.iter().map(|note| note.severity).collect();
    assert_eq!(severities, [Severity::Warning, Severity::Notice], "{notes:?}");
    assert!(!notes[0].text.contains("secret-token"));
}

#[test]
fn the_end_of_a_worker_sends_what_is_left_within_its_time() {
    let receiver = FakeCloud::start(&[]);
    let mut running = start(&receiver.url, false, 5000);
    let lines = running.push(1000);
    running.finish();
    assert_eq!(receiver.lines(), lines);
}

#[test]
fn a_cloud_that_hangs_does_not_hold_the_end_of_a_worker() {
    // Accepts, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut running = start(&url, false, 200);
    running.push(3);
    drop(running.stop);
    running.thread.join().unwrap();
    assert!(running.region.stats().used > 0, "kept for the next worker");
}

#[test]
fn what_is_split_and_interrupted_is_neither_lost_nor_doubled() {
    let receiver =
        FakeCloud::start(&["413 Large", "200 OK", "500 Oops", "413 Large", "close", "200 OK"]);
    let mut running = start(&receiver.url, false, 1000);
    let lines = running.push(8);
    running.wait_until_empty();
    let stats = running.region.stats();
    assert_eq!((stats.sent, stats.refused), (8, 0));
    running.finish();
    assert_eq!(receiver.lines(), lines);
}

#[test]
fn a_receiver_that_refuses_everything_is_told_once() {
    let receiver = FakeCloud::start(&["400 Bad"; 64]);
    let mut running = start(&receiver.url, false, 1000);
    for _ in 0..4 {
        running.push(3);
        running.wait_until_empty();
    }
    assert_eq!(running.region.stats().refused, 12);
    assert_eq!(running.finish().len(), 1);
}

#[test]
fn halves_are_whole_lines() {
    assert_eq!(first_half(b"a\nbb\n"), Some(2));
    assert_eq!(first_half(b"aaaaaaaa\nb\n"), Some(9));
    assert_eq!(first_half(b"one\n"), None);
}

/// A port on which nobody is listening.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn with_spool(url: &str, directory: &std::path::Path) -> ExportSettings {
    let path = directory.join("spool");
    ExportSettings { spool: Some(SpoolSettings { path, max_bytes: 1 << 20 }), ..settings(url) }
}

#[test]
fn what_cannot_be_sent_is_spooled_and_sent_by_the_next_worker() {
    let directory = tempfile::tempdir().unwrap();
    let mut running = start_with(with_spool(&nobody(), directory.path()));
    let lines = running.push(500);
    running.wait_until_empty();
    assert_eq!(running.region.stats().spooled, 500);
    running.finish();

    let receiver = FakeCloud::start(&["503 Busy", "close"]);
    let running = start_with(with_spool(&receiver.url, directory.path()));
    wait_for(|| running.region.stats().sent == 500);
    running.finish();
    assert_eq!(receiver.lines(), lines);
}

#[test]
fn a_batch_whose_answer_was_lost_is_stored_once_though_it_was_spooled() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = FakeCloud::start(&["store, then close"]);
    let mut running = start_with(with_spool(&receiver.url, directory.path()));
    let lines = running.push(3);
    wait_for(|| running.region.stats().sent == 3);
    assert_eq!(running.region.stats().spooled, 3);
    running.finish();
    assert_eq!(receiver.lines(), lines);
    assert_eq!(receiver.stored.lock().len(), 1);
}

#[test]
fn a_spooled_batch_that_is_too_large_goes_in_halves_with_names_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let receiver = FakeCloud::start(&["500 Oops", "413 Large", "413 Large"]);
    let mut running = start_with(with_spool(&receiver.url, directory.path()));
    let lines = running.push(40);
    wait_for(|| running.region.stats().sent == 40);
    running.finish();
    assert_eq!(receiver.lines(), lines);
}

#[test]
fn a_cloud_that_hangs_fills_the_spool_and_not_the_queue() {
    // Accepts and never answers: the first attempt outlasts the test.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut running = start_with(ExportSettings {
        timeout: Duration::from_secs(600),
        ..with_spool(&url, directory.path())
    });
    for _ in 0..40 {
        // 16 kB at a time, from a queue of 64 kB.
        running.push(1000);
        wait_for(|| running.region.stats().used < 40_000);
    }
    assert_eq!(running.region.stats().sent, 0);
    // Whatever is left waits for the attempt, which ends now: how much fits into the shutdown depends on the machine.
    drop(listener);
    running.wait_until_empty();
    let region = running.region;
    running.finish();
    let stats = region.stats();
    assert_eq!((stats.dropped_full, stats.used), (0, 0), "{stats:?}");
    assert_eq!(stats.spooled, 40_000);
}

#[test]
fn a_spool_that_cannot_be_written_to_is_told_once_and_costs_nothing() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("spool"), "a file").unwrap();
    let receiver = FakeCloud::start(&["500 a", "500 b"]);
    let mut running = start_with(with_spool(&receiver.url, directory.path()));
    let lines = running.push(3);
    wait_for(|| running.region.stats().sent == 3);
    assert!(running.region.stats().spool_errors > 0);
    let notes = running.finish();
    for said in ["cannot be written to", "cannot be read"] {
        let told = notes.iter().filter(|note| note.text.contains(said)).count();
        assert_eq!(told, 1, "{notes:?}");
    }
    assert_eq!(receiver.lines(), lines);
}

#[test]
fn fresh_records_do_not_wait_for_a_spooled_batch_that_always_fails() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = start_with(with_spool(&nobody(), directory.path()));
    first.push(1);
    first.wait_until_empty();
    first.finish();
    // Temporarily refuses any batch with the name of the spooled one.
    let receiver = FakeCloud::start(&["500 the spooled one"]);
    let mut running = start_with(with_spool(&receiver.url, directory.path()));
    wait_for(|| receiver.attempts.lock().len() == 1);
    running.push(5);
    wait_for(|| running.region.stats().sent >= 5);
    running.finish();
}

#[track_caller]
fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}
