//! Demotes keys of the built-in set whose standing verdict is bad, and takes that back once it is good.

use api_sessions_protocol::DemotedKey;

use super::facts::Kind;
use super::ledger::ClosedWindow;

/// What the verdicts of a window change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DemotionChanges {
    /// Demoted from now on.
    pub demoted: Vec<DemotedKey>,
    /// In use again.
    pub returned: Vec<DemotedKey>,
}

impl DemotionChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.demoted.is_empty() && self.returned.is_empty()
    }
}

/// Updates the demoted keys from a window's verdicts. `may_demote` says of a key of the window's application whether it
/// may be demoted at all.
pub fn decide(
    demoted: &mut Vec<DemotedKey>,
    window: &ClosedWindow,
    may_demote: impl Fn(&str) -> bool,
) -> DemotionChanges {
    let mut changes = DemotionChanges::default();
    let application = &window.application;
    for key in window.keys.iter().filter(|key| key.kind == Kind::Builtin) {
        let is_it = |it: &mut DemotedKey| it.application == *application && it.key == key.name;
        let standing = key.standing;
        if !standing.verdict.is_bad() {
            changes.returned.extend(demoted.extract_if(.., is_it));
        } else if !window.report && may_demote(&key.name) && !demoted.iter_mut().any(is_it) {
            let key = DemotedKey {
                application: application.clone(),
                key: key.name.clone(),
                verdict: standing.verdict.as_str().to_owned(),
                since: standing.since,
            };
            changes.demoted.push(key.clone());
            demoted.push(key);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClosedKey, Standing, Summary, Verdict};

    fn window(kind: Kind, verdict: Verdict, report: bool) -> ClosedWindow {
        let mut standing = Standing::default();
        (0..3).for_each(|window| standing.add(window, verdict));
        let summary = Summary::default();
        let name = "X-API-Key".into();
        let key = ClosedKey { kind, name, summary, verdict, standing, suggested: false };
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
    fn a_bad_built_in_key_is_demoted_once_unless_it_is_only_reported_or_may_not_be() {
        let mut demoted = Vec::new();
        let mut decide = |window, may| decide(&mut demoted, &window, |_| may);
        for kind in [Kind::Own, Kind::Candidate, Kind::Ip] {
            assert!(decide(window(kind, Verdict::Shared, false), true).is_empty(), "{kind:?}");
        }
        assert!(decide(window(Kind::Builtin, Verdict::Shared, true), true).is_empty());
        assert!(decide(window(Kind::Builtin, Verdict::TooLittle, false), true).is_empty());
        assert!(decide(window(Kind::Builtin, Verdict::Shared, false), false).is_empty());
        let key = DemotedKey {
            application: "shop".into(),
            key: "X-API-Key".into(),
            verdict: "shared".into(),
            since: 1,
        };
        let changes = decide(window(Kind::Builtin, Verdict::Shared, false), true);
        assert_eq!(changes.demoted, std::slice::from_ref(&key));
        assert!(decide(window(Kind::Builtin, Verdict::Volatile, false), true).is_empty());
        let changes = decide(window(Kind::Builtin, Verdict::Good, false), true);
        assert_eq!((changes.demoted, changes.returned), (vec![], vec![key]));
        assert!(demoted.is_empty());
    }

    #[test]
    fn a_key_that_is_good_in_one_application_returned_in_another() {
        let key = |application: &str| DemotedKey {
            application: application.into(),
            key: "X-API-Key".into(),
            ..DemotedKey::default()
        };
        let mut demoted = vec![key("blog"), key("shop"), key("")];
        decide(&mut demoted, &window(Kind::Builtin, Verdict::Good, false), |_| true);
        assert_eq!(demoted, [key("blog"), key("")]);
    }
}
