//! Limits: how much this crate accepts, keeps and reports.

// `clean`
/// Maximum number of values without findings that are remembered.
pub(crate) const MAX_CLEAN_VALUES: usize = 16;
/// Maximum length of a remembered value with its name, bytes.
pub(crate) const MAX_CLEAN_BYTES: usize = 512;

// `find::code`
/// Maximum number of bytes of a file that are inspected.
pub(crate) const MAX_FILE_BYTES: usize = 64 * 1024;

// `find::lines`
/// Maximum number of line breaks that are inspected.
pub(crate) const MAX_LINE_BREAKS: usize = 64;

// `find::shell`
/// Maximum number of separators after which a command is looked for.
pub(crate) const MAX_SEPARATORS: usize = 512;

// `finding`
/// Longest raw value that a finding keeps, bytes.
pub const MAX_RAW_BYTES: usize = 4096;

/// Maximum number of values of a request that are inspected; values without anything suspicious do not count.
/// The rest is skipped.
pub const MAX_FIELDS: usize = 512;
/// Inspected bytes of a value; the rest is skipped.
pub const MAX_FIELD_BYTES: usize = 256 * 1024;
