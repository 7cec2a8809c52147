//! Facts of all workers of all nodes: windows are merged until they are over, then judged.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::facts::{KeyFacts, Kind};
use super::sample::ClientSample;
use super::sticky_verdict::Standing;
use super::suggestion::is_suggested;
use super::summary::Summary;
use super::verdict::{Verdict, judge};
use super::windows_an_hour;
use super::wire::{ApplicationFacts, KeyLine, WindowFacts};
use crate::limits::{MAX_LEDGER_APPLICATIONS, MAX_NAMES, MAX_OPEN_KEYS, MAX_OPEN_WINDOWS};

/// Minimum and maximum time to wait for slow nodes after a window, milliseconds.
const GRACE_MS: (u64, u64) = (3000, 30_000);

/// A key of an application: kind and name.
pub type KeyName = (Kind, String);

/// Facts of all nodes.
#[derive(Debug, Default)]
pub struct Ledger {
    applications: BTreeMap<String, Application>,
    /// Windows that were over at this time were judged by another ledger, milliseconds since 1970.
    judged_to: u64,
    late: u64,
}

#[derive(Debug, Default)]
struct Application {
    /// Open windows, by start and length.
    open: BTreeMap<(u64, u64), Open>,
    /// Start of the last closed window, milliseconds since 1970.
    closed: Option<u64>,
    keys: BTreeMap<KeyName, Known>,
}

#[derive(Debug, Default)]
struct Open {
    requests: u64,
    report: bool,
    keys: BTreeMap<KeyName, KeyFacts>,
}

/// State of a key across windows.
#[derive(Debug, Default)]
struct Known {
    standing: Standing,
    /// Client samples of the last hour, with the start of their window.
    hour: VecDeque<(u64, ClientSample)>,
}

/// A closed window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClosedWindow {
    /// Start, milliseconds since 1970.
    pub start: u64,
    /// Length, milliseconds.
    pub length: u64,
    /// The application; empty if it has no name.
    pub application: String,
    /// Requests with a status of 100 to 399.
    pub requests: u64,
    /// Report only: verdicts do not demote keys.
    pub report: bool,
    /// Keys, then candidates, each with the most used first.
    pub keys: Vec<ClosedKey>,
}

/// A key in a closed window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClosedKey {
    /// Kind of key.
    pub kind: Kind,
    /// Its label, or the point of a candidate.
    pub name: String,
    /// Figures of the window.
    pub summary: Summary,
    /// Verdict of this window.
    pub verdict: Verdict,
    /// Standing verdict after this window.
    pub standing: Standing,
    /// Whether it should be suggested as a key.
    pub suggested: bool,
}

/// A standing verdict, to survive a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The application.
    pub application: String,
    /// Kind of key.
    pub kind: Kind,
    /// Its label, or the point of a candidate.
    pub name: String,
    /// Standing verdict.
    pub standing: Standing,
}

impl Ledger {
    /// Creates a ledger with standing verdicts.
    pub fn restore(kept: Vec<Kept>) -> Self {
        let mut ledger = Self::default();
        ledger.adopt(kept, 0);
        ledger
    }

    /// Takes over the standing verdicts of another ledger, which has judged all windows that were over at `judged_to`,
    /// milliseconds since 1970.
    pub fn adopt(&mut self, kept: Vec<Kept>, judged_to: u64) {
        for Kept { application, kind, name, standing } in kept {
            let keys = &mut self.applications.entry(application).or_default().keys;
            keys.entry((kind, name)).or_default().standing = standing;
        }
        self.judged_to = judged_to;
    }

    /// Takes the windows that are not closed, for another ledger.
    pub fn take_open(&mut self) -> Vec<WindowFacts> {
        let each = self.applications.iter_mut().flat_map(|(name, application)| {
            std::mem::take(&mut application.open).into_iter().map(|((start, length), open)| {
                let lines = open.keys.into_iter();
                let keys = lines.map(|((kind, name), facts)| KeyLine { kind, name, facts });
                WindowFacts {
                    start,
                    length,
                    application: ApplicationFacts {
                        name: name.clone(),
                        requests: open.requests,
                        report: open.report,
                        keys: keys.collect(),
                    },
                }
            })
        });
        each.collect()
    }

