use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Receiver;
use parking_lot::Mutex;

use super::*;
use crate::export::{Endpoint, LogEvent, log_channel};
use crate::{Stop, stop_channel};
use api_sessions_protocol::{DenyEntry, SessionId};
use api_sessions_shm::testing;

/// Answers polls with `answers` in order, repeating the last one, and keeps the request heads.
fn cloud(answers: &'static [&'static str]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/sync", listener.local_addr().unwrap());
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let into = heads.clone();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap().take(100_000));
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            into.lock().push(head);
            let (status, body) =
                answers.get(number).or(answers.last()).unwrap().split_once(' ').unwrap();
            if number >= answers.len() {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (url, heads)
}

struct Running {
    deny: DenylistWriter,
    lifted: Receiver<SessionId>,
    linked: Receiver<Vec<ReceivedLink>>,
    region: SharedConfig,
    stop: Stop,
    notes: Receiver<LogEvent>,
    thread: std::thread::JoinHandle<()>,
}

fn start(url: &str) -> Running {
    start_with(url, testing::shared_config(MAX_PARAMETERS_BYTES))
}

fn start_with(url: &str, region: SharedConfig) -> Running {
    let deny = testing::denylist(1 << 20).join(1, std::process::id());
    start_beside(url, region, deny, None)
}

fn start_beside(
    url: &str,
    region: SharedConfig,
    deny: DenylistWriter,
    journal: Option<StateFile>,
) -> Running {
    let export = ExportSettings {
        endpoint: Endpoint::parse("http://127.0.0.1:1").unwrap(),
        token: Some("secret-token".to_owned()),
        headers: Vec::new(),
        node: "a node".to_owned(),
        flush: Duration::ZERO,
        batch: 1,
        gzip: false,
        timeout: Duration::from_secs(5),
        ca_pem: None,
        shutdown: Duration::ZERO,
        spool: None,
    };
    let settings = SyncSettings { export, url: url.to_owned(), pid: std::process::id() };
    let (to_loop, lifted) = crossbeam_channel::unbounded();
    let (to_table, linked) = crossbeam_channel::bounded(2);
    let state = SyncState {
        rule_names: vec!["written".to_owned(), "scraping".to_owned()],
        deny: Some(deny),
        journal,
        address_session: Box::new(|address| (address == "192.0.2.4").then(|| FOUR.parse().ok())?),
        lifted: Box::new(move |session| to_loop.send(session).unwrap()),
        linked: Box::new(move |links| to_table.try_send(links).is_ok()),
        settings: region,
        counters: Box::new(|| "{\"records_sent_total\":7}".to_owned()),
    };
    let (to_log, notes) = log_channel();
    let (stop, stopped) = stop_channel();
    let poller = Poller::new(settings, state, to_log, stopped);
    Running {
        deny,
        lifted,
        linked,
        region,
        stop,
        notes,
        thread: std::thread::spawn(move || poller.run()),
    }
}

