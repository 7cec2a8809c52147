//! The rules in effect in a location.

use api_sessions_extract::{Needs, NoVariables};

use crate::pack::default_pack;
use crate::reaction::{Mode, Reaction};
use crate::rule::{Rule, parse_all};
use crate::scopes::{RuleBits, Scopes};

/// A rule with the attack type of the requests that it marks.
pub struct NodeRule {
    /// As it was written.
    pub rule: Rule,
    /// `rule:NAME`.
    pub mark: String,
}

/// The rules of nginx.conf, then those of the cloud, then those of the default pack, without rules that are
/// off.
#[derive(Default)]
pub struct RuleSet {
    rules: Vec<NodeRule>,
    scopes: Scopes,
    /// Enforced rules that limit.
    limits: RuleBits,
    /// Whether an enforced rule denies sessions or addresses.
    denies: bool,
    needs: Needs,
}

impl RuleSet {
    /// Combines the rules `written` in nginx.conf, the rules of the cloud and the default pack. Of rules with
    /// the same name, the first one counts, even if it is off.
    pub fn new(written: &[Rule], with_default: bool, cloud: &[Rule]) -> Self {
        let pack = with_default.then(|| parse_all(&default_pack(), &mut NoVariables));
        let pack = pack.and_then(Result::ok).unwrap_or_default();
        let mut names = Vec::new();
        let mut rules: Vec<NodeRule> = Vec::new();
        for rule in written.iter().chain(cloud).chain(&pack) {
            if names.contains(&rule.name()) {
                continue;
            }
            names.push(rule.name());
            if rule.mode != Mode::Off {
                let mark = format!("rule:{}", rule.name());
                rules.push(NodeRule { rule: rule.clone(), mark });
            }
        }
        let enforced = |at: usize, of_kind: fn(&Reaction) -> bool| {
            rules
                .get(at)
                .is_some_and(|one| one.rule.enforces() && one.rule.then.iter().any(of_kind))
        };
        let limits = (0..rules.len().min(128))
            .filter(|at| enforced(*at, |reaction| matches!(reaction, Reaction::Limit(_))))
            .fold(0, |bits, at| bits | 1 << at);
        let denies = (0..rules.len()).any(|at| {
            enforced(at, |reaction| matches!(reaction, Reaction::Deny(_) | Reaction::DenyIp(_)))
        });
        let mut needs = rules.iter().fold(Needs::default(), |needs, one| needs | one.rule.needs());
        needs.request_body |= rules.iter().any(|one| one.rule.reads_parameters());
        let scopes = Scopes::new(rules.iter().map(|one| &one.rule));
        Self { rules, scopes, limits: RuleBits(limits), denies, needs }
    }

    /// Whether the set has no rules.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether an enforced rule limits.
    #[inline]
    pub fn limits(&self) -> bool {
        !self.limits.is_empty()
    }

    /// Whether an enforced rule denies sessions or addresses.
    #[inline]
    pub fn denies(&self) -> bool {
        self.denies
    }

    /// All rules, in order.
    pub fn iter(&self) -> impl Iterator<Item = &NodeRule> {
        self.rules.iter()
    }

    /// The parts of an exchange that the rules read.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Positions of the rules whose scope a request is in.
    #[inline]
    pub fn matches(&self, method: &[u8], path: &[u8]) -> RuleBits {
        self.scopes.matches(method, path)
    }

    /// Positions of those of [`Self::matches`] that limit.
    #[inline]
    pub fn limiting(&self, method: &[u8], path: &[u8]) -> RuleBits {
        RuleBits(self.matches(method, path).0 & self.limits.0)
    }

    /// The rule at a position.
    #[inline]
    pub fn get(&self, at: usize) -> Option<&NodeRule> {
        self.rules.get(at)
    }
}
