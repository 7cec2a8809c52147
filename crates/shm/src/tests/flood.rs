//! Floods of forged ids: which sessions survive.

use super::session_table::{from, id};
use super::zone::Zone;
use crate::{RequestStart, SessionTable, TableHandle};

/// Forged ids: ten times the capacity of the zone, or ten million with `API_SESSIONS_FULL=1`.
fn forged() -> u64 {
    if std::env::var_os("API_SESSIONS_FULL").is_some() { 10_000_000 } else { 300_000 }
}

/// Fills `percent` % of the table with confirmed sessions of many clients. Returns their number.
fn fill(table: &SessionTable, worker: &TableHandle, percent: u64) -> u64 {
    let sessions = table.stats().capacity * percent / 100;
    for session in 0..sessions {
        let arrival = client(session);
        worker.count(id(session), 1, &arrival).unwrap();
        worker.count(id(session), 2, &arrival).unwrap();
    }
    sessions
}

fn client(session: u64) -> RequestStart {
    let mut ip = [0; 16];
    ip[..8].copy_from_slice(&(0x2001_0db8_0000_0000 | session).to_be_bytes());
    RequestStart { ip, ..RequestStart::default() }
}

/// Zones per measurement. Each has a random key, so the number of full sets varies by chance: at 60 %, losing two
/// sessions of each full set, and one of each set with one free way, means 12.9 of 1000 sessions, with a standard
/// deviation of 0.96. The mean of three zones exceeded 15 once in 20,000 runs; for the mean of six, 15 is 5.4 standard
/// deviations away.
const ZONES: u64 = 6;

/// Sessions per thousand that survive the flood.
fn surviving(percent: u64, requests_each: u64) -> u64 {
    let (mut before, mut after) = (0, 0);
    for _ in 0..ZONES {
        let zone = Zone::new(4 << 20);
        let table = zone.attach(1_000_000).unwrap().0;
        let worker = table.join(0, 1);
        let is_there = |session: &u64| table.get(id(*session), 3).is_some();
        let known: Vec<u64> = (0..fill(&table, &worker, percent)).filter(is_there).collect();
        for forged in 0..forged() {
            for _ in 0..requests_each {
                worker.count(id(1 << 40 | forged), 3, &from(66)).unwrap();
            }
        }
        before += known.len() as u64;
        after += known.iter().filter(|session| is_there(session)).count() as u64;
    }
    let share = after * 1000 / before;
    println!(
        "{percent} % full, {} forged ids of {requests_each} request(s): {share} of 1000 sessions stay ({after} of {before})",
        forged(),
    );
    share
}

#[test]
fn a_flood_from_one_client_does_not_push_out_the_others() {
    // At 60 %, 3 sets in 100 are full of confirmed sessions; each of them loses one to the flood.
    assert!(surviving(60, 1) >= 992);
    assert!(surviving(40, 1) >= 998);
}

#[test]
fn a_flood_that_confirms_its_ids_does_not_push_out_the_others() {
    // A full set loses two at most.
    assert!(surviving(60, 2) >= 985);
    assert!(surviving(40, 3) >= 998);
}
