//! Whole attacks in virtual time, with rules of the default pack.

use api_sessions_extract::{NoVariables, Point};
use api_sessions_protocol::Source;

use crate::{Answer, Facts, MemoryCounts, Observation, Rule, Scratch, default_pack, parse_all};

/// A login attempt.
struct Login {
    ip: String,
    user: String,
    status: u16,
}

impl Facts for Login {
    fn method(&self) -> &[u8] {
        b"POST"
    }
    fn path(&self) -> &[u8] {
        b"/login"
    }
    fn status(&self) -> u16 {
        self.status
    }
    fn has_attack(&self, _: Option<&str>) -> bool {
        false
    }
    fn attacks(&self) -> u64 {
        0
    }
    fn source(&self) -> Source {
        Source::Ip
    }
    fn user(&self) -> Option<&[u8]> {
        Some(self.user.as_bytes())
    }
    fn session(&self) -> &[u8] {
        self.ip.as_bytes()
    }
    fn ip(&self) -> &[u8] {
        self.ip.as_bytes()
    }
    fn ja4(&self) -> Option<&[u8]> {
        None
    }
    fn begins_session(&self) -> Answer {
        Answer::No
    }
    fn has_conflicting_parameters(&self) -> Answer {
        Answer::No
    }
    fn bytes_in(&self) -> u64 {
        0
    }
    fn bytes_out(&self) -> u64 {
        0
    }
    fn time_ms(&self) -> u64 {
        0
    }
    fn read(&self, point: &Point, then: &mut dyn FnMut(Option<&[u8]>)) -> bool {
        assert_eq!(point.as_str(), "request.ip");
        then(Some(self.ip.as_bytes()));
        true
    }
}

fn pack(name: &str) -> Rule {
    let rules = parse_all(&default_pack(), &mut NoVariables).unwrap();
    rules.into_iter().find(|rule| rule.name() == name).unwrap()
}

/// 200 addresses with one attempt per minute each, which is inconspicuous within a minute, next to a NAT with
/// as many users who log in, some on the second try.
#[test]
fn two_hundred_addresses_with_an_attempt_a_minute_are_found_and_a_nat_is_not() {
    let rule = pack("many-users-one-address");
    let (counts, mut scratch) = (MemoryCounts::default(), Scratch::default());
    let mut first = vec![None; 200];
    let begin = 1_700_000_000_000u64;
    for minute in 0..60u64 {
        for address in 0..200u64 {
            let now = begin + minute * 60_000 + address * 300;
            let try_one = |ip: String, user: String, status| Login { ip, user, status };
            let attempt = try_one(
                format!("198.51.100.{address}"),
                format!("user{}", minute * 200 + address),
                401,
            );
            let seen = rule.observe(&counts, &attempt, now, &mut scratch);
            let Observation::Counted { fires, .. } = seen else { panic!("{seen:?}") };
            if fires {
                first[address as usize].get_or_insert(minute);
            }
            // One of twelve users mistypes once in the hour.
            let status = if minute == address % 60 && address % 12 == 0 { 401 } else { 200 };
            let good = try_one("192.0.2.1".into(), format!("nat{address}"), status);
            if rule.holds(&good) == Answer::Yes {
                let seen = rule.observe(&counts, &good, now, &mut scratch);
                assert!(!matches!(seen, Observation::Counted { fires: true, .. }), "{seen:?}");
            }
        }
    }
    // At the 21st user of each address, in its 21st minute; within a tenth, since counts above eight are
    // estimates.
    for (address, minute) in first.iter().enumerate() {
        let minute = minute.unwrap_or_else(|| panic!("address {address} was not found"));
        assert!((18..=23).contains(&minute), "address {address}: {minute}");
    }
}
