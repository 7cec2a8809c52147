//! Floods of forged ids: who stays.

use super::memory::Zone;
use super::sessions::{from, id};
use crate::{RequestStart, SessionTable, TableHandle};

/// Ten million forged ids with `API_SESSIONS_FULL=1`; ten times the room for every day.
fn forged() -> u64 {
    if std::env::var_os("API_SESSIONS_FULL").is_some() { 10_000_000 } else { 300_000 }
}

/// A table with `share` per cent of its room taken by confirmed sessions of many clients.
fn settled(table: &SessionTable, worker: &TableHandle, percent: u64) -> u64 {
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

/// Zones of a share: each has a random key, and in one of them chance can fill a few sets more.
const ZONES: u64 = 3;

/// Per mille of the sessions that were there before and are there after the flood.
fn surviving(percent: u64, requests_each: u64) -> u64 {
    let (mut before, mut after) = (0, 0);
    for _ in 0..ZONES {
        let zone = Zone::new(4 << 20);
        let table = zone.attach(1_000_000).unwrap().0;
        let worker = table.join(0, 1);
        let is_there = |session: &u64| table.get(id(*session), 3).is_some();
        let known: Vec<u64> = (0..settled(&table, &worker, percent)).filter(is_there).collect();
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
    // At 60 % of 15 ways, 3 sets in 100 are full of confirmed sessions, and each of them gives one
    // way to the flood.
    assert!(surviving(60, 1) >= 992);
    assert!(surviving(40, 1) >= 998);
}

#[test]
fn nor_does_one_that_confirms_its_ids() {
    // At most two ways of a full set.
    assert!(surviving(60, 2) >= 985);
    assert!(surviving(40, 3) >= 998);
}
