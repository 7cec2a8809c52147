//! Rules that fired for a request or refused it, and their totals on this node.

use std::rc::Rc;

use api_sessions_rules::{Counts, NodeRule, Reaction};
use smallvec::SmallVec;

use super::counts::NodeCounts;
use crate::directives::{Analysis, MainConf};

/// Hash seed of these totals, distinct from that of any rule's counts.
const HITS: u64 = 0x6869_7473_0000_0000;

/// A rule that fired with a request, or that refused it. It refers to the rule, so that nothing is allocated for it.
pub(crate) struct Hit {
    analysis: Rc<Analysis>,
    /// Its place in the rules of the analysis.
    at: usize,
    pub(crate) count: u64,
    pub(crate) enforced: bool,
    refused: bool,
}

/// The hits of a request: nearly always one or two.
pub(crate) type Hits = SmallVec<[Hit; 2]>;

impl Hit {
    pub(super) fn fired(analysis: &Rc<Analysis>, at: usize, count: u64) -> Self {
        Self { analysis: analysis.clone(), at, count, enforced: false, refused: false }
    }

    pub(super) fn refused(analysis: &Rc<Analysis>, at: usize, count: u64) -> Self {
        Self { enforced: true, refused: true, ..Self::fired(analysis, at, count) }
    }

    fn rule(&self) -> Option<&NodeRule> {
        self.analysis.rules().get(self.at)
    }

    pub(crate) fn name(&self) -> &str {
        self.rule().map_or("", |one| one.rule.name())
    }

    /// Its reactions as configured.
    pub(crate) fn then(&self) -> &str {
        self.rule().map_or("", |one| one.rule.then_text())
    }

    /// `rule:NAME`, if it fired and marks.
    pub(crate) fn mark(&self) -> Option<&str> {
        let one = self.rule().filter(|_| !self.refused)?;
        one.rule.then.contains(&Reaction::Mark).then_some(&*one.mark)
    }
}

/// Counts a rule that fired.
pub(super) fn count_fired(counts: &NodeCounts<'_>, name: &str, now_ms: u64) {
    counts.update(key(counts, name), now_ms, |words| words[0] += 1);
}

/// Counts a refusal by a rule.
pub(super) fn count_refused(counts: &NodeCounts<'_>, name: &str, now_ms: u64) {
    counts.update(key(counts, name), now_ms, |words| words[1] += 1);
}

fn key(counts: &NodeCounts<'_>, name: &str) -> u64 {
    counts.hash(HITS, name.as_bytes())
}

/// Requests for which a rule fired and requests that it refused, on this node.
pub(crate) fn figures(main: &MainConf, name: &str) -> (u64, u64) {
    let Some(counts) = main.runtime().rule_counts() else { return (0, 0) };
    let words = counts.read(counts.hash(HITS, name.as_bytes())).unwrap_or_default();
    (words[0], words[1])
}
