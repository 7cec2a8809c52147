//! Parses the lines of a batch: valid lines are stored, invalid ones are reported.

use std::borrow::Cow;

use ahash::AHashSet;
use api_sessions_protocol::Record;
use api_sessions_protocol::limits::MAX_RECORD_BYTES;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{AppError, brief};
use crate::limits::{
    MAX_AHEAD_MS, MAX_BATCH_ITEMS, MAX_BATCH_LINES, MAX_ID_BYTES, MAX_REASON_BYTES,
    MAX_REPORTED_LINES,
};
use api_sessions_store::NewRequest;
use api_sessions_store::path_template;

/// A parsed batch.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Valid lines.
    pub requests: Vec<NewRequest>,
    /// Number of invalid lines.
    pub rejected: u64,
    /// Number of valid lines older than the retention.
    pub expired: u64,
    /// The first invalid lines.
    pub errors: Vec<LineError>,
    /// For a truncated batch, the number of complete lines.
    pub cut: Option<u32>,
}

/// An invalid line.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineError {
    /// Its number, from 1.
    pub line: u64,
    /// Why it is invalid.
    pub reason: String,
}

/// The range of times that records may have.
#[derive(Debug, Clone, Copy)]
pub struct Period {
    /// Start of the retention (ms since 1970).
    pub oldest: u64,
    /// Current time (ms since 1970).
    pub now: u64,
}

/// Parses a batch of one record per line. `cut` means that the body was truncated.
///
/// # Errors
/// 413 if the batch exceeds [`MAX_BATCH_LINES`] or [`MAX_BATCH_ITEMS`].
pub fn parse(body: &[u8], cut: bool, period: Period) -> Result<Parsed, AppError> {
    let mut parsed = Parsed::default();
    let (mut count, mut items) = (0, 0);
    // Some producers on Windows write a byte order mark.
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
        if count > MAX_BATCH_LINES {
            return Err(AppError::too_large(format!(
                "more than {MAX_BATCH_LINES} lines in a batch"
            )));
        }
        let result = match read_line(line, number, period) {
            // Clearer than a syntax error at the end of the line.
            Err(_) if is_end => Err("the batch is truncated here".into()),
            other => other,
        };
        if is_end && result.is_ok() {
            // Truncated exactly after this line.
            parsed.cut = Some(number.saturating_add(1));
        }
        match result {
            Ok(Some(mut request)) => {
                items += items_of(&request.record);
                if items > MAX_BATCH_ITEMS {
                    let what = "parameters, attacks, evidence, links and headers in a batch";
                    return Err(AppError::too_large(format!("more than {MAX_BATCH_ITEMS} {what}")));
                }
                if request.record.attacks.len() > 1 {
                    // A type counts once per request.
                    let mut kinds = AHashSet::new();
                    request.record.attacks.retain(|kind| kinds.insert(kind.clone()));
                }
                parsed.requests.push(request);
            }
            Ok(None) => parsed.expired += 1,
            Err(reason) => {
                parsed.rejected += 1;
                if parsed.errors.len() < MAX_REPORTED_LINES {
                    let reason = brief(&reason, MAX_REASON_BYTES);
                    parsed.errors.push(LineError { line: n as u64 + 1, reason });
                }
            }
        }
    }
    Ok(parsed)
}

fn items_of(record: &Record<'_>) -> usize {
    let headers = record.request.as_ref().map_or(0, |full| full.headers.len());
    record.params.len()
        + record.attacks.len()
        + record.evidence.len()
        + record.links.len()
        + headers
}

/// Parses a line; `None` if the record is older than the retention.
fn read_line(line: &[u8], number: u32, period: Period) -> Result<Option<NewRequest>, String> {
    if line.len() > MAX_RECORD_BYTES {
        return Err(format!("longer than {MAX_RECORD_BYTES} bytes"));
    }
    if !line.starts_with(b"{") {
        // A derived `Deserialize` also accepts an array of the fields in order.
        return Err("not a JSON object: a line starts with `{`".into());
    }
    // Invalid UTF-8 is replaced rather than losing the record.
    let text = match std::str::from_utf8(line) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(line),
    };
    let record: Record<'_> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    for (name, value) in [("id", &record.id), ("session", &record.session)] {
        if value.is_empty() {
            return Err(format!("`{name}` is missing"));
        }
        if value.len() > MAX_ID_BYTES {
            return Err(format!("`{name}` is longer than {MAX_ID_BYTES} bytes"));
        }
        if value.chars().any(char::is_control) {
            return Err(format!("`{name}` contains control characters"));
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
    use proptest::strategy::Strategy;

    use super::*;

    const PERIOD: Period = Period { oldest: 1_000, now: 2_000 };

    fn line(ts: u64) -> String {
        format!(r#"{{"id":"r{ts}","session":"s","ts":{ts},"path":"/users/7","new_field":[1]}}"#)
    }

    #[test]
    fn invalid_lines_do_not_lose_the_valid_ones() {
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
        assert_eq!(parsed.errors[4].reason, "the batch is truncated here");
        assert_eq!(parsed.cut, Some(8));
    }

    #[test]
    fn a_batch_is_cut_after_its_last_complete_line() {
        let cut = |body: &str| parse(body.as_bytes(), true, PERIOD).unwrap().cut;
        let one = line(1_500);
        assert_eq!(cut(&one), Some(1));
        assert_eq!(cut(&format!("{one}\n")), Some(1));
        assert_eq!(cut(&format!("{one}\n{{\"id\"")), Some(1));
        assert_eq!(parse(one.as_bytes(), false, PERIOD).unwrap().cut, None);
    }

    #[test]
    fn invalid_utf8_does_not_lose_the_record() {
        let body = b"{\"id\":\"a\",\"session\":\"s\",\"ts\":1500,\"path\":\"/\xff\"}";
        assert_eq!(parse(body, false, PERIOD).unwrap().requests[0].record.path, "/\u{fffd}");
    }

    proptest::proptest! {
        #[test]
        fn every_line_is_accounted_for(
            lines in proptest::collection::vec(
                proptest::prop_oneof![
                    proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
                    (900..2_100_u64).prop_map(|ts| line(ts).into_bytes()),
                ],
                0..20,
            ),
            cut in proptest::prelude::any::<bool>(),
        ) {
            let body = lines.join(&b'\n');
            let parsed = parse(&body, cut, PERIOD).unwrap();
            let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&body);
            let all = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            let found = parsed.requests.len() as u64 + parsed.rejected + parsed.expired;
            proptest::prop_assert_eq!(all.count() as u64, found);
            proptest::prop_assert!(parsed.errors.len() as u64 == parsed.rejected.min(MAX_REPORTED_LINES as u64));
            proptest::prop_assert_eq!(parsed.cut.is_some(), cut);
        }
    }
}
