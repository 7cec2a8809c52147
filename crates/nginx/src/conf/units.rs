//! Sizes and times in NGINX's syntax.

use ngx::ffi::{self, ngx_str_t};

/// Parses a size such as `16m`, `512k` or `4096` into bytes (`ngx_parse_size`).
pub fn parse_size(text: &str) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    let mut line = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
    // SAFETY: the function reads `len` bytes, at least one, and modifies nothing.
    let size = unsafe { ffi::ngx_parse_size(&mut line) };
    usize::try_from(size).ok()
}

/// Parses a file size such as `2g`, `16m` or `4096` into bytes (`ngx_parse_offset`).
pub fn parse_offset(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut line = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
    // SAFETY: as above.
    let size = unsafe { ffi::ngx_parse_offset(&mut line) };
    u64::try_from(size).ok()
}

/// Parses a time such as `24h`, `500ms` or `1m 30s` into milliseconds (`ngx_parse_time`).
pub fn parse_time_ms(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut line = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
    // SAFETY: as above.
    let ms = unsafe { ffi::ngx_parse_time(&mut line, 0) };
    u64::try_from(ms).ok()
}
