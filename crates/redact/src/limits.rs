//! Limits: how much this crate accepts, keeps and reports.

use api_sessions_extract::limits::MAX_JSON_DEPTH;

// `base64`
/// Minimum length of base64 that is decoded, bytes.
pub(crate) const MIN_BASE64_BYTES: usize = 16;

// `cuts`
/// Maximum number of ranges of a text; a text with more is hidden as a whole.
pub(crate) const MAX_CUTS: usize = 1000;

// `full::known`
/// Maximum number of list items that are searched one by one; in a longer list with a match, all values are
/// hidden.
pub(crate) const MAX_SEARCHED_ITEMS: usize = 64;

// `full`
/// Maximum length of an exported request line and of a header value, bytes.
pub(crate) const MAX_LINE_BYTES: usize = 16 * 1024;
/// Maximum number of exported headers.
pub(crate) const MAX_HEADERS: usize = 128;

// `harmless`
/// Length of the longest harmless name, bytes.
pub(crate) const MAX_HARMLESS_NAME_BYTES: usize = 48;

// `json`
/// Maximum nesting depth of JSON, as in the extractor.
pub(crate) const MAX_JSON_NESTING: usize = MAX_JSON_DEPTH as usize;

// `multipart`
/// Maximum length of the boundary of a multipart body, bytes (RFC 2046, 5.1.1).
pub(crate) const MAX_BOUNDARY_BYTES: usize = 70;

// `named_values`
/// Maximum length of a name found in plain text, bytes.
pub(crate) const MAX_TEXT_NAME_BYTES: usize = 64;
/// Maximum length of a tag found in plain text, bytes.
pub(crate) const MAX_TAG_BYTES: usize = 512;
/// Maximum length of a label in front of a value in plain text, bytes.
pub(crate) const MAX_LABEL_BYTES: usize = 128;

// `names::words`
/// Length of the longest word that makes a name secret, bytes.
pub(crate) const MAX_SECRET_WORD_BYTES: usize = 20;

// `names`
/// Maximum length of a name, bytes; only the end of a longer one is judged.
pub(crate) const MAX_NAME_BYTES: usize = 128;
/// Maximum number of parts of a name that are judged.
pub(crate) const MAX_NAME_PARTS: usize = 16;

// `path`
/// Maximum number of path segments that are judged one by one; a longer path with a secret is hidden as a
/// whole. This limits the cost, and real paths are shorter.
pub(crate) const MAX_PATH_SEGMENTS: usize = 64;

// `plain`
/// Maximum length of a plain value, bytes.
pub(crate) const MAX_PLAIN_BYTES: usize = 96;
/// Maximum length of a word of a plain value, bytes.
pub(crate) const MAX_PLAIN_WORD_BYTES: usize = 20;
/// Maximum digits of a number in a plain value: milliseconds since 1970.
pub(crate) const MAX_PLAIN_DIGITS: usize = 13;
/// Maximum length of a piece of a plain value that mixes letters and digits (`v2`, `utf8`, `1080p`, `h264`), bytes.
pub(crate) const MAX_MIXED_BYTES: usize = 5;
/// Maximum number of pieces that mix letters and digits.
pub(crate) const MAX_MIXED_PIECES: usize = 3;
/// Maximum number of digits in all pieces of a plain value.
pub(crate) const MAX_ALL_DIGITS: usize = 24;
/// Numbers up to this length are too short for a code.
pub(crate) const MAX_SHORT_DIGITS: usize = 3;

// `secrets::needles`
/// Shorter values are not searched for within other texts, where they would match by chance. They are hidden
/// if they are a whole text or a whole path segment. Bytes.
pub(crate) const MIN_SEARCHED_BYTES: usize = 4;
/// Only the first bytes of longer values are searched for, so that a value that was cut when it was read is
/// found where it occurs in full, and a parameter cut at its limit shows no part of a hidden value. Bytes.
pub(crate) const MAX_SEARCHED_BYTES: usize = 512;
/// Maximum length of an escape at the end of a text, bytes: numbers may have leading zeros.
pub(crate) const MAX_ESCAPE_BYTES: usize = 64;

// `secrets::references`
/// Maximum digits of a character number, without leading zeros.
pub(crate) const MAX_REFERENCE_DIGITS: usize = 7;

// `text`
/// Maximum nesting of encodings (JSON in a form, base64 in that).
pub(crate) const MAX_ENCODINGS: u8 = 4;
/// Shorter values are hidden instead of hashed: someone who can send requests and read records could guess
/// them. Bytes.
pub(crate) const MIN_HASHED_BYTES: usize = 16;

// `token_patterns`
/// Minimum length of a random text that counts as a secret, bytes.
pub(crate) const MIN_RANDOM_BYTES: usize = 20;
/// Minimum number of bytes of a random text that are neither words nor numbers.
pub(crate) const MIN_IRREGULAR_BYTES: usize = 16;
/// Maximum number of hexadecimal digits that count as an id rather than a secret (MongoDB has 24).
pub(crate) const MAX_ID_DIGITS: usize = 31;
/// Maximum digits of a numeric id (64 bits).
pub(crate) const MAX_NUMBER_DIGITS: usize = 19;
/// Minimum number of characters after a known prefix that make a token.
pub(crate) const MIN_BEHIND_PREFIX: usize = 8;
/// Maximum layers of base64 that are decoded: a run is judged as a whole and by segments, which doubles the
/// work with each layer.
pub(crate) const MAX_BASE64_LAYERS: u8 = 2;
/// Minimum length of a path segment that can look like a secret, bytes.
pub(crate) const MIN_SECRET_SEGMENT_BYTES: usize = 16;

// `userinfo`
/// Maximum length of an authority with its user and password, bytes.
pub(crate) const MAX_AUTHORITY_BYTES: usize = 512;

// `utf16`
/// Minimum number of ASCII characters in a row that identify a text in UTF-16.
pub(crate) const MIN_UTF16_CHARACTERS: usize = 4;

// `xml`
/// Maximum nesting depth of XML.
pub(crate) const MAX_XML_NESTING: usize = 128;
