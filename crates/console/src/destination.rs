//! The page to open after a login: the one that was requested.

use axum::http::Uri;

use crate::limits::MAX_DESTINATION_BYTES;

/// A path and query below the Console's address, without its prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination(String);

impl Destination {
    /// The destination for `uri`.
    pub(super) fn of(uri: &Uri) -> Destination {
        Self::checked(uri.path_and_query().map_or("/", |target| target.as_str()))
    }

    /// A path from the browser, or `/` if it could lead elsewhere: a URL resolver takes `//host` and `/\host`
    /// for another host, drops tabs and newlines, and follows `..` out of a prefix.
    pub(super) fn checked(text: &str) -> Destination {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let is_plain = text.len() <= MAX_DESTINATION_BYTES
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>#".contains(&byte));
        let mut segments = path.split('/');
        let is_safe = is_plain
            && segments.next() == Some("")
            && path.starts_with('/')
            && !path.starts_with("//")
            && !segments.any(is_dots);
        // The login is not a destination: it would be shown again.
        let is_page = !matches!(path, "/login" | "/logout");
        Destination(if is_safe && is_page { text.to_owned() } else { "/".to_owned() })
    }

    /// The path and query.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is not the first page, where a login leads by default.
    pub(super) fn is_stated(&self) -> bool {
        self.0 != "/"
    }
}

/// `.` or `..`, also percent-encoded.
fn is_dots(segment: &str) -> bool {
    let dots = segment.to_ascii_lowercase().replace("%2e", ".");
    matches!(dots.as_str(), "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_console_are_destinations() {
        for kept in [
            "/nodes",
            "/sessions/0123?from=1&to=2",
            "/?user=a%20b&ip=%2F%2Fevil.example",
            "/requests/x?next=//evil.example",
            "/a//b",
            "/...",
        ] {
            assert_eq!(Destination::checked(kept).as_str(), kept);
            assert_eq!(Destination::of(&kept.parse().unwrap()).as_str(), kept);
        }
        for lost in [
            "",
            "nodes",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/x\\..\\..",
            "https://evil.example/",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n/evil.example",
            " /nodes",
            "/nodes\r\nSet-Cookie: a=b",
            "/../other",
            "/x/../../other",
            "/%2e%2E/other",
            "/.//evil.example",
            "/%2e/x",
            "/nodes#x",
            "/é",
            "/login",
            "/login?next=/nodes",
            "/logout",
            &format!("/{}", "x".repeat(MAX_DESTINATION_BYTES)),
        ] {
            assert_eq!(Destination::checked(lost).as_str(), "/", "{lost}");
        }
    }

    #[test]
    fn no_destination_leads_to_another_host() {
        let letters = ["/", "\\", ".", "%2e", "%5c", "x", ":", "@", "?", "\t"];
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            let longer = |text: &String| letters.map(|letter| format!("{text}{letter}"));
            texts = texts.iter().flat_map(longer).collect();
            for text in &texts {
                let found = Destination::checked(text);
                let path = found.as_str().split('?').next().unwrap();
                assert!(path.starts_with('/') && !path.starts_with("//"), "{text}");
                assert!(!path.contains('\\') && !path.split('/').any(is_dots), "{text}");
            }
        }
    }
}
