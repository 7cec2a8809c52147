//! Text limited to a length.

use std::borrow::Cow;

/// Text of at most `limit` bytes; invalid UTF-8 is replaced with U+FFFD.
pub(crate) fn text(bytes: &[u8], limit: usize) -> Cow<'_, str> {
    let bytes = cut(bytes, limit);
    // Text is nearly always valid, and the check is several times faster than the replacement.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The first `limit` bytes at most, without a partial UTF-8 character at the end.
pub fn cut(bytes: &[u8], limit: usize) -> &[u8] {
    if bytes.len() <= limit {
        return bytes;
    }
    let is_inner = |at: usize| bytes[at] & 0xC0 == 0x80;
    let end = (limit.saturating_sub(3)..=limit).rev().find(|at| !is_inner(*at)).unwrap_or(limit);
    &bytes[..end]
}
