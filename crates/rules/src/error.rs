//! Why words are no rule.

/// Names the word and what would be accepted, in NGINX's idioms. A node and the cloud say the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuleError(pub(crate) String);

impl RuleError {
    /// `invalid WHAT "word": ACCEPTED is accepted`.
    pub(crate) fn invalid(what: &str, word: &str, accepted: &str) -> Self {
        Self(format!("invalid {what} \"{word}\": {accepted} is accepted"))
    }

    /// The same of a rule with this name, for lists of rules.
    pub(crate) fn of_rule(self, name: &str) -> Self {
        Self(format!("rule \"{name}\": {}", self.0))
    }
}
