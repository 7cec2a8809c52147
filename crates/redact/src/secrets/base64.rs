//! The appearance of a value inside base64.

use std::ops::Range;

use ::base64::Engine;
use ::base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Lower bound of the length of a value's cores.
pub(super) fn core_len(value_len: usize) -> usize {
    (value_len * 8 / 6).saturating_sub(2)
}

/// Appends the cores of a value: for each of the three alignments and both alphabets, the base64 characters
/// that depend on the value alone.
pub(super) fn write_cores(
    value: &[u8],
    padded: &mut Vec<u8>,
    out: &mut Vec<u8>,
    cores: &mut Vec<Range<usize>>,
) {
    // Characters that share bits with the neighboring bytes are left out.
    for (before, first) in [(0, 0), (1, 2), (2, 3)] {
        padded.clear();
        padded.resize(before, 0);
        padded.extend_from_slice(value);
        let last = padded.len() * 8 / 6;
        let mut standard = 0..0;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let start = out.len();
            // Room for whole groups of four characters; the excess is cut off below.
            out.resize(start + padded.len().div_ceil(3) * 4, 0);
            let Some(Ok(_)) = out.get_mut(start..).map(|room| engine.encode_slice(&padded, room))
            else {
                out.truncate(start);
                continue;
            };
            let core = start + first..start + last;
            out.truncate(core.end);
            // Most values encode the same in both alphabets.
            if out.get(core.clone()) == out.get(standard.clone()) {
                out.truncate(start);
            } else {
                standard = core.clone();
                cores.push(core);
            }
        }
    }
}

/// Whether a text contains `len` base64 characters of either alphabet in a row. Checks each window from its
/// end and skips past the first character that is none, so that it reads only a fraction of usual texts.
pub(super) fn has_run(text: &[u8], len: usize) -> bool {
    let is_base64 =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let mut rest = text;
    while let Some(run) = rest.get(..len) {
        match run.iter().rposition(|byte| !is_base64(byte)) {
            Some(at) => rest = rest.get(at + 1..).unwrap_or_default(),
            None => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_run_is_found_where_there_is_one(text in "[a-c+/. -]{0,40}", len in 1usize..12) {
            let runs = text.split(['.', ' ']);
            let expected = runs.map(str::len).any(|run| run >= len);
            assert_eq!(has_run(text.as_bytes(), len), expected);
        }
    }

    #[test]
    fn no_core_is_shorter_than_what_is_looked_for() {
        for len in 4..60 {
            for letter in [b'k', 0xff, 0xfb] {
                let (mut padded, mut out, mut cores) = (Vec::new(), Vec::new(), Vec::new());
                write_cores(&vec![letter; len], &mut padded, &mut out, &mut cores);
                assert!(cores.len() >= 3, "{len}");
                assert!(cores.iter().all(|core| core.len() >= core_len(len).max(4)), "{len}");
                assert!(cores.iter().all(|core| out.get(core.clone()).is_some()));
            }
        }
    }
}
