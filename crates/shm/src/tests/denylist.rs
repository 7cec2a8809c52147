//! The denylist behaves like a map of sessions, whatever writers do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use api_sessions_protocol::{DenyEntry, SessionId};
use proptest::prelude::*;

use super::zone::Zone;
use crate::{AttachError, Attached, DenyError, Denylist, EntryOrigin};

fn id(number: u64) -> SessionId {
    SessionId(u128::from(number).to_be_bytes())
}

fn entry(number: u64) -> DenyEntry {
    DenyEntry { session: id(number).to_string(), since: 1, ..DenyEntry::default() }
}

fn listed(list: &Denylist, now: u64) -> BTreeMap<(String, bool), DenyEntry> {
    let mut all = BTreeMap::new();
    list.list(now, &mut |entry, origin| {
        all.insert((entry.session.clone(), origin == EntryOrigin::Local), entry);
    });
    all
}

fn small() -> Zone {
    Zone::new(64 << 10)
}

#[test]
fn an_entry_is_applied_and_listed_in_full() {
    let zone = small();
    let (list, attached) = zone.attach_denylist().unwrap();
    assert_eq!(attached, Attached::Fresh);
    let writer = list.join(0, 1);
    let denied = DenyEntry {
        until: Some(100),
        applications: vec!["shop".into(), "api".into()],
        reason: Some("scraping".into()),
        by: Some("anna".into()),
        ..entry(1)
    };
    assert!(!list.lookup(&id(1), b"shop", 1));
    writer.insert(&denied, 1).unwrap();
    let (again, attached) = zone.attach_denylist().unwrap();
    assert_eq!(attached, Attached::Existing);
    for (application, now, expected) in [
        (&b"shop"[..], 99, true),
        (b"api", 99, true),
        (b"other", 99, false),
        (b"", 99, false),
        (b"shop", 100, false),
    ] {
        assert_eq!(again.lookup(&id(1), application, now), expected, "{application:?} {now}");
    }
    assert!(!list.lookup(&id(2), b"shop", 1));
    assert_eq!(listed(&list, 99).into_values().collect::<Vec<_>>(), [denied]);
    assert!(listed(&list, 100).is_empty());
    assert_eq!(writer.remove(&id(1), EntryOrigin::Local), Ok(true));
    assert_eq!(writer.remove(&id(1), EntryOrigin::Local), Ok(false));
    assert!(!list.lookup(&id(1), b"shop", 1));
    assert_eq!((list.stats().entries, list.stats().text_in_use), (0, 0));
}

#[test]
fn a_document_replaces_the_entries_of_the_cloud_and_no_others() {
    let zone = small();
    let list = zone.attach_denylist().unwrap().0;
    let writer = list.join(0, 1);
    writer.insert(&entry(1), 1).unwrap();
    let denied = |expected: [bool; 4]| {
        let found: Vec<bool> = (1..5).map(|number| list.lookup(&id(number), b"", 2)).collect();
        assert_eq!(found, expected);
    };
    let summary = writer.replace_from_cloud(&[entry(1), entry(2), entry(3)]).unwrap();
    assert_eq!((summary.applied, summary.removed, summary.rejected), (3, 0, 0));
    denied([true, true, true, false]);
    let bad = DenyEntry { session: "x".into(), ..DenyEntry::default() };
    let summary = writer.replace_from_cloud(&[entry(3), bad, entry(4)]).unwrap();
    assert_eq!((summary.applied, summary.removed, summary.rejected), (2, 2, 1));
    denied([true, false, true, true]);
    writer.remove(&id(1), EntryOrigin::Local).unwrap();
    denied([false, false, true, true]);
    // Marks wrap around.
    for _ in 0..if cfg!(miri) { 1 } else { 70_000 } {
        writer.replace_from_cloud(&[entry(4)]).unwrap();
    }
    denied([false, false, false, true]);
    assert_eq!(list.stats().entries, 1);
}

