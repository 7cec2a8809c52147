//! Judges windows that are over, stores their figures, and demotes built-in keys.

use api_sessions_key_facts::{ClosedWindow, Kind};
use api_sessions_protocol::DemotedKey;
use api_sessions_store::{KeyDecisions, KeyOf, KeyWindow, Store, StoreError};

use super::Keys;

/// The author of demotions in histories.
const AUTHOR: &str = "verdict";

impl Keys {
    /// Judges and stores the windows that are over at `now` (ms since 1970). Returns whether the demoted keys changed.
    ///
    /// # Errors
    /// The error of the store.
    pub fn close_and_keep(&self, store: &dyn Store, now: u64) -> Result<bool, StoreError> {
        let mut is_changed = false;
        for window in self.close(store, now)? {
            is_changed |= keep(store, &window, now)?;
        }
        Ok(is_changed)
    }
}

/// Stores a window and applies its verdicts. Returns whether the demoted keys changed.
fn keep(store: &dyn Store, window: &ClosedWindow, now: u64) -> Result<bool, StoreError> {
    let document =
        serde_json::to_string(window).map_err(|error| StoreError::Invalid(error.to_string()))?;
    let ClosedWindow { start, application, .. } = window;
    store.add_key_window(&KeyWindow {
        start: *start,
        application: application.clone(),
        document,
    })?;
    let mut decisions = store.key_decisions()?;
    if !decide(&mut decisions, window) {
        return Ok(false);
    }
    store.set_key_decisions(&decisions, AUTHOR, now)?;
    Ok(true)
}

/// Updates the demoted keys from a window's verdicts. Returns whether they changed.
fn decide(decisions: &mut KeyDecisions, window: &ClosedWindow) -> bool {
    let before = decisions.demoted.clone();
    let application = &window.application;
    for key in window.keys.iter().filter(|key| key.kind == Kind::Builtin) {
        let is_it =
            |demoted: &DemotedKey| demoted.application == *application && demoted.key == key.name;
        let of = KeyOf { application: application.clone(), name: key.name.clone() };
        let standing = key.standing;
        if !standing.verdict.is_bad() {
            decisions.demoted.retain(|demoted| !is_it(demoted));
        } else if !window.report
            && !decisions.kept.contains(&of)
            && !decisions.demoted.iter().any(is_it)
        {
            tracing::warn!(
                %application, key = key.name, verdict = standing.verdict.as_str(), "a key is demoted"
            );
            decisions.demoted.push(DemotedKey {
                application: application.clone(),
                key: key.name.clone(),
                verdict: standing.verdict.as_str().to_owned(),
                since: standing.since,
            });
        }
    }
    decisions.demoted != before
}

#[cfg(test)]
mod tests {
    use api_sessions_key_facts::{ClosedKey, Standing, Summary, Verdict};

    use super::*;

    fn window(kind: Kind, verdict: Verdict, report: bool) -> ClosedWindow {
        let mut standing = Standing::default();
        (0..3).for_each(|window| standing.add(window, verdict));
        let summary = Summary::default();
        let key = ClosedKey {
            kind,
            name: "X-API-Key".into(),
            summary,
            verdict,
            standing,
            suggested: false,
        };
        ClosedWindow {
            start: 0,
            length: 1000,
            application: "shop".into(),
            requests: 1,
            report,
            keys: vec![key],
        }
    }

    #[test]
    fn bad_built_in_keys_are_demoted_unless_somebody_undid_it_or_it_is_only_reported() {
        let mut decisions = KeyDecisions::default();
        for kind in [Kind::Own, Kind::Candidate, Kind::Ip] {
            assert!(!decide(&mut decisions, &window(kind, Verdict::Shared, false)));
        }
        assert!(!decide(&mut decisions, &window(Kind::Builtin, Verdict::Shared, true)));
        assert!(!decide(&mut decisions, &window(Kind::Builtin, Verdict::TooLittle, false)));
        assert!(decide(&mut decisions, &window(Kind::Builtin, Verdict::Shared, false)));
        let demoted = &decisions.demoted[0];
        assert_eq!(
            (&*demoted.application, &*demoted.key, &*demoted.verdict, demoted.since),
            ("shop", "X-API-Key", "shared", 1)
        );
        assert!(!decide(&mut decisions, &window(Kind::Builtin, Verdict::Volatile, false)));
        assert!(decide(&mut decisions, &window(Kind::Builtin, Verdict::Good, false)));
        assert!(decisions.demoted.is_empty());
        decisions.kept.push(KeyOf { application: "shop".into(), name: "X-API-Key".into() });
        assert!(!decide(&mut decisions, &window(Kind::Builtin, Verdict::Shared, false)));
    }
}
