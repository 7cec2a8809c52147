//! Limits: how much this crate accepts, keeps and reports.

// `hello`
/// Maximum length of `legacy_session_id` in bytes.
pub(crate) const MAX_SESSION_ID_BYTES: usize = 32;

// `ja4`
/// Maximum length of a raw form in bytes: about 1,600 ciphers, extensions and signature algorithms, twenty times as
/// many as a browser sends.
pub const MAX_RAW_BYTES: usize = 8 * 1024;
/// Cap on counts in JA4_a.
pub(crate) const MAX_JA4_COUNT: usize = 99;
