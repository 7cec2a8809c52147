//! The facts of a session for display, and its score.

use serde::Serialize;
use utoipa::ToSchema;

use crate::fact::{Fact, Unit};
use crate::limits::MIN_NORMAL_SESSIONS;
use crate::measure::Measured;
use crate::normal::{Normal, Spread};

/// Half-life of the score of an inactive session, ms.
const HALF_LIFE_MS: u64 = 86_400_000;

/// A fact of a session.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FactRow {
    /// The fact.
    pub fact: Fact,
    /// Unit of its values.
    pub unit: Unit,
    /// Its value; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Normal values of the application; absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normal: Option<Spread>,
    /// Ratio of the value to the median; absent if the median is 0 or unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<f64>,
    /// Points that it adds to the score.
    pub points: u64,
}

/// How unusual a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Score {
    /// 0 to 100; halves with each day of inactivity.
    #[schema(maximum = 100)]
    pub value: u64,
    /// The score when the session was last active: the sum of the points, at most 100.
    #[schema(maximum = 100)]
    pub when_active: u64,
}

/// The facts of a session's last day.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Facts {
    /// Application with whose sessions it is compared; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// Number of requests that were measured: the newest 1,000 of the 24 hours up to the last one.
    pub requests: u64,
    /// Number of sessions of the last seven days behind the normal values.
    pub sessions: u64,
    /// Whether there are too few sessions for normal values.
    pub not_enough_sessions: bool,
    /// The facts, always in the same order.
    pub facts: Vec<FactRow>,
    /// The score; absent without normal values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<Score>,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

impl Facts {
    /// The facts at `now` of a session that was last active at `last_ts` (both ms since 1970).
    pub fn of(
        application: Option<String>,
        measured: &Measured,
        normal: &Normal,
        last_ts: u64,
        now: u64,
    ) -> Facts {
        let row = |fact: Fact| {
            let value = normal.value(measured, fact);
            let spread = normal.spread(fact);
            let times = value.zip(spread).filter(|(_, spread)| spread.median > 0.0);
            FactRow {
                fact,
                unit: fact.unit(),
                value,
                normal: spread,
                times: times.map(|(value, spread)| value / spread.median),
                points: value
                    .zip(spread)
                    .map_or(0, |(value, spread)| fact.points(value, spread.p99) as u64),
            }
        };
        let facts: Vec<FactRow> = Fact::ALL.into_iter().map(row).collect();
        let when_active = facts.iter().map(|row| row.points).sum::<u64>().min(100);
        let value = decayed(when_active, last_ts, now);
        Facts {
            application,
            requests: measured.requests,
            sessions: normal.sessions as u64,
            not_enough_sessions: normal.sessions < MIN_NORMAL_SESSIONS,
            score: normal.is_known().then_some(Score { value, when_active }),
            facts,
            incomplete: measured.incomplete.clone(),
        }
    }
}

/// A score at `now` that was `when_active` at `last_ts` (both ms since 1970).
pub(crate) fn decayed(when_active: u64, last_ts: u64, now: u64) -> u64 {
    let quiet = now.saturating_sub(last_ts) as f64 / HALF_LIFE_MS as f64;
    (when_active as f64 * 0.5_f64.powf(quiet)).round() as u64
}

#[cfg(test)]
mod tests {
    use api_sessions_protocol::Record;
    use api_sessions_store::StoredRequest;

    use super::*;

    fn session(logins: usize) -> Measured {
        let record = Record { method: "POST".into(), status: 401, ..Record::default() };
        let request = StoredRequest { record, endpoint: "/login".into(), has_content: false };
        Measured::of(&vec![request; logins])
    }

    #[test]
    fn a_score_is_the_sum_of_points_and_halves_with_each_quiet_day() {
        let normal = Normal::of(&vec![session(1); 250]);
        let day = HALF_LIFE_MS;
        let at = |now| Facts::of(None, &session(32), &normal, day, now);
        let facts = at(day);
        let row = |fact| facts.facts.iter().find(|row| row.fact == fact).unwrap();
        let failures = row(Fact::LoginFailures);
        assert_eq!((failures.value, failures.times), (Some(32.0), Some(32.0)));
        assert_eq!(failures.normal, Some(Spread { median: 1.0, p99: 1.0 }));
        assert_eq!(row(Fact::ClientErrors).points, 0, "all sessions are so");
        let sum: u64 = facts.facts.iter().map(|row| row.points).sum();
        assert_eq!((failures.points, row(Fact::PeakPerMinute).points), (25, 11));
        assert_eq!(facts.score, Some(Score { value: sum, when_active: sum }));
        assert_eq!(at(2 * day).score.unwrap().value, (sum as f64 / 2.0).round() as u64);
        assert_eq!(at(30 * day).score.unwrap(), Score { value: 0, when_active: sum });
    }

    #[test]
    fn too_few_sessions_say_nothing() {
        let normal = Normal::of(&vec![session(1); MIN_NORMAL_SESSIONS - 1]);
        let facts = Facts::of(Some("shop".into()), &session(32), &normal, 1, 1);
        assert!(facts.not_enough_sessions && facts.score.is_none());
        assert!(facts.facts.iter().all(|row| row.normal.is_none() && row.points == 0));
        assert_eq!(facts.facts[5].value, Some(32.0));
    }
}
