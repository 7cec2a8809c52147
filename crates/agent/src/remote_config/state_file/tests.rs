use super::*;
use api_sessions_shm::testing;
use proptest::prelude::prop_assert_eq;

fn entry(number: u32) -> DenyEntry {
    DenyEntry {
        session: format!("{number:032x}"),
        reason: Some("why".into()),
        ..DenyEntry::default()
    }
}

fn id(number: u32) -> SessionId {
    format!("{number:032x}").parse().unwrap()
}

fn keeper(directory: &Path) -> StateFile {
    let deny = testing::denylist(1 << 20).join(1, std::process::id());
    StateFile::new(directory, deny, Some(testing::shared_config(1024)))
}

/// As after a start of NGINX.
fn restored(directory: &Path) -> StateFile {
    let mut keeper = keeper(directory);
    keeper.restore(1, 1).unwrap();
    keeper
}

fn entries(keeper: &StateFile) -> Vec<(String, EntryOrigin)> {
    let mut all = Vec::new();
    keeper.deny.list().list(1, &mut |entry, origin| all.push((entry.session, origin)));
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

#[test]
fn entries_and_settings_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = keeper(directory.path());
    assert_eq!(first.restore(1, 1).unwrap(), Restored::default());
    first.deny.insert(&entry(1), 1).unwrap();
    first.deny.replace_from_cloud(&[entry(2), entry(3)]).unwrap();
    first.settings.unwrap().publish(b"{\"version\":\"v\"}", 1).unwrap();
    first.keep(1).unwrap();
    let mut second = keeper(directory.path());
    assert_eq!(second.restore(1, 1).unwrap().entries, 3);
    assert_eq!(entries(&second), entries(&first));
    assert_eq!(second.settings.unwrap().read().unwrap().1, b"{\"version\":\"v\"}");
    // Entries that are already there are newer.
    second.deny.insert(&entry(4), 1).unwrap();
    assert_eq!(second.restore(1, 1).unwrap(), Restored::default());
    assert_eq!(entries(&second).len(), 4);
}

#[test]
fn orders_are_durable_without_a_copy_and_a_copy_contains_them() {
    let directory = tempfile::tempdir().unwrap();
    let copy = || fs::metadata(directory.path().join(FILE)).map_or(0, |file| file.len());
    let mut first = restored(directory.path());
    first.insert(&entry(1), 1).unwrap();
    first.insert(&entry(2), 1).unwrap();
    assert!(first.remove(&id(1), 1).unwrap());
    assert!(!first.remove(&id(1), 1).unwrap());
    first.insert(&entry(3), 1).unwrap();
    assert_eq!(copy(), 0, "no copy for an order");
    assert_eq!(entries(&restored(directory.path())), entries(&first));
    first.keep(1).unwrap();
    let after = copy();
    assert!(after > 0);
    assert_eq!(first.journal.bytes(), 0);
    assert_eq!(entries(&restored(directory.path())), entries(&first));
    // For a while, orders alone do not cause a copy; a document from the cloud does.
    first.next = Instant::now();
    first.insert(&entry(4), 1).unwrap();
    first.keep(1).unwrap();
    assert_eq!(copy(), after);
    first.deny.replace_from_cloud(&[entry(5)]).unwrap();
    first.keep(1).unwrap();
    assert_ne!(copy(), after);
    assert_eq!(entries(&restored(directory.path())), entries(&first));
    assert_eq!(entries(&first).len(), 4);
}

#[test]
fn a_copy_that_was_not_finished_loses_no_order() {
    let directory = tempfile::tempdir().unwrap();
    let first = restored(directory.path());
    first.insert(&entry(1), 1).unwrap();
    first.journal.lock().unwrap().put_aside().unwrap();
    first.insert(&entry(2), 1).unwrap();
    first.remove(&id(1), 1).unwrap();
    assert_eq!(entries(&restored(directory.path())), entries(&first));
    // Nor does one that was finished, but whose journal is still there.
    let old = fs::read(directory.path().join("denylist.journal.old")).unwrap();
    first.write(1).unwrap();
    fs::write(directory.path().join("denylist.journal.old"), old).unwrap();
    first.insert(&entry(3), 1).unwrap();
    // The last order for each session wins.
    first.insert(&entry(1), 1).unwrap();
    first.remove(&id(1), 1).unwrap();
    assert_eq!(entries(&restored(directory.path())), entries(&first));
}

#[test]
fn workers_that_start_at_once_all_find_the_list_restored() {
    let directory = tempfile::tempdir().unwrap();
    let first = restored(directory.path());
    for number in 0..500 {
        first.insert(&entry(number), 1).unwrap();
    }
    let list = testing::denylist(1 << 20);
    std::thread::scope(|scope| {
        for slot in 0..4 {
            let directory = directory.path();
            scope.spawn(move || {
                let deny = list.join(slot, std::process::id());
                let mut worker = StateFile::new(directory, deny, None);
                worker.restore(1, 1).unwrap();
                assert_eq!(entries(&worker).len(), 500);
            });
        }
    });
}

