//! Numbers, sizes and times in NGINX syntax.

/// Parses a size in bytes: `16`, `200k`, `16m`, `2g`, with factors of 1024.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1 << 10),
        b'm' | b'M' => (&text[..text.len() - 1], 1 << 20),
        b'g' | b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1u64),
    };
    number(digits)?.checked_mul(factor)
}

/// Parses a number of digits only.
pub(crate) fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Parses a time in milliseconds: `500ms`, `30s`, `1m`, `1h 30m`, `1d`. A number without a unit is in
/// seconds, as in `ngx_parse_time`.
pub(crate) fn time_ms(text: &str) -> Option<u64> {
    let (mut rest, mut total) = (text, 0u64);
    // Each unit at most once, from large to small.
    let mut largest = u64::MAX;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let value = number(rest.get(..digits).filter(|digits| !digits.is_empty())?)?;
        rest = rest.get(digits..)?;
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match rest.get(..letters)? {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "M" => 30 * 86_400_000,
            "y" => 365 * 86_400_000,
            // Only the last number may omit its unit.
            "" if rest.is_empty() => 1000,
            _ => return None,
        };
        if unit >= largest {
            return None;
        }
        largest = unit;
        total = total.checked_add(value.checked_mul(unit)?)?;
        rest = rest.get(letters..)?.trim_start_matches(' ');
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_nginx() {
        for (text, ms) in [
            ("10", Some(10_000)),
            ("500ms", Some(500)),
            ("1m", Some(60_000)),
            ("1h30m", Some(5_400_000)),
            ("1h 30m", Some(5_400_000)),
            ("1d", Some(86_400_000)),
            ("", None),
            ("m", None),
            ("1x", None),
            ("1m1h", None),
            ("-1m", None),
            ("1.5h", None),
            ("99999999999999999999y", None),
        ] {
            assert_eq!(time_ms(text), ms, "{text}");
        }
        for (text, bytes) in [
            ("200m", Some(200 << 20)),
            ("10", Some(10)),
            ("1k", Some(1024)),
            ("k", None),
            ("", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
    }
}
