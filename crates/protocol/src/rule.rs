//! A session rule, as the words of its directive.

use serde::{Deserialize, Serialize};

/// A rule: the words of `session_rule` as fields, each in the spelling of the directive.
///
/// The crate `api-sessions-rules` parses and checks them.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionRule {
    /// 1 to 64 of letters, digits, `_` and `-`.
    pub name: String,
    /// `[METHOD[,METHOD]:]PATH`; absent: every request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Conditions, joined by `;`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What is counted; absent: `requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<String>,
    /// `N/TIME`.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub over: String,
    /// Whose requests are counted together; absent: `session`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<String>,
    /// Reactions, joined by `,`; absent: `mark`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
    /// `monitor`, `enforce` or `off`; absent: `monitor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// `on` is refused: a count is its node's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<String>,
}
