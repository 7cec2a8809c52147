//! What was found, and where.

use std::ops::Range;

use crate::AttackKind;
use api_sessions_values::{Input, MAX_NAME_BYTES, Place, Source};

/// Longest raw value that a finding keeps, bytes.
pub const MAX_RAW_BYTES: usize = 4096;
/// Bytes that a finding keeps before and behind the first byte of its match.
pub const CONTEXT_BYTES: usize = 96;

/// The first place in a request where an attack of one type stands.
///
/// [`crate::Workspace::findings`] holds at most one for each type, in the order they were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Type of the attack.
    pub kind: AttackKind,
    /// Which input it stands in.
    pub source: Source,
    /// The match stands in the name itself (of an argument, or of a JSON member), not in its value.
    pub in_name: bool,
    /// Name of the argument, cookie, header, field, JSON member or XML element, as it was sent and at most
    /// [`MAX_NAME_BYTES`] of it. Empty where the input has none, or where the match is in the name.
    pub name: Vec<u8>,
    /// How many inputs of the request came before this one, names and values counted apart.
    pub index: usize,
    /// Where the match stands in the raw value (percent-encoded as it was sent; a JSON string without its
    /// quotes and escapes). All of the value where the match shows only in a decoded form of it.
    pub range: Range<usize>,
    /// `text` is a part of the raw value.
    pub is_raw: bool,
    /// The raw value where the match shows only in a decoded form of it, as it was sent. Empty where it is
    /// longer than [`MAX_RAW_BYTES`].
    pub raw: Vec<u8>,
    /// The text that matched, in the decoded form in which it did, with up to [`CONTEXT_BYTES`] before
    /// the match and behind its start. Secrets in it are still readable.
    pub text: Vec<u8>,
    /// Where the match stands in `text`, cut where that ends.
    pub matched: Range<usize>,
}

impl Finding {
    /// `at` is where the match stands in `text`, which is a form of the input's value.
    pub(crate) fn new(
        kind: AttackKind,
        input: Input<'_>,
        index: usize,
        text: &[u8],
        at: Range<usize>,
    ) -> Self {
        let start = at.start.min(text.len());
        let end = at.end.clamp(start, text.len());
        let from = start.saturating_sub(CONTEXT_BYTES);
        let to = text.len().min(start + CONTEXT_BYTES);
        let in_name = input.place == Place::Name;
        let is_raw = text == input.value;
        let keeps_raw = !is_raw && input.value.len() <= MAX_RAW_BYTES;
        Self {
            kind,
            source: input.source,
            in_name,
            name: match in_name {
                true => Vec::new(),
                false => input.name[..input.name.len().min(MAX_NAME_BYTES)].to_vec(),
            },
            index,
            range: if is_raw { start..end } else { 0..input.value.len() },
            is_raw,
            raw: if keeps_raw { input.value.to_vec() } else { Vec::new() },
            text: text[from..to].to_vec(),
            matched: start - from..end.min(to) - from,
        }
    }
}
