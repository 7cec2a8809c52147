//! Length limits of a record's parts.

/// Longest exported path, bytes.
pub const MAX_PATH_BYTES: usize = 4096;
/// Longest exported `User-Agent`, host, application, bytes.
pub const MAX_FIELD_BYTES: usize = 1024;
/// Longest exported value of a parameter, bytes; a longer one is cut and marked `truncated`.
pub const MAX_VALUE_BYTES: usize = 2048;
