use api_sessions_extract::CloudSettings;
use api_sessions_key_facts::{BAD_WINDOWS, CLEAN_WINDOWS, KeyFacts, KeyLine, Seen, Verdict};
use api_sessions_shm::testing;

use super::*;

const LENGTH: u64 = 1000;
/// Time for which a window of that length stays open after its end, and a bit.
const GRACE: u64 = 3000;

fn shared_of(mailbox_bytes: usize, capacity: usize) -> SharedVerdicts {
    SharedVerdicts {
        mailbox: testing::mailbox(mailbox_bytes),
        standings: testing::shared_config(capacity),
        settings: testing::shared_config(capacity),
    }
}

fn shared() -> SharedVerdicts {
    shared_of(1 << 20, 64 << 10)
}

fn worker() -> KeyVerdicts {
    KeyVerdicts::new(std::process::id())
}

fn window_of(
    number: u64,
    application: &str,
    kind: Kind,
    key: &str,
    facts: KeyFacts,
) -> WindowFacts {
    WindowFacts {
        start: number * LENGTH,
        length: LENGTH,
        application: ApplicationFacts {
            name: application.to_owned(),
            requests: facts.present,
            report: false,
            keys: vec![KeyLine { kind, name: key.to_owned(), facts }],
        },
    }
}

/// What a worker sees of a key in a window: clients `from..to`, each in a network of its own, of which all have the
/// same value, or each one of its own.
fn clients(clients: std::ops::Range<u32>, is_shared: bool) -> KeyFacts {
    let mut facts = KeyFacts::default();
    for client in clients {
        let value = if is_shared { 7 } else { 1000 + client };
        for endpoint in 1..3 {
            let moment = endpoint;
            let client = 100 + client;
            facts.add(&Seen { client, network: client, moment, user: 0, endpoint }, value);
        }
    }
    facts
}

fn window(number: u64, part: std::ops::Range<u32>, is_shared: bool) -> WindowFacts {
    window_of(number, "shop", Kind::Builtin, "X-API-Key", clients(part, is_shared))
}

/// A time at which the window is closed.
fn after(window: u64) -> u64 {
    (window + 1) * LENGTH + GRACE
}

/// The demoted keys, as all workers read them.
fn demoted(shared: SharedVerdicts) -> Vec<String> {
    let Some((_, text)) = shared.settings.read() else { return Vec::new() };
    let settings = CloudSettings::parse(&text).unwrap();
    assert!(settings.keys.is_empty() && settings.params.is_empty() && settings.rules.is_empty());
    settings.demoted.into_iter().map(|(application, _)| application).collect()
}

#[test]
fn a_key_that_no_worker_alone_finds_shared_is_demoted_after_two_windows_and_back_after_144() {
    let (shared, mut first, mut second) = (shared(), worker(), worker());
    let mut pass = |number: u64, is_shared: bool| {
        // A value that is shared has eight clients, and a window is good with twenty.
        let (half, all) = if is_shared { (4, 8) } else { (12, 24) };
        second.once_a_second(shared, vec![window(number, half..all, is_shared)], None);
        first.once_a_second(shared, vec![window(number, 0..half, is_shared)], Some(after(number)))
    };
    assert!(pass(0, true).is_empty());
    assert_eq!((demoted(shared), shared.settings.generation()), (vec![], 0));
    let notes = pass(1, true);
    assert_eq!(notes.len(), 1);
    assert!(notes[0].text.contains("X-API-Key is shared in application \"shop\""), "{notes:?}");
    assert_eq!(demoted(shared), ["shop"]);
    let bad = shared.bad();
    assert_eq!((bad.len(), bad[0].verdict, bad[0].demoted), (1, Verdict::Shared, true));
    let last = u64::from(BAD_WINDOWS + CLEAN_WINDOWS) - 1;
    for number in 2..last {
        assert!(pass(number, false).is_empty(), "{number}");
    }
    assert_eq!(demoted(shared), ["shop"]);
    assert_eq!(pass(last, false).len(), 1);
    assert_eq!((demoted(shared), shared.bad()), (vec![], vec![]));
    // Windows alone do not make workers read their settings again.
    assert_eq!(shared.settings.generation(), 2);
}

#[test]
fn facts_of_two_workers_were_judged_apart() {
    let (shared, mut first, mut second) = (shared(), worker(), worker());
    for number in 0..3 {
        // 24 clients in all, each with eight values in an hour if both parts are seen.
        let part = |from| {
            let mut facts = KeyFacts::default();
            for client in 1..25 {
                for value in from..from + 4 {
                    let value = number as u32 * 10_000 + client * 100 + value;
                    facts.add(
                        &Seen { client, network: client, moment: 1, user: 0, endpoint: 1 },
                        value,
                    );
                }
            }
            window_of(number, "shop", Kind::Builtin, "X-Session-Id", facts)
        };
        second.once_a_second(shared, vec![part(0)], None);
        first.once_a_second(shared, vec![part(50)], Some(after(number)));
        assert_eq!(shared.bad().is_empty(), number == 0, "{number}");
    }
    assert_eq!(shared.bad()[0].verdict, Verdict::Volatile);
}

#[test]
fn a_reload_forgot_what_stood_and_what_was_not_judged_yet() {
    let shared = shared();
    let mut first = worker();
    first.once_a_second(shared, vec![window(0, 0..24, true)], Some(after(0)));
    // It exits before the second window is closed, and the other worker later.
    first.once_a_second(shared, vec![window(1, 0..12, true)], Some(2 * LENGTH));
    let mut other = worker();
    first.end(shared, Vec::new());
    let mut next = worker();
    next.once_a_second(shared, Vec::new(), Some(2 * LENGTH));
    other.once_a_second(shared, Vec::new(), None);
    other.end(shared, vec![window(1, 12..24, true)]);
    next.once_a_second(shared, Vec::new(), Some(after(1)));
    assert_eq!(demoted(shared), ["shop"]);
    // Killed: its successor has only what is shared.
    drop(next);
    let mut last = worker();
    last.once_a_second(shared, vec![window(2, 0..24, false)], Some(after(2)));
    assert_eq!((demoted(shared), shared.bad().len()), (vec!["shop".to_owned()], 1));
}

