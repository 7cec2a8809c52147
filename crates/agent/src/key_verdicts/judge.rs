//! The worker that judges: merges the facts of all workers until a window is over, then decides.

use api_sessions_key_facts::{
    CLEAN_WINDOWS, ClosedWindow, DemotionChanges, Kind, Ledger, WindowFacts, decide,
};
use api_sessions_protocol::DemotedKey;

use super::shared::{SharedVerdicts, Standings};
use crate::export::{LogEvent, Severity};
use crate::limits::MAX_TAKEN_BYTES;

#[derive(Default)]
pub(super) struct Judge {
    ledger: Ledger,
    demoted: Vec<DemotedKey>,
    /// Generation of the shared verdicts that the ledger continues.
    generation: u64,
    /// When the last window was judged, milliseconds since 1970, if that is not published yet.
    unpublished: Option<u64>,
}

impl Judge {
    /// Takes what was posted, and judges the windows that are over at `now`.
    pub(super) fn judge(&mut self, shared: SharedVerdicts, pid: u32, now: u64) -> Vec<LogEvent> {
        if !self.catch_up(shared, now) {
            return Vec::new();
        }
        for message in shared.mailbox.take(MAX_TAKEN_BYTES, pid) {
            if let Ok(window) = WindowFacts::parse(&message) {
                self.ledger.add(window);
            }
        }
        let mut notes = Vec::new();
        for window in self.ledger.close(now) {
            self.unpublished = Some(now);
            let changes = decide(&mut self.demoted, &window, |_| true);
            notes.extend(told(&changes).chain(own_keys(&window)));
        }
        self.publish(shared, pid);
        notes
    }

    /// The windows that are not closed.
    pub(super) fn into_open(mut self) -> Vec<WindowFacts> {
        self.ledger.take_open()
    }

    /// Continues what another worker has judged, before a reload or a crash. Returns `false` if it cannot be read now.
    fn catch_up(&mut self, shared: SharedVerdicts, now: u64) -> bool {
        let generation = shared.standings.generation();
        if generation == self.generation {
            return true;
        }
        let (Some(standings), Some(demoted)) = (shared.standings(), shared.demoted()) else {
            return false;
        };
        self.ledger.adopt(standings.kept, standings.judged_to.min(now));
        self.demoted = demoted;
        self.generation = generation;
        self.unpublished = None;
        true
    }

    /// Publishes the verdicts first: from them the demoted keys can be derived again. What cannot be published now is
    /// with the next call.
    fn publish(&mut self, shared: SharedVerdicts, pid: u32) {
        let Some(judged_to) = self.unpublished else { return };
        let standings = Standings { judged_to, kept: self.ledger.kept() };
        let Ok(generation) = shared.publish_standings(standings, pid) else { return };
        self.generation = generation;
        // Each publication makes all workers read their settings again.
        if shared.demoted().as_ref() == Some(&self.demoted)
            || shared.publish_demoted(self.demoted.clone(), pid).is_ok()
        {
            self.unpublished = None;
        }
    }
}

/// The operator's keys that have turned out bad with this window.
fn own_keys(window: &ClosedWindow) -> impl Iterator<Item = LogEvent> {
    let keys = window.keys.iter().filter(|key| {
        let standing = key.standing;
        key.kind == Kind::Own && standing.verdict.is_bad() && standing.since == window.start
    });
    keys.map(|key| {
        let (name, verdict) = (&key.name, key.standing.verdict.as_str());
        let text = format!(
            "session_key \"{name}\" is {verdict} in application {:?}: it groups requests all the same",
            window.application
        );
        LogEvent { severity: Severity::Warning, text }
    })
}

/// What changed, for the error log. Names of applications may come from clients.
fn told(changes: &DemotionChanges) -> impl Iterator<Item = LogEvent> {
    let demoted = changes.demoted.iter().map(|DemotedKey { application, key, verdict, .. }| {
        let text = format!(
            "the built-in key {key} is {verdict} in application {application:?}: it groups no requests until {CLEAN_WINDOWS} windows were good"
        );
        LogEvent { severity: Severity::Warning, text }
    });
    let returned = changes.returned.iter().map(|DemotedKey { application, key, .. }| LogEvent {
        severity: Severity::Notice,
        text: format!(
            "the built-in key {key} groups requests again in application {application:?}"
        ),
    });
    demoted.chain(returned)
}
