//! Cookies, as servers read them.

use std::cell::OnceCell;

use smallvec::SmallVec;

use super::near::find_near;
use crate::limits::MAX_KEPT_COOKIES;

/// Name and value of each pair of a `Cookie` header (RFC 6265, 4.2.1), in order. Strips the quotes around a value and
/// skips pieces without `=`.
pub fn pairs(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    Split { rest: Some(header) }.filter_map(pair)
}

/// Name and value.
type Pair<'v> = (&'v [u8], &'v [u8]);

/// The cookies of a request, split on first use and kept; if there are too many, split on each use.
#[derive(Default)]
pub struct CookieList<'v>(OnceCell<Option<SmallVec<[Pair<'v>; 8]>>>);

impl<'v> CookieList<'v> {
    /// Calls `each` with name and value of every cookie in `headers`, all headers of the request, until it returns
    /// `false`.
    pub fn each<'a, H: Iterator<Item = Pair<'v>>>(
        &'a self,
        headers: impl Fn() -> H,
        each: &mut dyn FnMut(&'a [u8], &'a [u8]) -> bool,
    ) {
        let kept = self.0.get_or_init(|| {
            let mut kept = SmallVec::new();
            let fits = each_in(headers(), |name, value| {
                kept.push((name, value));
                kept.len() <= MAX_KEPT_COOKIES
            });
            fits.then_some(kept)
        });
        match kept {
            Some(kept) => kept.iter().all(|(name, value)| each(name, value)),
            #[expect(
                clippy::redundant_closure,
                reason = "it makes the lifetime of a cookie shorter"
            )]
            None => each_in(headers(), |name, value| each(name, value)),
        };
    }
}

/// Returns whether `each` returned `true` for all.
fn each_in<'v>(
    headers: impl Iterator<Item = Pair<'v>>,
    mut each: impl FnMut(&'v [u8], &'v [u8]) -> bool,
) -> bool {
    for (name, value) in headers {
        if name.eq_ignore_ascii_case(b"cookie") {
            for (name, value) in pairs(value) {
                if !each(name, value) {
                    return false;
                }
            }
        }
    }
    true
}

/// Name and value of a `Set-Cookie` header, without its attributes (RFC 6265, 5.2).
pub fn set_cookie(header: &[u8]) -> Option<(&[u8], &[u8])> {
    pair(header.split(|byte| *byte == b';').next()?)
}

/// Pieces between semicolons.
struct Split<'h> {
    rest: Option<&'h [u8]>,
}

impl<'h> Iterator for Split<'h> {
    type Item = &'h [u8];

    #[inline]
    fn next(&mut self) -> Option<&'h [u8]> {
        let rest = self.rest?;
        match find_near(b';', rest) {
            Some(at) => {
                self.rest = Some(&rest[at + 1..]);
                Some(&rest[..at])
            }
            None => {
                self.rest = None;
                Some(rest)
            }
        }
    }
}

fn pair(piece: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = find_near(b'=', piece)?;
    let (name, value) = (piece[..at].trim_ascii(), piece[at + 1..].trim_ascii());
    let value = match value {
        [b'"', inner @ .., b'"'] => inner,
        value => value,
    };
    Some((name, value))
}

/// Whether a `Set-Cookie` header deletes its cookie at `now_s` (seconds since 1970): by a `Max-Age` of 0 or less, else
/// by an `Expires` in the past (RFC 6265, 5.2.1 and 5.2.2).
pub fn is_expired(header: &[u8], now_s: u32) -> bool {
    let mut expires = None;
    for attribute in header.split(|byte| *byte == b';').skip(1) {
        let Some((name, value)) = pair(attribute) else { continue };
        if name.eq_ignore_ascii_case(b"max-age") {
            return value.first() == Some(&b'-') || value.iter().all(|byte| *byte == b'0');
        }
        if name.eq_ignore_ascii_case(b"expires") {
            expires = date(value);
        }
    }
    expires.is_some_and(|expires| expires <= i64::from(now_s))
}

/// Seconds since 1970 of a date such as `Thu, 01 Jan 1970 00:00:00 GMT`, also with dashes.
fn date(text: &[u8]) -> Option<i64> {
    const MONTHS: &[u8] = b"janfebmaraprmayjunjulaugsepoctnovdec";
    let mut numbers = text
        .split(|byte| !byte.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .skip_while(|word| !word.iter().all(u8::is_ascii_digit));
    let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<i64>().ok();
    let day = number(numbers.next()?)?;
    let month = numbers.next()?.get(..3)?.to_ascii_lowercase();
    let month = MONTHS.chunks(3).position(|known| known == month)? as i64 + 1;
    let year = match number(numbers.next()?)? {
        year @ 0..70 => 2000 + year,
        year @ 70..100 => 1900 + year,
        year => year,
    };
    if !(1..=31).contains(&day) || !(1601..=9999).contains(&year) {
        return None;
    }
    let mut time = numbers.map(|word| number(word).unwrap_or(0)).take(3);
    let mut next = || time.next().unwrap_or(0).clamp(0, 60);
    let seconds = next() * 3600 + next() * 60 + next();
    // Days of the proleptic Gregorian calendar, with years that start in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deleted_cookie_is_recognised() {
        const NOW: u32 = 1_700_000_000;
        assert_eq!(date(b"Tue, 14 Nov 2023 22:13:20 GMT"), Some(i64::from(NOW)));
        assert_eq!(date(b"Thu, 01-Jan-1970 00:00:01 GMT"), Some(1));
        assert_eq!(date(b"Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        for header in [
            "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/",
            "a=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/",
            "a=b; Max-Age=0",
            "a=b; max-age=-1; Expires=Thu, 01 Jan 2099 00:00:00 GMT",
            "a=b; Expires=Mon, 13 Nov 2023 22:13:20 GMT",
        ] {
            assert!(is_expired(header.as_bytes(), NOW), "{header}");
        }
        for header in [
            "a=b",
            "a=b; Max-Age=3600; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "a=b; Expires=Thu, 01 Jan 2099 00:00:00 GMT",
            "a=b; Expires=soon",
        ] {
            assert!(!is_expired(header.as_bytes(), NOW), "{header}");
        }
    }
}
