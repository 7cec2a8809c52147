//! A rule that fired with a request, or that refused it, and how often that came to pass on this node.

use api_sessions_rules::{Counts, Mode, Rule};

use super::counts::NodeCounts;
use crate::directives::MainConf;

/// Seed of the keys of these figures: no rule's count has it.
const HITS: u64 = 0x6869_7473_0000_0000;

/// A rule that fired with a request, or that refused it.
pub(crate) struct Hit {
    pub(crate) name: String,
    pub(crate) count: u64,
    pub(crate) then: String,
    pub(crate) enforced: bool,
    /// `rule:NAME`, where the rule marks.
    pub(crate) mark: Option<String>,
}

impl Hit {
    pub(super) fn fired(rule: &Rule, count: u64, mark: Option<String>) -> Self {
        let (name, then) = (rule.name().to_owned(), rule.then_text().to_owned());
        Self { name, count, then, enforced: rule.mode == Mode::Enforce, mark }
    }

    pub(super) fn refused(rule: &Rule, count: u64) -> Self {
        Self { enforced: true, ..Self::fired(rule, count, None) }
    }
}

/// A rule has fired with a request.
pub(super) fn count_fired(counts: &NodeCounts<'_>, name: &str, now_ms: u64) {
    counts.update(key(counts, name), now_ms, |words| words[0] += 1);
}

/// A rule has refused a request.
pub(super) fn count_refused(counts: &NodeCounts<'_>, name: &str, now_ms: u64) {
    counts.update(key(counts, name), now_ms, |words| words[1] += 1);
}

fn key(counts: &NodeCounts<'_>, name: &str) -> u64 {
    counts.hash(HITS, name.as_bytes())
}

/// Requests with which a rule has fired, and requests that it refused, on this node.
pub(crate) fn figures(main: &MainConf, name: &str) -> (u64, u64) {
    let Some(counts) = main.runtime().rule_counts() else { return (0, 0) };
    let words = counts.read(counts.hash(HITS, name.as_bytes())).unwrap_or_default();
    (words[0], words[1])
}
