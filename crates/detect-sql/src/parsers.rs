//! The SQL parser of libinjection. It is third-party code: a panic in it loses its finding, not the request,
//! and is counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) static SQLI: Parser =
    Parser::new(|text| libinjectionrs::detect_sqli(text).is_injection());

/// Panics caught since the process started, by type of attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParserPanics {
    /// SQL injection.
    pub sqli: u64,
}

impl ParserPanics {
    /// The current counts.
    pub fn count() -> Self {
        Self { sqli: SQLI.panics() }
    }
}

/// A parser, with the count of its panics.
pub(crate) struct Parser {
    is_injection: fn(&[u8]) -> bool,
    panics: AtomicU64,
}

impl Parser {
    const fn new(is_injection: fn(&[u8]) -> bool) -> Self {
        Self { is_injection, panics: AtomicU64::new(0) }
    }

    /// Whether the parser considers the text an attack. False after a panic.
    pub(crate) fn finds(&self, text: &[u8]) -> bool {
        catch_unwind(AssertUnwindSafe(|| (self.is_injection)(text))).unwrap_or_else(|_| {
            self.panics.fetch_add(1, Ordering::Relaxed);
            false
        })
    }

    fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_its_finding_and_is_counted_where_it_happened() {
        let (broken, whole) = (Parser::new(|text| text[0] == b'x'), Parser::new(|_| true));
        assert!(broken.finds(b"x") && broken.panics() == 0);
        assert!(!broken.finds(b"") && !broken.finds(b""));
        assert!(broken.finds(b"x") && whole.finds(b""));
        assert_eq!((broken.panics(), whole.panics()), (2, 0));
    }

    #[test]
    fn the_parser_finds_sql() {
        assert!(SQLI.finds(b"1' OR '1'='1"));
        assert!(!SQLI.finds(b"<p>"));
        assert_eq!(ParserPanics::count(), ParserPanics { sqli: 0 });
    }
}
