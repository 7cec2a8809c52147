//! Words that applications send where there is no session.

/// What applications put where there is no session: else all who send one would be one session.
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

/// Empty, or one of the words that stand for nothing.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    PLACEHOLDERS.iter().any(|placeholder| value.eq_ignore_ascii_case(placeholder))
}
