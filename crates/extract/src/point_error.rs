//! Errors of points.

use crate::limits::{MAX_DECODERS, MAX_PATH_STEPS, MAX_POINT_BYTES};

/// Why a text is not a point. Each message names the word and says what is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // the messages are the documentation
pub enum PointError {
    #[error("a point is empty")]
    Empty,
    #[error("point of {0} bytes is too long: {MAX_POINT_BYTES} are accepted")]
    TooLong(usize),
    #[error("invalid point \"{point}\": a name is expected at character {at}")]
    ExpectedName { point: String, at: usize },
    #[error("invalid point \"{point}\": unexpected character at {at}; \".\" or \"[\" is accepted")]
    Unexpected { point: String, at: usize },
    #[error("invalid point \"{point}\": at character {at}, [number] or [\"text\"] is accepted")]
    BadBracket { point: String, at: usize },
    #[error("invalid point \"{point}\": \"{word}\" is not known; {accepted} is accepted")]
    Unknown { point: String, word: String, accepted: &'static str },
    #[error("invalid point \"{point}\": behind \"{word}\", {accepted} is missing")]
    Missing { point: String, word: String, accepted: &'static str },
    #[error(
        "invalid point \"{point}\": no header is named \"{word}\"; letters, digits and {HEADER_MARKS} are accepted"
    )]
    BadHeader { point: String, word: String },
    #[error("invalid point \"{point}\": more than {MAX_DECODERS} decoders")]
    TooManyDecoders { point: String },
    #[error("invalid point \"{point}\": a path of more than {MAX_PATH_STEPS} steps")]
    PathTooLong { point: String },
    #[error(
        "invalid point \"{point}\": pattern \"{word}\"; a \"*\" is accepted at the end of a name of \"request.cookie\" and \"request.header\", and a literal name in brackets: [\"{word}\"]"
    )]
    BadPattern { point: String, word: String },
    #[error("invalid point \"{point}\": {reason}")]
    Variable { point: String, reason: String },
}

/// Characters besides letters and digits that a header's name may contain (RFC 9110, 5.6.2).
pub(super) const HEADER_MARKS: &str = "!#$%&'*+-.^_`|~";
