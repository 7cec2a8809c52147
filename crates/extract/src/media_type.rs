//! The kind of a body, by its `Content-Type`.

/// Types of bodies that this crate can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`.
    Multipart,
    /// `application/json`, `text/json`, any other `…/json`, and `…+json` (RFC 6838, structured syntax suffix).
    Json,
    /// No type was sent; clients forget it.
    Unstated,
    /// Any other.
    Other,
}

impl MediaType {
    /// The type in a `Content-Type` with any parameters; [`Self::Unstated`] if that is empty.
    pub fn of(content_type: &[u8]) -> Self {
        let essence = essence(content_type);
        let is = |other: &[u8]| essence.eq_ignore_ascii_case(other);
        let ends_with = |suffix: &[u8]| {
            let start = essence.len().checked_sub(suffix.len());
            start
                .and_then(|start| essence.get(start..))
                .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
        };
        if essence.is_empty() {
            Self::Unstated
        } else if ends_with(b"/json") || ends_with(b"+json") {
            Self::Json
        } else if is(b"application/x-www-form-urlencoded") {
            Self::Form
        } else if is(b"multipart/form-data") {
            Self::Multipart
        } else {
            Self::Other
        }
    }
}

/// Type and subtype, without parameters.
pub fn essence(content_type: &[u8]) -> &[u8] {
    content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart() {
        for (text, expected) in [
            ("", MediaType::Unstated),
            (" ; charset=utf-8", MediaType::Unstated),
            ("application/json", MediaType::Json),
            ("Application/JSON; charset=utf-8", MediaType::Json),
            ("application/problem+json", MediaType::Json),
            ("text/json", MediaType::Json),
            ("application/jsonp", MediaType::Other),
            ("json", MediaType::Other),
            ("application/x-www-form-urlencoded ; x", MediaType::Form),
            ("multipart/form-data; boundary=x", MediaType::Multipart),
            ("multipart/mixed", MediaType::Other),
            ("application/grpc", MediaType::Other),
        ] {
            assert_eq!(MediaType::of(text.as_bytes()), expected, "{text}");
        }
    }
}