#[test]
fn the_journal_does_not_grow_where_nobody_makes_copies() {
    let directory = tempfile::tempdir().unwrap();
    let first = restored(directory.path());
    first.insert(&entry(1), 1).unwrap();
    let journal = directory.path().join("denylist.journal");
    let file = OpenOptions::new().write(true).open(&journal).unwrap();
    file.set_len(MAX_ORDERS_BYTES + 1).unwrap();
    first.insert(&entry(2), 1).unwrap();
    assert!(first.journal.bytes() < 1000);
    assert_eq!(entries(&restored(directory.path())), entries(&first));
}

#[test]
fn a_damaged_copy_is_an_error_and_is_kept_and_orders_are_in_force() {
    let directory = tempfile::tempdir().unwrap();
    restored(directory.path()).insert(&entry(1), 1).unwrap();
    let damaged = "{\"node\":[{";
    fs::write(directory.path().join(FILE), damaged).unwrap();
    let mut keeper = keeper(directory.path());
    let error = keeper.restore(1, 1).unwrap_err().to_string();
    assert!(error.contains(DAMAGED), "{error}");
    assert_eq!(entries(&keeper).len(), 1);
    keeper.keep(1).unwrap();
    assert_eq!(fs::read_to_string(directory.path().join(DAMAGED)).unwrap(), damaged);
}

#[test]
fn a_copy_that_cannot_be_written_is_told_once() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let mut keeper = keeper(&directory.path().join("file"));
    assert!(matches!(keeper.insert(&entry(1), 1), Err(OrderError::NotDurable(_))));
    assert_eq!(entries(&keeper).len(), 1, "it is in force");
    assert!(keeper.keep(1).is_err());
    keeper.next = Instant::now();
    assert!(keeper.keep(1).is_ok());
}

/// The child's side of the test below: executes and reports orders while copies are made, until it is killed.
#[test]
fn takes_orders_until_it_is_killed() {
    let Ok(directory) = std::env::var("API_SESSIONS_ORDERS") else { return };
    let first: u32 = std::env::var("API_SESSIONS_FIRST").unwrap().parse().unwrap();
    let keeper = restored(Path::new(&directory));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                keeper.write(1).unwrap();
            }
        });
        for number in first.. {
            keeper.insert(&entry(number), 1).unwrap();
            println!("\nDENIED {number}");
            if number % 3 == 0 {
                assert!(keeper.remove(&id(number), 1).unwrap());
                println!("\nREMOVED {number}");
            }
        }
    });
}

#[test]
fn nothing_that_was_acknowledged_is_lost_by_sigkill_at_any_moment() {
    use std::collections::BTreeMap;
    use std::io::BufRead;
    use std::process::{Command, Stdio};

    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..20_usize {
        let name = "remote_config::state_file::tests::takes_orders_until_it_is_killed";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env("API_SESSIONS_ORDERS", directory.path())
            .env("API_SESSIONS_FIRST", (round * 1000).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut left = 1 + round as i32 * 7 % 23;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some((what, number)) = line.split_once(' ') else { continue };
            let (true, Ok(number)) = (["DENIED", "REMOVED"].contains(&what), number.parse()) else {
                continue;
            };
            acknowledged.insert(number, what == "DENIED");
            // Orders reported before its death count, too.
            left -= 1;
            if left == 0 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let denied = entries(&restored(directory.path()));
        let denied: Vec<u32> =
            denied.iter().map(|(id, _)| u32::from_str_radix(id, 16).unwrap()).collect();
        let last = acknowledged.last_key_value().map(|(number, _)| *number);
        for (number, is_denied) in &acknowledged {
            // The order after the last acknowledged one may or may not be on disk.
            let is_certain = Some(*number) != last || !is_denied || number % 3 != 0;
            let found = denied.contains(number);
            assert!(!is_certain || found == *is_denied, "round {round}: {number}");
        }
        if let Some(last) = last {
            acknowledged.insert(last, denied.contains(&last));
        }
        // In each round, at most one order was on disk but not yet acknowledged.
        let known = acknowledged.values().filter(|denied| **denied).count();
        assert!(denied.len() <= known + 1 + round, "{} of {known}", denied.len());
    }
}

#[test]
fn a_worker_that_was_killed_while_it_restored_left_half_of_the_list() {
    let directory = tempfile::tempdir().unwrap();
    let first = restored(directory.path());
    for number in 0..10 {
        first.insert(&entry(number), 1).unwrap();
    }
    let list = testing::denylist(1 << 20);
    let killed = list.join(1, std::process::id());
    let half = std::panic::AssertUnwindSafe(|| {
        killed.restoring(|| {
            killed.insert(&entry(0), 1).unwrap();
            std::panic::resume_unwind(Box::new(()));
        })
    });
    assert!(std::panic::catch_unwind(half).is_err());
    let deny = list.join(2, std::process::id());
    let mut next = StateFile::new(directory.path(), deny, None);
    next.restore(1, 1).unwrap();
    assert_eq!(entries(&next), entries(&first));
}

#[test]
fn denials_by_rules_are_written_down_unless_taken_off_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let first = restored(directory.path());
    let denials: Vec<_> =
        (1..=3).map(|n| DenyEntry { since: u64::from(n) * 100, ..entry(n) }).collect();
    denials.iter().for_each(|denial| first.deny.insert(denial, 1).unwrap());
    // One denial is removed by hand before it is written down, another is removed and comes back later.
    assert!(first.remove(&id(1), 1).unwrap());
    first.deny.insert(&DenyEntry { since: 900, ..entry(3) }, 1).unwrap();
    first.write_down(&denials, 1).unwrap();
    assert_eq!(entries(&restored(directory.path())), [(format!("{:032x}", 2), EntryOrigin::Local)]);
    // As if the disk were full or the directory gone.
    fs::remove_dir_all(directory.path()).unwrap();
    fs::write(directory.path(), "").unwrap();
    assert!(first.write_down(&denials, 1).is_err());
    fs::remove_file(directory.path()).unwrap();
}

