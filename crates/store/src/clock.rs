//! Milliseconds since 1970, and how people write them.

use std::time::{SystemTime, UNIX_EPOCH};

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Now, ms since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// `ts` (ms since 1970) as `2026-11-23T20:15:00.123Z`; the number if it is out of RFC 3339's range.
pub fn rfc3339(ts: u64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ts) * 1_000_000)
        .ok()
        .and_then(|time| time.to_offset(UtcOffset::UTC).format(&Rfc3339).ok())
        .unwrap_or_else(|| ts.to_string())
}

/// Like [`rfc3339`], but always with milliseconds, so that such texts sort.
pub fn rfc3339_ms(ts: u64) -> String {
    let text = rfc3339(ts / 1000 * 1000);
    match text.strip_suffix('Z') {
        Some(second) => format!("{second}.{:03}Z", ts % 1000),
        None => ts.to_string(),
    }
}

/// Parses ms since 1970 or RFC 3339 into ms since 1970.
pub fn parse_ms(text: &str) -> Option<u64> {
    if let Ok(ms) = text.parse::<u64>() {
        return Some(ms);
    }
    // In a query string an unescaped `+` of an offset arrives as a space.
    let time = OffsetDateTime::parse(&text.replace(' ', "+"), &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_a_time() {
        assert_eq!(parse_ms("1700000000123"), Some(1_700_000_000_123));
        assert_eq!(parse_ms("2023-11-14T22:13:20.123Z"), Some(1_700_000_000_123));
        assert_eq!(parse_ms("2023-11-15T00:13:20.123+02:00"), Some(1_700_000_000_123));
        assert_eq!(parse_ms("2023-11-15T00:13:20.123 02:00"), Some(1_700_000_000_123));
        for bad in ["", "yesterday", "-5", "1969-12-31T23:59:59Z", "2023-11-14"] {
            assert_eq!(parse_ms(bad), None, "{bad}");
        }
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(rfc3339(u64::MAX), u64::MAX.to_string());
        assert_eq!(rfc3339_ms(1_700_000_000_000), "2023-11-14T22:13:20.000Z");
        assert_eq!(rfc3339_ms(1_700_000_000_120), "2023-11-14T22:13:20.120Z");
        assert_eq!(rfc3339_ms(u64::MAX), u64::MAX.to_string());
    }
}
