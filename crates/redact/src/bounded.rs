//! Text of the server's, cut to a length.

use std::borrow::Cow;

/// Text of at most `limit` bytes; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn text(bytes: &[u8], limit: usize) -> Cow<'_, str> {
    let bytes = cut(bytes, limit);
    // Nearly always: the check is several times faster than the replacement.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// At most `limit` bytes, without half a character at the end.
pub fn cut(bytes: &[u8], limit: usize) -> &[u8] {
    if bytes.len() <= limit {
        return bytes;
    }
    let is_inner = |at: usize| bytes[at] & 0xC0 == 0x80;
    let end = (limit.saturating_sub(3)..=limit).rev().find(|at| !is_inner(*at)).unwrap_or(limit);
    &bytes[..end]
}
