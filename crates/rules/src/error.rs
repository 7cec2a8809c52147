//! Errors of invalid rules.

/// Names the invalid word and what is accepted, in the style of NGINX. Nodes and the cloud use the same
/// messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RuleError(pub(crate) String);

impl RuleError {
    /// `invalid WHAT "word": ACCEPTED is accepted`.
    pub(crate) fn invalid(what: &str, word: &str, accepted: &str) -> Self {
        Self(format!("invalid {what} \"{word}\": {accepted} is accepted"))
    }

    /// The same error with the name of the rule, for lists of rules.
    pub(crate) fn of_rule(self, name: &str) -> Self {
        Self(format!("rule \"{name}\": {}", self.0))
    }
}
