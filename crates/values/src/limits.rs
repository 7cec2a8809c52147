//! Limits: how much this crate accepts, keeps and reports.

// `forms::base64`
/// Minimum length of base64 that is decoded, bytes.
pub(crate) const MIN_BASE64_BYTES: usize = 10;
/// Minimum length of a quoted string that is decoded, bytes.
pub(crate) const MIN_QUOTED_BASE64_BYTES: usize = 12;

// `forms`
/// Maximum number of forms of a value.
pub const MAX_FORMS: usize = 8;
/// Maximum number of forms of a long value.
pub(crate) const MAX_LONG_FORMS: usize = 3;

// `input`
/// Maximum length of a name that is kept, bytes.
pub const MAX_NAME_BYTES: usize = 128;
