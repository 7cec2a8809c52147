//! Limits: how much this crate accepts, keeps and reports.

/// Longest value that is given to libinjection, bytes.
pub(crate) const MAX_PARSED_BYTES: usize = 512;

// `tokens`
/// Maximum number of tokens of a value. Of a run of plain words, the first two and the last are kept.
pub(crate) const MAX_TOKENS: usize = 8192;
