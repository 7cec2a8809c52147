//! A location's settings for records.

use api_sessions_extract::{ContextParam, Point};
use api_sessions_identity::{Hasher, Keys};
use api_sessions_redact::FullContent;

/// A location's settings for records.
#[derive(Clone, Copy)]
pub struct RecordOptions<'s> {
    /// Keys in force.
    pub keys: Keys<'s>,
    /// Context parameters.
    pub params: &'s [ContextParam],
    /// Points whose values are masked.
    pub masks: &'s [Point],
    /// Points whose values are shown in the content of a malicious request, whatever they look like.
    pub shown: &'s [Point],
    /// How much of a malicious request is shown.
    pub content: FullContent,
    /// Hashes parameters.
    pub hasher: &'s Hasher,
}