#[test]
fn a_judge_that_may_exit_hands_over_and_the_next_one_does_not_judge_a_window_twice() {
    let (shared, mut first, mut next) = (shared(), worker(), worker());
    next.once_a_second(shared, Vec::new(), Some(0));
    first.once_a_second(shared, vec![window(0, 0..24, true)], Some(after(0)));
    first.once_a_second(shared, vec![window(1, 0..24, true)], None);
    // Late facts of the window that the first judge has closed.
    next.once_a_second(shared, vec![window(0, 0..24, true)], Some(after(0)));
    assert_eq!((demoted(shared), shared.bad()), (vec![], vec![]));
    next.once_a_second(shared, Vec::new(), Some(after(1)));
    assert_eq!(demoted(shared), ["shop"]);
}

#[test]
fn facts_without_room_were_lost() {
    let len = {
        let mut line = Vec::new();
        window(0, 0..24, true).write_line(&mut line);
        line.len()
    };
    // Room for one.
    let shared = shared_of(len * 3 / 2, 64 << 10);
    let (mut first, mut second) = (worker(), worker());
    for number in 0..2 {
        let names = ["X-API-Key", "X-Auth-Token", "X-Access-Token"];
        let windows =
            names.map(|name| window_of(number, "shop", Kind::Builtin, name, clients(0..24, true)));
        second.once_a_second(shared, windows.into(), None);
        for _ in 0..3 {
            second.once_a_second(shared, Vec::new(), None);
            first.once_a_second(shared, Vec::new(), Some((number + 1) * LENGTH));
        }
        first.once_a_second(shared, Vec::new(), Some(after(number)));
    }
    assert_eq!(shared.bad().len(), 3);
}

#[test]
fn keys_of_the_operator_and_reported_ones_are_told_and_used() {
    let (shared, mut first) = (shared(), worker());
    let mut notes = Vec::new();
    for number in 0..4 {
        let mut reported = window(number, 0..24, true);
        reported.application.report = true;
        let own = window_of(number, "blog", Kind::Own, "tenant", clients(0..24, true));
        let ip = window_of(number, "blog", Kind::Ip, "ip", clients(0..24, true));
        notes.extend(first.once_a_second(shared, vec![reported, own, ip], Some(after(number))));
    }
    let [note] = &notes[..] else { panic!("once, not {notes:?}") };
    let said = "session_key \"tenant\" is shared in application \"blog\"";
    assert!(note.text.starts_with(said), "{note:?}");
    assert_eq!(shared.settings.generation(), 0);
    let bad: Vec<_> =
        shared.bad().into_iter().map(|it| (it.application, it.key, it.demoted)).collect();
    let told = |application: &str, key: &str| (application.to_owned(), key.to_owned(), false);
    assert_eq!(bad, [told("blog", "tenant"), told("shop", "X-API-Key")]);
}

#[test]
fn many_applications_left_no_room_for_a_bad_verdict() {
    let (shared, mut first) = (shared_of(4 << 20, 2048), worker());
    for number in 0..2 {
        let mut windows = vec![window(number, 0..24, true)];
        for other in 0..60 {
            let name = format!("a-{other}");
            let facts = clients(0..24, false);
            windows.push(window_of(number, &name, Kind::Builtin, "X-API-Key", facts));
        }
        first.once_a_second(shared, windows, Some(number * LENGTH));
        first.once_a_second(shared, Vec::new(), Some(number * LENGTH));
        first.once_a_second(shared, Vec::new(), Some(after(number)));
    }
    assert_eq!((demoted(shared), shared.bad().len()), (vec!["shop".to_owned()], 1));
}

#[test]
fn while_another_process_publishes_a_verdict_waits() {
    let (shared, mut first) = (shared(), worker());
    first.once_a_second(shared, vec![window(0, 0..24, true)], Some(after(0)));
    let busy = shared.settings.hold_as_publisher(std::process::id());
    first.once_a_second(shared, vec![window(1, 0..24, true)], Some(after(1)));
    assert!(demoted(shared).is_empty());
    drop(busy);
    first.once_a_second(shared, Vec::new(), Some(after(1)));
    assert_eq!(demoted(shared), ["shop"]);
}

#[test]
fn a_clock_that_was_set_back_before_a_reload_ended_all_verdicts() {
    let shared = shared();
    let mut ahead = worker();
    ahead.once_a_second(shared, vec![window(1_000_000, 0..24, false)], Some(after(1_000_000)));
    drop(ahead);
    let mut first = worker();
    // What is over by then counts as judged.
    for number in 0..3 {
        first.once_a_second(shared, vec![window(number, 0..24, true)], Some(after(number)));
    }
    assert_eq!(demoted(shared), ["shop"]);
}

#[test]
fn a_judge_whose_zones_were_replaced_never_judged_again() {
    let mut first = worker();
    // Without a master, the one process outlives a reload that leaves the zones out for a while.
    for (zones, numbers) in [(shared(), 0..2), (shared(), 2..4)] {
        for number in numbers {
            first.once_a_second(zones, vec![window(number, 0..24, true)], Some(after(number)));
        }
        assert_eq!(demoted(zones), ["shop"]);
    }
}
