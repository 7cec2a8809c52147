//! Weights in `Accept` (RFC 9110, 12.5.1).

/// Weight of a media type, 0 to 1: that of its own range, else of `type/*`, else of `*/*`.
pub fn quality(accept: &[u8], kind: &[u8], subtype: &[u8]) -> f32 {
    named(accept, kind, subtype)
        .or_else(|| named(accept, kind, b"*"))
        .or_else(|| named(accept, b"*", b"*"))
        .unwrap_or(0.0)
}

/// Weight of exactly this range; the highest if it occurs several times with different parameters.
pub fn named(accept: &[u8], kind: &[u8], subtype: &[u8]) -> Option<f32> {
    accept
        .split(|byte| *byte == b',')
        .filter_map(|range| {
            let mut pieces = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let mut essence = pieces.next()?.split(|byte| *byte == b'/');
            let is = |part: Option<&[u8]>, wanted| {
                part.is_some_and(|part| part.eq_ignore_ascii_case(wanted))
            };
            if !is(essence.next(), kind) || !is(essence.next(), subtype) {
                return None;
            }
            let weight = pieces.find_map(|piece| {
                let text = piece.strip_prefix(b"q=").or_else(|| piece.strip_prefix(b"Q="))?;
                std::str::from_utf8(text).ok()?.parse::<f32>().ok()
            });
            Some(weight.unwrap_or(1.0).clamp(0.0, 1.0))
        })
        .reduce(f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_range_has_the_weight() {
        let accept = b"text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, */*;q=0.5";
        assert_eq!(quality(accept, b"text", b"plain"), 1.0);
        assert_eq!(quality(accept, b"text", b"html"), 0.3);
        assert_eq!(quality(accept, b"image", b"png"), 0.5);
        assert_eq!(quality(b"text/html;Q=7", b"TEXT", b"HTML"), 1.0);
        assert_eq!((quality(b"", b"a", b"b"), named(b"a/*", b"a", b"b")), (0.0, None));
    }
}
