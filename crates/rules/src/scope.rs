//! `on=[METHOD[,METHOD]:]PATH`: the scope of a rule.

use crate::RuleError;
use crate::limits::{MAX_METHODS, MAX_PATTERN_SEGMENTS};

/// Methods and a path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Methods; empty: any.
    pub methods: Vec<Box<[u8]>>,
    /// Path pattern, segment by segment.
    pub path: Vec<Pattern>,
}

/// A segment of a path pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// This exact segment.
    Literal(Box<[u8]>),
    /// `*`: any non-empty segment.
    One,
    /// `**`: any number of segments, also none.
    Any,
}

const ACCEPTED: &str = "\"[METHOD[,METHOD]:]PATH\" with a path that begins with \"/\", as in \"on=POST:/users/*/login\",";

impl Scope {
    pub(crate) fn parse(text: &str) -> Result<Self, RuleError> {
        let word = format!("on={text}");
        let invalid = |accepted: &str| RuleError::invalid("parameter", &word, accepted);
        let (methods, path) = match text.split_once(':') {
            Some((methods, path)) if !text.starts_with('/') => (methods, path),
            _ => ("", text),
        };
        let mut found = Vec::new();
        for method in methods.split(',').filter(|_| !methods.is_empty()) {
            if method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
                return Err(invalid("a method in capital letters, as in \"on=GET,POST:/path\","));
            }
            found.push(method.as_bytes().into());
        }
        if found.len() > MAX_METHODS {
            return Err(invalid("at most 16 methods"));
        }
        let segments = path.strip_prefix('/').ok_or_else(|| invalid(ACCEPTED))?;
        if path.bytes().any(|byte| byte < 0x20 || byte == b'?') {
            return Err(invalid("a path without \"?\" and control characters"));
        }
        let is_escape = |at: &[u8]| matches!(at, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
        if path.as_bytes().windows(3).any(is_escape) {
            return Err(invalid("a path that is percent-decoded, as it is compared,"));
        }
        let mut pattern = Vec::new();
        for segment in segments.split('/') {
            let next = match segment {
                "*" => Pattern::One,
                "**" => Pattern::Any,
                other if other.contains('*') => {
                    return Err(invalid(
                        "\"*\" for a whole segment, or \"**\" for any number of them,",
                    ));
                }
                other => Pattern::Literal(other.as_bytes().into()),
            };
            // `/**/**` is the same as `/**`.
            if next != Pattern::Any || pattern.last() != Some(&Pattern::Any) {
                pattern.push(next);
            }
        }
        if pattern.len() > MAX_PATTERN_SEGMENTS {
            return Err(invalid("a path of at most 32 segments"));
        }
        Ok(Self { methods: found, path: pattern })
    }

    /// Whether a request is in the scope. `path` must be normalized ([`crate::normalize`]). [`crate::Scopes`]
    /// does the same for many scopes at once.
    pub fn matches(&self, method: &[u8], path: &[u8]) -> bool {
        let any = self.methods.is_empty();
        let rest = path.strip_prefix(b"/");
        (any || self.methods.iter().any(|known| **known == *method))
            && rest.is_some_and(|rest| {
                let segments: Vec<&[u8]> = rest.split(|byte| *byte == b'/').collect();
                matches(&self.path, &segments)
            })
    }
}

fn matches(pattern: &[Pattern], path: &[&[u8]]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((Pattern::Any, rest)), _) => {
            (0..=path.len()).any(|skip| path.get(skip..).is_some_and(|path| matches(rest, path)))
        }
        (Some((Pattern::One, pattern)), Some((first, path))) => {
            !first.is_empty() && matches(pattern, path)
        }
        (Some((Pattern::Literal(text), pattern)), Some((first, path))) => {
            **text == **first && matches(pattern, path)
        }
        _ => false,
    }
}
