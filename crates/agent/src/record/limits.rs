//! How long the parts of a record may be.

use std::borrow::Cow;

/// Longest exported path, bytes.
pub const MAX_PATH_BYTES: usize = 4096;
/// Longest exported `User-Agent`, host, application, bytes.
pub const MAX_FIELD_BYTES: usize = 1024;
/// Longest exported value of a parameter, bytes; what is cut is marked `truncated`.
pub const MAX_VALUE_BYTES: usize = 2048;

/// Text of at most `limit` bytes of the server's; bytes that are not UTF-8 become U+FFFD.
pub(super) fn text(bytes: &[u8], limit: usize) -> Cow<'_, str> {
    let bytes = cut(bytes, limit);
    // Nearly always: the check is several times faster than the replacement.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// At most `limit` bytes, without half a character at the end.
pub(super) fn cut(bytes: &[u8], limit: usize) -> &[u8] {
    if bytes.len() <= limit {
        return bytes;
    }
    let is_inner = |at: usize| bytes[at] & 0xC0 == 0x80;
    let end = (limit.saturating_sub(3)..=limit).rev().find(|at| !is_inner(*at)).unwrap_or(limit);
    &bytes[..end]
}
