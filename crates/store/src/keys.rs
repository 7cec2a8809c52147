//! Figures of session keys, and decisions about them.

use api_sessions_protocol::DemotedKey;
use serde::{Deserialize, Serialize};

/// Figures of an application's keys within a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyWindow {
    /// Start of the window, ms since 1970.
    pub start: u64,
    /// The application; empty: none.
    pub application: String,
    /// The figures, in JSON.
    pub document: String,
}

/// A key of an application.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyOf {
    /// The application; empty: none.
    pub application: String,
    /// Label of the key, or point of a candidate.
    pub name: String,
}

/// Decisions about keys, by verdicts and by people.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyDecisions {
    /// Demoted built-in keys, which nodes do not use.
    #[serde(default)]
    pub demoted: Vec<DemotedKey>,
    /// Keys that are never demoted, since somebody undid their demotion.
    #[serde(default)]
    pub kept: Vec<KeyOf>,
    /// Dismissed suggestions.
    #[serde(default)]
    pub dismissed: Vec<KeyOf>,
}