#[test]
#[cfg(not(miri))] // large
fn eight_megabytes_hold_a_hundred_thousand_entries() {
    // Less than the slab allocator leaves of an "8m" zone, and less than 8,000,000 bytes.
    let zone = Zone::new(7_900_000);
    let list = zone.attach_denylist().unwrap().0;
    let writer = list.join(0, 1);
    for number in 0..100_000 {
        let until = (number % 2 == 0).then_some(10);
        writer.insert(&DenyEntry { until, ..entry(number) }, 1).unwrap();
    }
    assert!((0..100_000).all(|number| list.lookup(&id(number), b"", 1)));
    assert!(!(100_000..200_000).any(|number| list.lookup(&id(number), b"", 1)));
    let capacity = list.stats().capacity;
    (100_000..capacity).for_each(|number| writer.insert(&entry(number), 1).unwrap());
    assert_eq!(writer.insert(&entry(capacity), 9), Err(DenyError::Full));
    // Expired entries make room.
    writer.insert(&entry(capacity), 10).unwrap();
    assert_eq!(list.stats().entries, capacity - 50_000 + 1);

    // A new document fits even though it would not next to the old one.
    for number in 0..=capacity {
        writer.remove(&id(number), EntryOrigin::Local).unwrap();
    }
    let document = |from: u64| -> Vec<_> { (from..from + 100_000).map(entry).collect() };
    assert_eq!(writer.replace_from_cloud(&document(0)).unwrap().applied, 100_000);
    let summary = writer.replace_from_cloud(&document(50_000)).unwrap();
    assert_eq!((summary.applied, summary.removed, summary.rejected), (100_000, 50_000, 0));
    assert!((50_000..150_000).all(|number| list.lookup(&id(number), b"", 1)));
}

#[test]
fn a_session_is_denied_even_if_its_reason_does_not_fit() {
    let zone = Zone::new(16 << 10);
    let list = zone.attach_denylist().unwrap().0;
    let writer = list.join(0, 1);
    for number in 0..list.stats().capacity {
        let reason = Some("r".repeat(200));
        writer.insert(&DenyEntry { reason, ..entry(number) }, 1).unwrap();
    }
    assert!((0..list.stats().capacity).all(|number| list.lookup(&id(number), b"", 1)));
    assert!(listed(&list, 1).values().any(|entry| entry.reason.is_some()));
    assert!(listed(&list, 1).values().any(|entry| entry.reason.is_none()));
}

#[test]
fn invalid_regions_and_entries_are_refused() {
    assert!(matches!(Zone::new(8192).attach_denylist(), Err(AttachError::TooSmall { .. })));
    let zone = small();
    let writer = zone.attach_denylist().unwrap().0.join(0, 1);
    let many = DenyEntry { applications: vec!["a".into(); 17], ..entry(1) };
    assert_eq!(writer.insert(&many, 1), Err(DenyError::TooManyApplications));
    assert!(matches!(
        zone.attach(1),
        Err(AttachError::TooSmall { .. } | AttachError::OtherLayout { .. })
    ));
}

