//! Sizes and times in NGINX's spelling.

use ngx::ffi::{self, ngx_str_t};

/// `16m`, `512k`, `4096`: bytes (`ngx_parse_size`).
pub fn parse_size(text: &str) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    let mut line = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
    // SAFETY: the function reads `len` bytes, of which there is at least one, and changes nothing.
    let size = unsafe { ffi::ngx_parse_size(&mut line) };
    usize::try_from(size).ok()
}

/// `2g`, `16m`, `4096`: bytes of files (`ngx_parse_offset`).
pub fn parse_offset(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut line = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
    // SAFETY: as above.
    let size = unsafe { ffi::ngx_parse_offset(&mut line) };
    u64::try_from(size).ok()
}

/// `24h`, `500ms`, `1m 30s`: milliseconds (`ngx_parse_time`).
pub fn parse_time_ms(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut line = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
    // SAFETY: as above.
    let ms = unsafe { ffi::ngx_parse_time(&mut line, 0) };
    u64::try_from(ms).ok()
}