#[test]
fn a_copy_that_could_not_be_read_was_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join(FILE);
    File::create(&copy).unwrap().set_len(MAX_STATE_FILE_BYTES + 1).unwrap();
    let mut worker = keeper(directory.path());
    let error = worker.restore(1, 1).unwrap_err().to_string();
    assert!(error.contains(DAMAGED), "{error}");
    worker.insert(&entry(1), 1).unwrap();
    worker.keep_now(1).unwrap();
    let kept = fs::metadata(directory.path().join(DAMAGED)).unwrap();
    assert_eq!(kept.len(), MAX_STATE_FILE_BYTES + 1);
}

/// During an upgrade of the binary, two generations of NGINX take orders, each with its own list.
#[test]
fn orders_that_one_generation_took_were_undone_by_the_copy_of_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let at = |since: u64, number: u32| DenyEntry { since, ..entry(number) };
    let mut old = restored(directory.path());
    old.insert(&at(1, 1), 1).unwrap();
    old.keep_now(1).unwrap();
    let mut new = restored(directory.path());
    old.insert(&at(2, 2), 2).unwrap();
    new.insert(&at(3, 3), 3).unwrap();
    assert!(new.remove(&id(1), 4).unwrap());
    // A copy of either contains what both have taken.
    old.keep_now(5).unwrap();
    assert_eq!(entries(&restored(directory.path())), entries(&old));
    assert_eq!(entries(&old).len(), 2);
    new.keep_now(5).unwrap();
    assert_eq!(entries(&new), entries(&old));
    // Orders that a copy contains, and that are no longer in the journal proper, are taken over, too.
    old.insert(&at(6, 4), 6).unwrap();
    old.keep_now(6).unwrap();
    new.keep(6).unwrap();
    assert_eq!(entries(&new), entries(&old));
    assert_eq!(entries(&new).len(), 3);
    // What is newer than an order, and not in the journal yet, stays.
    new.deny.insert(&at(9, 5), 9).unwrap();
    old.insert(&at(8, 5), 8).unwrap();
    assert!(old.remove(&id(5), 8).unwrap());
    new.keep(9).unwrap();
    assert_eq!(new.deny.list().denied_since(&id(5)), Some(9));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None, cases: 64, ..Default::default()
    })]

    #[test]
    fn two_generations_agree_whatever_they_do_when(
        steps in proptest::collection::vec((0..2_usize, 0..5_u32, 0..5_u32), 1..60),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut both = [restored(directory.path()), restored(directory.path())];
        let mut model = std::collections::BTreeSet::new();
        for (at, (which, what, number)) in (1..).zip(&steps) {
            let one = &mut both[*which];
            match what {
                // A client that asks for a removal has seen the denial.
                0 => {
                    one.follow(at).unwrap();
                    prop_assert_eq!(one.remove(&id(*number), at).unwrap(), model.remove(number));
                }
                1 => one.keep_now(at).unwrap(),
                2 => one.keep(at).unwrap(),
                _ => {
                    one.insert(&DenyEntry { since: at, ..entry(*number) }, at).unwrap();
                    model.insert(*number);
                }
            }
        }
        let expected: Vec<_> =
            model.iter().map(|n| (format!("{n:032x}"), EntryOrigin::Local)).collect();
        prop_assert_eq!(&entries(&restored(directory.path())), &expected);
        for one in &mut both {
            one.follow(1000).unwrap();
            prop_assert_eq!(&entries(one), &expected);
        }
    }
}
