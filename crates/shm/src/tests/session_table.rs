//! Counts, times and eviction of sessions.

use std::collections::HashMap;
use std::thread;

use api_sessions_protocol::{SessionId, Source};
use proptest::prelude::*;

use super::zone::Zone;
use crate::session_table::layout::WAYS;
use crate::{
    AttachError, Attached, RequestEnd, RequestStart, SessionCounters, SessionTable, Snapshot,
    TableStats,
};

const INACTIVE: u64 = 1000;

pub(super) fn id(number: u64) -> SessionId {
    let mut id = [7; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    SessionId(id)
}

pub(super) fn from(client: u8) -> RequestStart {
    let mut ip = [0; 16];
    ip[10..].copy_from_slice(&[0xff, 0xff, 192, 0, 2, client]);
    RequestStart { ip, ..RequestStart::default() }
}

fn stats(table: &SessionTable) -> TableStats {
    table.stats()
}

#[test]
fn a_zone_is_initialised_once() {
    let zone = Zone::of_sets(2);
    let (table, attached) = zone.attach(INACTIVE).unwrap();
    assert_eq!(attached, Attached::Fresh);
    assert_eq!(table.stats().capacity, 2 * WAYS as u64);
    let secret = table.zone_secret();
    assert_ne!(secret, [0; 32]);
    table.join(0, 1).count(id(1), 5, &from(1)).unwrap();

    let (again, attached) = zone.attach(INACTIVE).unwrap();
    assert_eq!(attached, Attached::Existing);
    assert_eq!(again.zone_secret(), secret);
    assert_eq!(again.get(id(1), 5).unwrap().requests, 1);
    assert!(matches!(zone.attach_shorter(), Err(AttachError::OtherSize { .. })));
}

#[test]
fn a_region_that_is_too_small_is_refused() {
    assert!(matches!(Zone::new(4096).attach(1), Err(AttachError::TooSmall { given: 4096, .. })));
}

#[test]
fn two_zones_differ() {
    let (one, two) = (Zone::of_sets(1), Zone::of_sets(1));
    let (one, two) = (one.attach(1).unwrap().0, two.attach(1).unwrap().0);
    assert_ne!(one.zone_secret(), two.zone_secret());
    assert_ne!(one.text_hash(b"shop"), two.text_hash(b"shop"));
}

#[test]
fn a_request_is_counted_and_its_outcome_recorded() {
    let zone = Zone::of_sets(2);
    let table = zone.attach(INACTIVE).unwrap().0;
    let worker = table.join(0, 1);
    let first = worker.count(id(1), 100, &from(1)).unwrap();
    assert_eq!(first, SessionCounters { requests: 1, first_seen_ms: 100, attacks: 0 });
    assert!(!table.get(id(1), 100).unwrap().confirmed);
    let outcome = RequestEnd {
        arrival: from(2),
        status: 404,
        attacks: 2,
        denied: true,
        bytes_in: 10,
        bytes_out: 20,
        user_hash: 5,
        user: b"anna",
        ..RequestEnd::default()
    };
    worker.record_outcome(id(1), 150, &outcome).unwrap();
    let last =
        worker.record_outcome(id(1), 160, &RequestEnd { status: 502, count: true, ..outcome });
    assert_eq!(last, Some(SessionCounters { requests: 2, first_seen_ms: 100, attacks: 4 }));
    let session = table.get(id(1), 160).unwrap();
    let expected = Snapshot {
        first_seen_ms: 100,
        last_seen_ms: 160,
        requests: 2,
        client_errors: 1,
        server_errors: 1,
        attacks: 4,
        denied: 2,
        bytes_in: 20,
        bytes_out: 40,
        ip: from(2).ip,
        user_hash: 5,
        confirmed: true,
        ..session
    };
    assert_eq!(session, expected);
    assert_eq!(session.user(), b"anna");
    assert_eq!(table.get(id(2), 160), None);
}

#[test]
fn a_text_that_fits_again_was_still_flagged_as_truncated() {
    let zone = Zone::of_sets(1);
    let table = zone.attach(INACTIVE).unwrap().0;
    let worker = table.join(0, 1);
    // The table keeps the same bytes of both roles.
    for (role, is_cut) in [(&b"administrator"[..], true), (b"administ", false)] {
        worker.record_outcome(id(1), 1, &RequestEnd { role, ..RequestEnd::default() }).unwrap();
        let session = table.get(id(1), 1).unwrap();
        assert_eq!((session.role(), session.text_cut), (&b"administ"[..], is_cut));
    }
}

#[test]
fn the_clock_may_differ_between_workers_and_may_be_set() {
    let zone = Zone::of_sets(1);
    let table = zone.attach(u64::MAX).unwrap().0;
    let worker = table.join(0, 1);
    for (now, last_seen) in [(1_000_000, 1_000_000), (999_000, 1_000_000), (500_000, 500_000)] {
        worker.count(id(1), now, &from(1)).unwrap();
        assert_eq!(table.get(id(1), now).unwrap().last_seen_ms, last_seen);
    }
}

#[test]
fn an_idle_session_starts_over() {
    let zone = Zone::of_sets(1);
    let table = zone.attach(INACTIVE).unwrap().0;
    let worker = table.join(0, 1);
    worker.count(id(1), 100, &from(1)).unwrap();
    assert_eq!(worker.count(id(1), 1100, &from(1)).unwrap().requests, 2);
    assert_eq!(table.get(id(1), 2101), None);
    let again = worker.count(id(1), 2101, &from(1)).unwrap();
    assert_eq!((again.requests, again.first_seen_ms), (1, 2101));
    assert!(!table.get(id(1), 2101).unwrap().confirmed);
    let stats = stats(&table);
    assert_eq!((stats.created, stats.evicted_idle, stats.in_use), (2, 1, 1));
}

#[test]
fn a_request_of_another_session_leaves_no_trace() {
    let zone = Zone::of_sets(1);
    let table = zone.attach(INACTIVE).unwrap().0;
    let worker = table.join(0, 1);
    worker.count(id(1), 100, &from(1)).unwrap();
    worker.undo_count(id(1));
    assert_eq!(table.get(id(1), 100), None);
    worker.count(id(2), 100, &from(1)).unwrap();
    worker.count(id(2), 100, &from(1)).unwrap();
    worker.undo_count(id(2));
    assert_eq!(table.get(id(2), 100).unwrap().requests, 1);
    worker.undo_count(id(3));
    assert_eq!((stats(&table).in_use, stats(&table).undone), (1, 1));
}

#[test]
fn idle_goes_first_then_provisional_then_the_least_recently_used() {
    let zone = Zone::of_sets(1);
    let table = zone.attach(INACTIVE).unwrap().0;
    let worker = table.join(0, 1);
    let ways = WAYS as u64;
    // Each has a client of its own; 0 is idle, 1 to 12 are confirmed in this order, 13 and 14 are provisional.
    worker
        .record_outcome(id(0), 0, &RequestEnd { confirmed: true, ..RequestEnd::default() })
        .unwrap();
    for session in 1..ways {
        let arrival = from(session as u8);
        let outcome = RequestEnd { arrival, confirmed: session < 13, ..RequestEnd::default() };
        worker.record_outcome(id(session), 900, &outcome).unwrap();
    }
    let gone = |table: &SessionTable, now| -> Vec<u64> {
        (0..ways).filter(|session| table.get(id(*session), now).is_none()).collect()
    };
    let confirm = |number: u64| {
        let arrival = from(number as u8);
        let outcome = RequestEnd { arrival, confirmed: true, ..RequestEnd::default() };
        worker.record_outcome(id(number), 1001, &outcome).unwrap();
    };
    confirm(100);
    assert_eq!((gone(&table, 1001), stats(&table).evicted_idle), (vec![0], 1));
    confirm(101);
    assert_eq!(gone(&table, 1001), [0, 13]);
    confirm(102);
    assert_eq!((gone(&table, 1001), stats(&table).evicted_provisional), (vec![0, 13, 14], 2));
    worker.count(id(1), 1001, &from(1)).unwrap();
    confirm(103);
    assert_eq!((gone(&table, 1001), stats(&table).evicted_live), (vec![0, 2, 13, 14], 1));
    assert_eq!(stats(&table).in_use, ways);
}

#[test]
fn a_client_with_its_share_of_a_set_replaces_its_own_sessions() {
    let zone = Zone::of_sets(1);
    let table = zone.attach(INACTIVE).unwrap().0;
    let worker = table.join(0, 1);
    // The flood confirms each id with a second request.
    for session in 0..12 {
        let arrival = from(session as u8);
        let end = RequestEnd { arrival, confirmed: true, ..RequestEnd::default() };
        worker.record_outcome(id(session), 1, &end);
    }
    for session in 1000..if cfg!(miri) { 1040 } else { 3000 } {
        worker.count(id(session), 2, &from(99)).unwrap();
        worker.count(id(session), 2, &from(99)).unwrap();
    }
    for session in 0..12 {
        assert!(table.get(id(session), 2).is_some(), "{session}");
    }
}

#[test]
fn workers_count_exactly() {
    // No more sessions than one set holds: none is evicted, whatever the table's key.
    let (threads, rounds, sessions) =
        if cfg!(miri) { (3, 40, 8) } else { (4, 20_000, WAYS as u64) };
    let zone = Zone::of_sets(8);
    let table = zone.attach(INACTIVE).unwrap().0;
    let missed: u64 = thread::scope(|scope| {
        let count = |slot: u16| {
            let worker = table.join(slot, std::process::id());
            let counted = |round| worker.count(id(round % sessions), 1, &from(slot as u8));
            (0..rounds).filter(|round| counted(*round).is_none()).count() as u64
        };
        let all: Vec<_> = (0..threads).map(|slot| scope.spawn(move || count(slot))).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let all: u64 = (0..sessions).map(|session| table.get(id(session), 1).unwrap().requests).sum();
    assert_eq!(all + missed, rounds * u64::from(threads));
    assert_eq!(stats(&table).lock_busy, missed);
    assert_eq!(stats(&table).in_use, sessions);
}

#[derive(Debug, Clone)]
enum Step {
    Count(u64, RequestStart),
    Undo(u64),
    Outcome(u64, RequestEnd<'static>),
    Pass(u64),
}

/// Few addresses and applications, so that they often stay the same and often change.
fn arrival() -> impl Strategy<Value = RequestStart> {
    let source = prop_oneof![Just(Source::Ip), Just(Source::IpUa), Just(Source::Key)];
    (0..3u8, 0..3u64, source).prop_map(|(client, application_hash, source)| RequestStart {
        source,
        application_hash,
        ..from(client)
    })
}

fn outcome() -> impl Strategy<Value = RequestEnd<'static>> {
    let text = || prop_oneof![2 => Just(&b""[..]), 1 => Just(&b"anna"[..]), 1 => Just(&b"b"[..])];
    let most = || prop_oneof![0..3u32, Just(u32::MAX)];
    (
        (arrival(), any::<bool>(), any::<bool>(), 200..600u16, any::<bool>()),
        (any::<u64>(), 0..1000u64, most(), 0..3u64, text(), text()),
    )
        .prop_map(|((arrival, count, confirmed, status, denied), rest)| {
            let (bytes_in, bytes_out, attacks, user_hash, user, role) = rest;
            RequestEnd {
                arrival,
                count,
                confirmed,
                status,
                attacks,
                detected: false,
                denied,
                bytes_in,
                bytes_out,
                user_hash,
                user,
                role,
            }
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..12u64, arrival()).prop_map(|(session, arrival)| Step::Count(session, arrival)),
        (0..12u64).prop_map(Step::Undo),
        (0..12u64, outcome()).prop_map(|(session, outcome)| Step::Outcome(session, outcome)),
        (0..700u64).prop_map(Step::Pass),
    ]
}

/// The model: how a request changes a session.
fn add(session: &mut Snapshot, arrival: &RequestStart, outcome: Option<&RequestEnd<'_>>) {
    let counts = outcome.is_none_or(|outcome| outcome.count || session.requests == 0);
    session.requests += u64::from(counts);
    session.confirmed |= session.requests > 1;
    session.source = arrival.source;
    session.application_hash = arrival.application_hash;
    session.identify(arrival, outcome);
    let Some(outcome) = outcome else { return };
    session.confirmed |= outcome.confirmed;
    session.client_errors += u32::from(outcome.status / 100 == 4);
    session.server_errors += u32::from(outcome.status / 100 == 5);
    session.attacks = session.attacks.saturating_add(outcome.attacks);
    session.denied += u32::from(outcome.denied);
    session.bytes_in = session.bytes_in.saturating_add(outcome.bytes_in);
    session.bytes_out += outcome.bytes_out;
}

proptest! {
    #![proptest_config(crate::testing::proptest_config())]

    /// Twelve sessions fit in one set: nothing is evicted, and the table behaves like a map.
    #[test]
    fn it_behaves_like_a_map(steps in proptest::collection::vec(step(), 0..if cfg!(miri) { 20 } else { 300 })) {
        let zone = Zone::of_sets(1);
        let table = zone.attach(INACTIVE).unwrap().0;
        let worker = table.join(9, 1);
        let mut model: HashMap<u64, Snapshot> = HashMap::new();
        let mut now = 1;
        for step in steps {
            let mut count = |number: u64, now: u64, arrival: &RequestStart, outcome: Option<&RequestEnd<'_>>| {
                let known = model.get(&number).copied().filter(|known| now - known.last_seen_ms <= INACTIVE);
                let mut session = known.unwrap_or_else(|| Snapshot::new(now));
                session.last_seen_ms = now;
                add(&mut session, arrival, outcome);
                model.insert(number, session);
                let Snapshot { first_seen_ms, requests, attacks, .. } = session;
                Some(SessionCounters { first_seen_ms, requests, attacks })
            };
            match step {
                Step::Pass(ms) => now += ms,
                Step::Count(number, arrival) => {
                    let expected = count(number, now, &arrival, None);
                    prop_assert_eq!(worker.count(id(number), now, &arrival), expected);
                }
                Step::Outcome(number, outcome) => {
                    let expected = count(number, now, &outcome.arrival, Some(&outcome));
                    prop_assert_eq!(worker.record_outcome(id(number), now, &outcome), expected);
                }
                Step::Undo(number) => {
                    worker.undo_count(id(number));
                    if let Some(known) = model.get_mut(&number) {
                        known.requests -= 1;
                        if known.requests == 0 {
                            model.remove(&number);
                        }
                    }
                }
            }
            for number in 0..12 {
                let known = model.get(&number).copied().filter(|known| now - known.last_seen_ms <= INACTIVE);
                prop_assert_eq!(table.get(id(number), now), known);
            }
            prop_assert_eq!(table.stats().in_use, model.len() as u64);
        }
    }
}
