//! Values that identify a session, and the part of them that does.

use super::jwt;
use super::placeholder::is_placeholder;
use super::state::holds_state;
use crate::limits::{MAX_BUILTIN_VALUE_BYTES, MIN_BUILTIN_VALUE_BYTES};
use crate::percent;

/// Whether a value has a valid length and is no placeholder.
pub(super) fn has_length(value: &[u8]) -> bool {
    (MIN_BUILTIN_VALUE_BYTES..=MAX_BUILTIN_VALUE_BYTES).contains(&value.len())
        && !is_placeholder(value)
}

/// As [`has_length`], and the value is neither state nor a JWT, of which only claims count.
pub(super) fn identifies(value: &[u8]) -> bool {
    has_length(value) && !jwt::is_raw(value) && !holds_state(value)
}

/// The part of a cookie or path parameter that stays the same during a session.
pub(super) fn stable_part<'v>(
    lower_case_name: &[u8],
    value: &'v [u8],
    buffer: &'v mut Vec<u8>,
) -> Option<&'v [u8]> {
    if jwt::is_raw(value) {
        // Cutting could hide that it is a JWT, and leave only a part that is the same for all users.
        return None;
    }
    let name = lower_case_name;
    // The node follows a dot or an exclamation mark; it changes on fail-over.
    if name.starts_with(b"jsessionid") || name == b"auth_session_id" {
        return value.split(|byte| matches!(byte, b'.' | b'!')).next();
    }
    // `s:ID.signature`, percent-encoded.
    if name == b"connect.sid" {
        let decoded = percent::decode(value, false, buffer)?;
        return match decoded.strip_prefix(b"s:") {
            Some(signed) => signed.split(|byte| *byte == b'.').next(),
            None => Some(decoded),
        };
    }
    // `customer||expires||expiring||hash`, percent-encoded.
    if name.starts_with(b"wp_woocommerce_session_") {
        return percent::decode(value, false, buffer)?.split(|byte| *byte == b'|').next();
    }
    Some(value)
}

/// Copies a value if it identifies a session. Returns whether it does.
pub(super) fn take(value: Option<&[u8]>, found: &mut Vec<u8>) -> bool {
    match value.map(<[u8]>::trim_ascii).filter(|value| identifies(value)) {
        Some(value) => {
            found.extend_from_slice(value);
            true
        }
        None => false,
    }
}
