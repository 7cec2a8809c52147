//! Lines to requests: each good line counts, each bad one is told.

use std::borrow::Cow;

use ahash::AHashSet;
use api_sessions_protocol::{MAX_RECORD_BYTES, Record};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{AppError, brief};
use api_sessions_store::NewRequest;
use api_sessions_store::path_template;

/// Bad lines of a batch that are told one by one.
pub const MAX_TOLD: usize = 20;

/// Longest `id` and `session`, bytes.
const MAX_ID: usize = 128;

/// Most lines of a batch. A line of 30 bytes becomes a record of 1 kB: without this, a small body would
/// fill the memory.
pub const MAX_LINES: usize = 50_000;

/// Most parameters, attacks and headers in all records of a batch, for the same reason. A single line
/// cannot hold as many, so that a batch cut in halves passes in the end.
pub const MAX_ITEMS: usize = 500_000;

/// Longest reason that is told, bytes: it may quote the record.
const MAX_REASON: usize = 200;

/// How far ahead of this clock a record may be, ms.
const MAX_AHEAD_MS: u64 = 24 * 3600 * 1000;

/// A batch that was read.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The good lines.
    pub requests: Vec<NewRequest>,
    /// Bad lines.
    pub rejected: u64,
    /// Good lines older than what is kept.
    pub expired: u64,
    /// The first bad lines.
    pub errors: Vec<LineError>,
    /// Of a batch that was cut: how many lines came whole.
    pub cut: Option<u32>,
}

/// An invalid line.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineError {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// The time that records may be of.
#[derive(Debug, Clone, Copy)]
pub struct Period {
    /// Older ones would be deleted at once (ms since 1970).
    pub oldest: u64,
    /// This clock (ms since 1970).
    pub now: u64,
}

/// Reads a batch, one record a line.
///
/// # Errors
/// 413 where it has more lines than are taken at a time.
pub fn parse(body: &[u8], cut: bool, period: Period) -> Result<Parsed, AppError> {
    let mut parsed = Parsed::default();
    let (mut count, mut items) = (0, 0);
    // Windows programs put a byte order mark in front.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let mut lines = body.split(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((n, line)) = lines.next() {
        let number = u32::try_from(n).unwrap_or(u32::MAX);
        let is_end = cut && lines.peek().is_none();
        if is_end {
            parsed.cut = Some(number);
        }
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        count += 1;
        if count > MAX_LINES {
            return Err(AppError::too_large(format!("more than {MAX_LINES} lines in a batch")));
        }
        let result = match read_line(line, number, period) {
            // Said as it is, not as JSON that ends too early.
            Err(_) if is_end => Err("the batch is cut here".into()),
            other => other,
        };
        if is_end && result.is_ok() {
            // The cut was just behind it.
            parsed.cut = Some(number.saturating_add(1));
        }
        match result {
            Ok(Some(mut request)) => {
                items += items_of(&request.record);
                if items > MAX_ITEMS {
                    let what = "parameters, attacks and headers in a batch";
                    return Err(AppError::too_large(format!("more than {MAX_ITEMS} {what}")));
                }
                if request.record.attacks.len() > 1 {
                    // A type counts once a request, however often it was found.
                    let mut kinds = AHashSet::new();
                    request.record.attacks.retain(|kind| kinds.insert(kind.clone()));
                }
                parsed.requests.push(request);
            }
            Ok(None) => parsed.expired += 1,
            Err(reason) => {
                parsed.rejected += 1;
                if parsed.errors.len() < MAX_TOLD {
                    let reason = brief(&reason, MAX_REASON);
                    parsed.errors.push(LineError { line: n as u64 + 1, reason });
                }
            }
        }
    }
    Ok(parsed)
}

fn items_of(record: &Record<'_>) -> usize {
    let headers = record.request.as_ref().map_or(0, |full| full.headers.len());
    record.params.len() + record.attacks.len() + headers
}

/// `None`: it is older than what is kept.
fn read_line(line: &[u8], number: u32, period: Period) -> Result<Option<NewRequest>, String> {
    if line.len() > MAX_RECORD_BYTES {
        return Err(format!("longer than {MAX_RECORD_BYTES} bytes"));
    }
    if !line.starts_with(b"{") {
        // A list of values in the order of the fields would be read as well.
        return Err("not a JSON object: a line begins with `{`".into());
    }
    // Bytes that are not UTF-8 do not lose the record.
    let text = match std::str::from_utf8(line) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(line),
    };
    let record: Record<'_> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    for (name, value) in [("id", &record.id), ("session", &record.session)] {
        if value.is_empty() {
            return Err(format!("`{name}` is missing"));
        }
        if value.len() > MAX_ID {
            return Err(format!("`{name}` is longer than {MAX_ID} bytes"));
        }
        if value.chars().any(char::is_control) {
            return Err(format!("`{name}` holds control characters"));
        }
    }
    if record.ts == 0 {
        return Err("`ts` is missing".into());
    }
    if record.ts > period.now.saturating_add(MAX_AHEAD_MS) {
        return Err("`ts` is more than a day ahead of this clock".into());
    }
    if record.ts < period.oldest {
        return Ok(None);
    }
    let endpoint = path_template::endpoint(&record.path);
    Ok(Some(NewRequest { record: record.into_owned(), endpoint, line: number }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Period = Period { oldest: 1_000, now: 2_000 };

    fn line(ts: u64) -> String {
        format!(r#"{{"id":"r{ts}","session":"s","ts":{ts},"path":"/users/7","new_field":[1]}}"#)
    }

    #[test]
    fn good_lines_are_not_lost() {
        let body = [
            line(1_500).as_str(),
            "",
            "not json",
            r#"{"id":"a","session":"s","ts":"text"}"#,
            r#"{"session":"s","ts":1500}"#,
            &line(999),
            &line(2_000 + MAX_AHEAD_MS + 1),
            &line(1_600),
            r#"{"id":"#,
        ]
        .join("\r\n");
        let parsed = parse(body.as_bytes(), true, PERIOD).unwrap();
        assert_eq!(parsed.requests.len(), 2);
        assert_eq!(parsed.requests[0].endpoint, "/users/{int}");
        assert_eq!((parsed.rejected, parsed.expired), (5, 1));
        let lines: Vec<_> = parsed.errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [3, 4, 5, 7, 9]);
        assert_eq!(parsed.errors[4].reason, "the batch is cut here");
        assert_eq!(parsed.cut, Some(8));
    }

    #[test]
    fn a_cut_is_behind_the_last_line_that_came_whole() {
        let cut = |body: &str| parse(body.as_bytes(), true, PERIOD).unwrap().cut;
        let one = line(1_500);
        assert_eq!(cut(&one), Some(1));
        assert_eq!(cut(&format!("{one}\n")), Some(1));
        assert_eq!(cut(&format!("{one}\n{{\"id\"")), Some(1));
        assert_eq!(parse(one.as_bytes(), false, PERIOD).unwrap().cut, None);
    }

    #[test]
    fn bytes_that_are_not_utf8_do_not_lose_the_record() {
        let body = b"{\"id\":\"a\",\"session\":\"s\",\"ts\":1500,\"path\":\"/\xff\"}";
        assert_eq!(parse(body, false, PERIOD).unwrap().requests[0].record.path, "/\u{fffd}");
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = parse(&body, false, PERIOD);
        }
    }
}
