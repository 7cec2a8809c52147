//! Values that applications send if there is no session.

/// Without this list, all clients that send one of these values would share a session.
const PLACEHOLDERS: &[&[u8]] = &[
    b"",
    b"null",
    b"undefined",
    b"none",
    b"deleted",
    b"guest",
    b"anonymous",
    b"true",
    b"false",
    b"0",
    b"-",
];

/// Whether a value is empty or one of the placeholders.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    PLACEHOLDERS.iter().any(|placeholder| value.eq_ignore_ascii_case(placeholder))
}
