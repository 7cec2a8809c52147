//! Limits: how much this crate accepts, keeps and reports.

/// Maximum length of a country, network or organisation in bytes; longer ones are truncated.
pub const MAX_TEXT_BYTES: usize = 128;