impl Running {
    #[track_caller]
    fn wait_for(&self, what: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !what(self) {
            assert!(start.elapsed() < Duration::from_secs(20), "it does not happen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn denies(&self, session: &str) -> bool {
        self.deny.list().lookup(&session.parse::<SessionId>().unwrap(), b"", 1)
    }

    fn finish(self) -> Vec<LogEvent> {
        drop(self.stop);
        self.thread.join().unwrap();
        self.notes.try_iter().collect()
    }
}

const ONE: &str = "11111111111111111111111111111111";
const TWO: &str = "22222222222222222222222222222222";
const THREE: &str = "33333333333333333333333333333333";
const FOUR: &str = "44444444444444444444444444444444";

#[test]
fn documents_are_taken_and_polls_say_which() {
    let (url, heads) = cloud(&[
        r#"200 {"version":"a","denylist":[{"session":"11111111111111111111111111111111"}]}"#,
        r#"200 {"version":"b","denylist":[{"session":"22222222222222222222222222222222"}],"parameters":{"parameters":[{"point":"request.ip"}]}}"#,
        "304 ",
    ]);
    let running = start(&url);
    running.wait_for(|running| running.denies(TWO) && !running.denies(ONE));
    running.wait_for(|running| running.region.generation() == 2);
    let (_, text) = running.region.read().unwrap();
    assert_eq!(CloudSettings::parse(&text).unwrap().params[0].name, "request.ip");
    running.wait_for(|_| heads.lock().len() > 3);
    assert_eq!(running.finish(), []);
    let heads = heads.lock();
    assert!(
        heads[0].starts_with("GET /v1/sync?node=a%20node&version=&wait=10&links=0 "),
        "{}",
        heads[0]
    );
    assert!(heads[3].contains("version=b&"), "{}", heads[3]);
    let lower = heads[0].to_lowercase();
    assert!(lower.contains("authorization: bearer secret-token"));
    assert!(lower.contains("api-sessions-counters: {\"records_sent_total\":7}"));
}

#[test]
fn parameters_that_are_wrong_stay_as_before_and_hold_back_no_denylist() {
    let (url, heads) = cloud(&[
        r#"200 {"version":"a","denylist":[{"session":"11111111111111111111111111111111"}],"parameters":{"parameters":[{"point":"request.ip"}]}}"#,
        r#"200 {"version":"b","denylist":[{"session":"22222222222222222222222222222222"}],"parameters":{"parameters":[{"point":"no.such"}]}}"#,
        "304 ",
    ]);
    let running = start(&url);
    running.wait_for(|_| heads.lock().len() > 3);
    assert!(running.denies(TWO) && !running.denies(ONE), "the denylist is in force");
    assert_eq!(running.region.generation(), 1);
    let (_, text) = running.region.read().unwrap();
    assert_eq!(CloudSettings::parse(&text).unwrap().params[0].name, "request.ip");
    let notes = running.finish();
    assert!(notes.len() == 1 && notes[0].text.contains("no.such"), "{notes:?}");
    let head = heads.lock()[3].to_lowercase();
    assert!(
        head.contains("version=b&") && head.contains("api-sessions-error: parameter \"no.such\""),
        "{head}"
    );
}

#[test]
fn a_denial_by_a_rule_that_was_taken_off_ends_and_no_other() {
    let (url, heads) = cloud(&[
        r#"200 {"version":"a","lifted":[{"session":"11111111111111111111111111111111","ts":500},{"session":"22222222222222222222222222222222","ts":500},{"session":"33333333333333333333333333333333","ts":500}],"lifted_addresses":[{"address":"192.0.2.4","ts":500},{"address":"192.0.2.5","ts":500}]}"#,
    ]);
    let directory = tempfile::tempdir().unwrap();
    let deny = testing::denylist(1 << 20).join(1, std::process::id());
    let journal = StateFile::new(directory.path(), deny, None);
    let region = testing::shared_config(MAX_PARAMETERS_BYTES);
    let running = start_beside(&url, region, deny, Some(journal));
    let deny = |session: &str, since, reason: &str| {
        let (session, reason) = (session.to_owned(), Some(reason.to_owned()));
        let entry = DenyEntry { session, since, reason, ..DenyEntry::default() };
        running.deny.insert(&entry, 1).unwrap();
    };
    // One denied by a rule again after the lift, one by an operator, one by a rule before the lift.
    deny(TWO, 600, "rule logins");
    deny(THREE, 400, "seen by hand");
    deny(FOUR, 400, "rule stuffing");
    deny(ONE, 400, "rule logins");
    running.wait_for(|running| !running.denies(ONE) && !running.denies(FOUR));
    let polls = heads.lock().len();
    running.wait_for(|_| heads.lock().len() > polls + 1);
    assert!(running.denies(TWO) && running.denies(THREE));
    // Whatever puts entries in force hears of both, and a restart does not bring them back.
    let mut lifted: Vec<_> = running.lifted.try_iter().map(|id| id.to_string()).collect();
    lifted.sort_unstable();
    assert_eq!(lifted, [ONE, FOUR]);
    let journal = std::fs::read_to_string(directory.path().join("denylist.journal")).unwrap();
    assert_eq!(journal.matches("remove").count(), 2, "{journal}");
    assert_eq!(running.finish(), []);
}

#[test]
fn what_was_taken_stays_while_the_cloud_is_away() {
    let (url, _) = cloud(&[
        r#"200 {"version":"a","denylist":[{"session":"11111111111111111111111111111111"}]}"#,
        "500 no",
        "200 garbage",
        "304 ",
    ]);
    let running = start(&url);
    running.wait_for(|running| running.denies(ONE));
    std::thread::sleep(Duration::from_millis(300));
    assert!(running.denies(ONE));
    let notes = running.finish();
    assert!(notes.iter().any(|note| note.text.contains("answered 500")), "{notes:?}");
    assert!(notes.iter().all(|note| !note.text.contains("secret-token")));
}

#[test]
fn a_document_that_could_not_be_written_just_then_is_asked_for_again() {
    let (url, heads) = cloud(&[
        r#"200 {"version":"a","denylist":[],"parameters":{"parameters":[{"point":"request.ip"}]}}"#,
    ]);
    let region = testing::shared_config(MAX_PARAMETERS_BYTES);
    let other = region.hold_as_publisher(std::process::id());
    let running = start_with(&url, region);
    running.wait_for(|_| !heads.lock().is_empty());
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(region.generation(), 0);
    drop(other);
    running.wait_for(|running| running.region.generation() == 1);
    let notes = running.finish();
    assert!(notes.iter().any(|note| note.text.contains("is publishing")), "{notes:?}");
}

#[test]
fn links_alone_leave_all_else_as_it_is() {
    let (url, heads) = cloud(&[
        r#"200 {"version":"a","denylist":[{"session":"11111111111111111111111111111111"}],"links_to":4}"#,
        r#"200 {"version":"a","links_to":6,"links":[{"alias":"22222222222222222222222222222222","session":"33333333333333333333333333333333"},{"alias":"44444444444444444444444444444444"}]}"#,
        "304 ",
    ]);
    let running = start(&url);
    running.wait_for(|_| heads.lock().len() > 3);
    let [two, three, four] = [TWO, THREE, FOUR].map(|id| id.parse::<SessionId>().unwrap());
    assert_eq!(running.linked.try_recv(), Ok(vec![(two, Some(three)), (four, None)]));
    assert!(running.denies(ONE));
    assert_eq!(running.finish(), []);
    let heads = heads.lock();
    assert!(heads[1].contains("version=a&wait=10&links=4 "), "{}", heads[1]);
    assert!(heads[2].contains("version=a&wait=10&links=6 "), "{}", heads[2]);
}

#[test]
fn a_bad_link_takes_none_is_reported_and_comes_once() {
    let (url, heads) = cloud(&[
        r#"200 {"version":"a","denylist":[{"session":"11111111111111111111111111111111"}],"links_to":4}"#,
        r#"200 {"version":"a","links_to":6,"links":[{"alias":"22222222222222222222222222222222","session":"33333333333333333333333333333333"},{"alias":"4444"}]}"#,
        "304 ",
    ]);
    let running = start(&url);
    running.wait_for(|_| heads.lock().len() > 3);
    assert!(running.linked.try_recv().is_err() && running.denies(ONE));
    let notes = running.finish();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].text.contains("a link: a session id is 32"), "{}", notes[0].text);
    let heads = heads.lock();
    assert!(heads[2].contains("version=a&wait=10&links=6 "), "{}", heads[2]);
    assert!(heads[2].to_lowercase().contains("a link: a session id is 32"), "{}", heads[2]);
}

#[test]
fn links_that_the_worker_has_no_room_for_come_again() {
    let (url, heads) = cloud(&[
        r#"200 {"version":"a","links_to":4,"links":[{"alias":"44444444444444444444444444444444"}]}"#,
    ]);
    // Each answer contains links, since each poll asks for the same ones until the worker takes them: it takes two.
    let running = start(&url);
    running.wait_for(|_| heads.lock().len() > 3);
    running.wait_for(|running| running.linked.len() == 2);
    running.linked.try_iter().for_each(drop);
    running.wait_for(|running| !running.linked.is_empty());
    running.finish();
}