    /// The standing verdicts.
    pub fn kept(&self) -> Vec<Kept> {
        let each = self.applications.iter().flat_map(|(application, it)| {
            it.keys.iter().map(|((kind, name), known)| Kept {
                application: application.clone(),
                kind: *kind,
                name: name.clone(),
                standing: known.standing,
            })
        });
        each.filter(|kept| kept.standing != Standing::default()).collect()
    }

    /// Number of windows that were dropped because they were late or too many.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Adds the facts of a worker.
    pub fn add(&mut self, facts: WindowFacts) {
        let WindowFacts { start, length, application: seen } = facts;
        let is_new = !self.applications.contains_key(&seen.name);
        if is_new && self.applications.len() >= MAX_LEDGER_APPLICATIONS {
            self.late += 1;
            return;
        }
        let application = self.applications.entry(seen.name).or_default();
        let is_late = application.closed.is_some_and(|closed| start <= closed)
            || is_over(&(start, length), self.judged_to);
        let is_more = !application.open.contains_key(&(start, length));
        if is_late || is_more && application.open.len() >= MAX_OPEN_WINDOWS {
            self.late += 1;
            return;
        }
        let open = application.open.entry((start, length)).or_default();
        open.requests += seen.requests;
        open.report |= seen.report;
        for line in seen.keys {
            let key = (line.kind, line.name);
            if open.keys.len() < MAX_OPEN_KEYS || open.keys.contains_key(&key) {
                open.keys.entry(key).or_default().merge(&line.facts);
            }
        }
    }

    /// Closes and judges the windows that are over at `now`, milliseconds since 1970.
    pub fn close(&mut self, now: u64) -> Vec<ClosedWindow> {
        let mut closed = Vec::new();
        for (name, application) in &mut self.applications {
            while let Some(entry) =
                application.open.first_entry().filter(|it| is_over(it.key(), now))
            {
                let ((start, length), open) = entry.remove_entry();
                closed.push(application.judge(name, start, length, open));
            }
        }
        self.applications.retain(|_, it| !it.open.is_empty() || !it.keys.is_empty());
        closed
    }
}

/// Whether a window, by start and length, is over at `now`, and was waited for.
fn is_over((start, length): &(u64, u64), now: u64) -> bool {
    start + length + (length / 2).clamp(GRACE_MS.0, GRACE_MS.1) <= now
}

impl Application {
    fn judge(&mut self, name: &str, start: u64, length: u64, open: Open) -> ClosedWindow {
        self.closed = self.closed.max(Some(start));
        let hour = windows_an_hour(length);
        let oldest = start.saturating_sub(length * (hour as u64 - 1));
        let mut keys: Vec<(KeyName, KeyFacts)> = open.keys.into_iter().collect();
        keys.sort_by_key(|((kind, _), facts)| (*kind == Kind::Candidate, u64::MAX - facts.present));
        keys.truncate(MAX_NAMES);
        let closed = keys.into_iter().map(|((kind, key), facts)| {
            let known = self.keys.entry((kind, key.clone())).or_default();
            known.hour.push_back((start, facts.clients.clone()));
            known.hour.retain(|(start, _)| *start >= oldest);
            let mut clients = ClientSample::default();
            known.hour.iter().for_each(|(_, sample)| clients.merge(sample));
            let windows = u32::try_from(known.hour.len()).unwrap_or(u32::MAX);
            let summary = Summary::new(open.requests, &facts, &clients, windows);
            let verdict = judge(kind, &summary);
            known.standing.add(start, verdict);
            let is_good = !verdict.is_bad() && !known.standing.verdict.is_bad();
            let suggested = is_good && is_suggested(kind, &summary, length);
            let standing = known.standing;
            ClosedKey { kind, name: key, summary, verdict, standing, suggested }
        });
        let closed: Vec<ClosedKey> = closed.collect();
        // Forgets unused keys, except demoted ones.
        self.keys.retain(|_, known| {
            known.hour.retain(|(start, _)| *start >= oldest);
            !known.hour.is_empty() || known.standing.verdict.is_bad()
        });
        ClosedWindow {
            start,
            length,
            application: name.to_owned(),
            requests: open.requests,
            report: open.report,
            keys: closed,
        }
    }
}