/// A reader never misses an entry that is constantly replaced while others come and go.
#[test]
fn readers_see_the_old_or_the_new_entry() {
    let rounds = if cfg!(miri) { 30 } else { 30_000 };
    // A single lot: long chains, and free cells are reused at once.
    let zone = Zone::new(13 << 10);
    let list = zone.attach_denylist().unwrap().0;
    let writer = list.join(0, std::process::id());
    let with = |number: u64, name: &str| DenyEntry {
        applications: vec![name.into(), "all".into()],
        ..entry(number)
    };
    (0..8).for_each(|number| writer.insert(&with(number, "a"), 1).unwrap());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let read = || {
            let mut reads = 0u64;
            while !done.load(Ordering::Relaxed) {
                for number in 0..8 {
                    assert!(list.lookup(&id(number), b"all", 1));
                    assert!(!list.lookup(&id(number), b"none", 1));
                }
                assert!(listed(&list, 1).len() >= 8);
                reads += 1;
            }
            assert!(reads > 0);
        };
        scope.spawn(read);
        scope.spawn(read);
        for round in 0..rounds {
            let name = if round % 2 == 0 { "b" } else { "a longer name than before" };
            writer.insert(&with(round % 8, name), 1).unwrap();
            writer.insert(&entry(100 + round % 20), 1).unwrap();
            writer.remove(&id(100 + (round + 7) % 20), EntryOrigin::Local).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[derive(Debug, Clone)]
enum Step {
    Insert(DenyEntry),
    Remove(u64, bool),
    Sync(Vec<DenyEntry>),
    Purge,
    Pass(u64),
}

fn any_entry() -> impl Strategy<Value = DenyEntry> {
    let text = || proptest::option::of("[a-zé]{1,30}");
    let names = proptest::collection::vec("[ab]{0,2}", 0..4);
    (0..20u64, 0..9u64, proptest::option::of(1..50u64), names, text(), text()).prop_map(
        |(number, since, until, applications, reason, by)| DenyEntry {
            since,
            until,
            applications,
            reason,
            by,
            ..entry(number)
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any_entry().prop_map(Step::Insert),
        2 => (0..20u64, any::<bool>()).prop_map(|(number, local)| Step::Remove(number, local)),
        1 => proptest::collection::vec(any_entry(), 0..10).prop_map(Step::Sync),
        1 => Just(Step::Purge),
        1 => (0..20u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(crate::testing::proptest_config())]

    #[test]
    fn it_behaves_like_two_maps(steps in proptest::collection::vec(step(), 0..if cfg!(miri) { 10 } else { 60 })) {
        let zone = Zone::new(64 << 10);
        let list = zone.attach_denylist().unwrap().0;
        let writer = list.join(0, 1);
        let mut model: BTreeMap<(String, bool), DenyEntry> = BTreeMap::new();
        let mut now = 1;
        for step in steps {
            match step {
                Step::Pass(ms) => now += ms,
                Step::Purge => { writer.purge(now); }
                Step::Insert(entry) => {
                    writer.insert(&entry, now).unwrap();
                    model.insert((entry.session.clone(), true), entry);
                }
                Step::Remove(number, local) => {
                    let origin = if local { EntryOrigin::Local } else { EntryOrigin::Cloud };
                    writer.remove(&id(number), origin).unwrap();
                    model.remove(&(id(number).to_string(), local));
                }
                Step::Sync(document) => {
                    let summary = writer.replace_from_cloud(&document).unwrap();
                    prop_assert_eq!(summary.rejected, 0);
                    model.retain(|(_, local), _| *local);
                    model.extend(document.into_iter().map(|entry| ((entry.session.clone(), false), entry)));
                }
            }
            let in_force = |entry: &DenyEntry| entry.until.is_none_or(|until| now < until);
            let expected: BTreeMap<_, _> = model.iter().filter(|(_, entry)| in_force(entry)).map(|(key, entry)| (key.clone(), entry.clone())).collect();
            prop_assert_eq!(&listed(&list, now), &expected);
            for number in 0..20 {
                for application in ["", "a", "bb"] {
                    let denied = expected.iter().any(|((session, _), entry)| *session == id(number).to_string()
                        && (entry.applications.is_empty() || entry.applications.iter().any(|name| name == application)));
                    prop_assert_eq!(list.lookup(&id(number), application.as_bytes(), now), denied);
                }
            }
        }
        writer.replace_from_cloud(&[]).unwrap();
        for number in 0..20 {
            writer.remove(&id(number), EntryOrigin::Local).unwrap();
        }
        prop_assert_eq!((list.stats().entries, list.stats().text_in_use), (0, 0));
    }
}
