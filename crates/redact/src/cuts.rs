//! Ranges that are cut out of a text, with their replacements.

use crate::limits::MAX_CUTS;
use crate::secrets::HIDDEN;
use api_sessions_identity::ParameterHash;

/// The replacement of a range.
#[derive(Debug, Clone)]
pub(crate) enum Mark {
    /// `[hidden]`.
    Hidden,
    /// `[hash:…]`: equal values can be recognized.
    Hash(ParameterHash),
    /// Another text, redacted already.
    Text(Box<[u8]>),
}

#[derive(Debug, Clone)]
struct Cut {
    start: usize,
    end: usize,
    mark: Mark,
    /// Quote to put around the replacement of a JSON number.
    quote: Option<Box<[u8]>>,
}

/// Ranges of one text.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    list: Vec<Cut>,
    has_too_many: bool,
}

impl Cuts {
    pub(crate) fn push(&mut self, start: usize, end: usize, mark: Mark) {
        self.add(Cut { start, end, mark, quote: None });
    }

    pub(crate) fn push_quoted(&mut self, start: usize, end: usize, mark: Mark) {
        self.add(Cut { start, end, mark, quote: Some(Box::new(*b"\"")) });
    }

    fn add(&mut self, cut: Cut) {
        if self.list.len() >= MAX_CUTS {
            self.has_too_many = true;
        } else if cut.start <= cut.end {
            self.list.push(cut);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && !self.has_too_many
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.list.truncate(len);
    }

    /// Removes and returns the ranges from index `first` on.
    pub(crate) fn split_off(&mut self, first: usize) -> Self {
        let list = self.list.split_off(first.min(self.list.len()));
        Self { list, has_too_many: false }
    }

    /// Adds the ranges of another list.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.list.append(&mut other.list);
        self.has_too_many |= other.has_too_many;
    }

    /// Whether more ranges were added than fit.
    pub(crate) fn has_too_many(&self) -> bool {
        self.has_too_many
    }

    /// Moves the ranges from index `first` on, which refer to the decoded form of `raw`, to their position in
    /// `raw`, plus `base`. Ranges are extended to whole units of the encoding.
    pub(crate) fn translate(&mut self, first: usize, base: usize, raw: &[u8], encoding: Encoding) {
        let Encoding { unit, encode } = encoding;
        self.merge(first);
        let Some(cuts) = self.list.get_mut(first..) else { return };
        let (mut at, mut decoded) = (0, 0);
        let mut next = |wanted: usize, round_up: bool| {
            while at < raw.len() && decoded < wanted {
                let (len, stands_for) = unit(raw.get(at..).unwrap_or_default());
                if decoded + stands_for > wanted && !round_up {
                    break;
                }
                at += len.max(1);
                decoded += stands_for;
            }
            at.min(raw.len())
        };
        for cut in cuts {
            cut.start = base + next(cut.start, false);
            cut.end = base + next(cut.end, true);
            if let Some(quote) = &mut cut.quote {
                *quote = encode(quote).into();
            }
            if let Mark::Text(text) = &mut cut.mark {
                *text = encode(text).into();
            }
        }
    }

    /// Moves the ranges from index `first` on by a number of bytes.
    pub(crate) fn shift(&mut self, first: usize, by: usize) {
        for cut in self.list.get_mut(first..).unwrap_or_default() {
            cut.start += by;
            cut.end += by;
        }
    }

    /// Sorts the ranges from index `first` on and merges overlapping ones.
    fn merge(&mut self, first: usize) {
        let Some(cuts) = self.list.get_mut(first..) else { return };
        cuts.sort_by_key(|cut| (cut.start, usize::MAX - cut.end));
        let mut kept = first;
        for at in first..self.list.len() {
            let Some(cut) = self.list.get(at).cloned() else { break };
            let last = kept.checked_sub(1).filter(|last| *last >= first);
            match last.and_then(|last| self.list.get_mut(last)) {
                Some(last) if cut.start < last.end || cut.start == last.start => {
                    if cut.end > last.end {
                        // The merged range is the value of neither.
                        (last.end, last.mark) = (cut.end, Mark::Hidden);
                    }
                }
                _ => {
                    if let Some(place) = self.list.get_mut(kept) {
                        *place = cut;
                    }
                    kept += 1;
                }
            }
        }
        self.list.truncate(kept);
    }

    /// Appends the text with its ranges replaced.
    pub(crate) fn apply(&mut self, text: &[u8], out: &mut Vec<u8>) {
        self.merge(0);
        let mut from = 0;
        for cut in &self.list {
            out.extend_from_slice(text.get(from..cut.start).unwrap_or_default());
            let quote = cut.quote.as_deref().unwrap_or_default();
            out.extend_from_slice(quote);
            match &cut.mark {
                Mark::Hidden => out.extend_from_slice(HIDDEN.as_bytes()),
                Mark::Hash(hash) => {
                    out.extend_from_slice(HASH_START);
                    out.extend_from_slice(hash.as_bytes());
                    out.push(b']');
                }
                Mark::Text(text) => out.extend_from_slice(text),
            }
            out.extend_from_slice(quote);
            from = cut.end;
        }
        out.extend_from_slice(text.get(from..).unwrap_or_default());
    }
}

/// Start of a hash placeholder, before the digits.
pub(crate) const HASH_START: &[u8] = b"[hash:";

/// How a text is encoded in another one.
#[derive(Clone, Copy)]
pub(crate) struct Encoding {
    /// Number of raw bytes of the unit at the start, and the number of bytes that it decodes to.
    pub(crate) unit: fn(&[u8]) -> (usize, usize),
    pub(crate) encode: fn(&[u8]) -> Vec<u8>,
}

/// Percent-encoding (RFC 3986).
pub(crate) const PERCENT: Encoding = Encoding { unit: percent_unit, encode: percent_encode };

fn percent_unit(rest: &[u8]) -> (usize, usize) {
    match rest {
        [b'%', one, two, ..] if one.is_ascii_hexdigit() && two.is_ascii_hexdigit() => (3, 1),
        _ => (1, 1),
    }
}

/// Encodes everything except characters that are safe in a query.
fn percent_encode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-_.~[]:".contains(byte) {
            out.push(*byte);
        } else {
            out.push(b'%');
            out.extend(
                [byte >> 4, byte & 15]
                    .iter()
                    .filter_map(|half| b"0123456789ABCDEF".get(usize::from(*half))),
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_cut_once_and_what_is_around_stays() {
        let mut cuts = Cuts::default();
        for (start, end) in [(8, 10), (2, 4), (2, 4), (3, 5), (9, 9)] {
            cuts.push(start, end, Mark::Hidden);
        }
        let mut out = Vec::new();
        cuts.apply(b"0123456789ab", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "01[hidden]567[hidden]ab");
    }

    #[test]
    fn places_are_moved_to_what_stands_for_them() {
        let mut cuts = Cuts::default();
        // `bc` of `abcd`.
        cuts.push(1, 3, Mark::Hidden);
        cuts.translate(0, 2, b"%61b%63d", PERCENT);
        let mut out = Vec::new();
        cuts.apply(b"x=%61b%63d", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "x=%61[hidden]d");
    }
}
