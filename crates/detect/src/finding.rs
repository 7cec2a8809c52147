//! Findings and their positions.

use std::ops::Range;

use crate::AttackKind;
use crate::limits::MAX_RAW_BYTES;
use api_sessions_values::limits::MAX_NAME_BYTES;
use api_sessions_values::{Input, InputKind, Place};

/// Bytes that a finding keeps before the start of its match, and from it on.
pub const CONTEXT_BYTES: usize = 96;

/// The first match of an attack type in a request.
///
/// [`crate::Workspace::findings`] holds at most one for each type, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Type of the attack.
    pub kind: AttackKind,
    /// The kind of input.
    pub source: InputKind,
    /// The match is in the name itself (of an argument or a JSON member), not in its value.
    pub in_name: bool,
    /// Name of the argument, cookie, header, field, JSON member or XML element as it was sent, at most
    /// [`MAX_NAME_BYTES`]. Empty if the input has none or the match is in the name.
    pub name: Vec<u8>,
    /// Number of inputs of the request before this one; names and values count separately.
    pub index: usize,
    /// Range of the match in the raw value (percent-encoded as it was sent; a JSON string without quotes and
    /// escapes). The whole value if only a decoded form matches.
    pub range: Range<usize>,
    /// Whether `text` is part of the raw value.
    pub is_raw: bool,
    /// The raw value as it was sent, if only a decoded form matches. Empty if it is longer than
    /// [`MAX_RAW_BYTES`].
    pub raw: Vec<u8>,
    /// The matching text, decoded, with up to [`CONTEXT_BYTES`] before the start of the match and from it on.
    /// Secrets in it are not redacted.
    pub text: Vec<u8>,
    /// Range of the match in `text`, cut at its end.
    pub matched: Range<usize>,
}

impl Finding {
    /// `at` is the range of the match in `text`, a form of the input's value.
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
