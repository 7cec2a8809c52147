//! Limits: how much this crate accepts, keeps and reports.

// `builtin::cookies`
/// Maximum number of cookies of a request that are examined.
pub(crate) const MAX_COOKIES: usize = 256;

// `builtin::credentials`
/// Longest name of an argument with credentials, bytes.
pub(crate) const MAX_CREDENTIAL_NAME_BYTES: usize = 16;

// `builtin::every`
/// Maximum number of repetitions of an argument or field that are examined.
pub(crate) const MAX_REPEATS: usize = 64;

// `builtin::followed_value`
/// Minimum length of a strong value, and minimum number of distinct characters in it.
pub(crate) const MIN_STRONG: (usize, usize) = (16, 8);
/// Minimum number of letters in a strong value without digits.
pub(crate) const MIN_STRONG_LETTERS: usize = 24;

// `builtin::jwt`
/// Length of the shortest JWT, bytes: a header with an algorithm, a payload and two dots.
pub(crate) const MIN_JWT_BYTES: usize = 20;

// `builtin::state`
/// Longest identifier, bytes. A longer value holds state.
pub(crate) const MAX_IDENTIFIER_BYTES: usize = 512;
/// Longest payload in front of a signature that may be a signed identifier, bytes.
pub(crate) const MAX_SIGNED_BYTES: usize = 96;
/// Shortest signature, bytes: 128 bits in base64.
pub(crate) const MIN_SIGNATURE_BYTES: usize = 20;
/// Shortest Fernet token, bytes: version, time, one block and HMAC, in base64.
pub(crate) const MIN_FERNET_BYTES: usize = 96;

// `builtin::table`
/// Longest cookie name that is compared with the built-in set, bytes.
pub(crate) const MAX_COOKIE_NAME_BYTES: usize = 96;

// `builtin::tokens`
/// Longest name of a token in JSON that is examined, bytes.
pub(crate) const MAX_TOKEN_NAME_BYTES: usize = 64;

// `builtin`
/// Shortest value that identifies a session by the built-in set, bytes.
pub const MIN_BUILTIN_VALUE_BYTES: usize = 8;
/// Longest value that identifies a session by the built-in set, bytes.
pub const MAX_BUILTIN_VALUE_BYTES: usize = 4096;

// `cookie`
/// Maximum number of a request's cookies that are kept with their places.
pub(crate) const MAX_KEPT_COOKIES: usize = 64;

// `json`
/// Deepest nesting of JSON that is scanned; anything deeper is not found.
pub const MAX_JSON_DEPTH: u32 = 128;
/// Maximum number of steps in a path into JSON.
pub const MAX_PATH_STEPS: usize = 32;

/// Longest value that a point reads, bytes. A longer one is cut.
pub const MAX_VALUE_BYTES: usize = 8 * 1024;
/// Longest text of a point, bytes.
pub const MAX_POINT_BYTES: usize = 1024;
/// Maximum number of decoders after a source.
pub const MAX_DECODERS: usize = 8;

// `multipart`
/// Longest boundary of a multipart body, bytes (RFC 2046, 5.1.1).
pub(crate) const MAX_BOUNDARY_BYTES: usize = 70;
/// Longest header section of a part of a multipart body that is read, bytes.
pub(crate) const MAX_PART_HEAD_BYTES: usize = 4096;

// `parameters`
/// Longest text of keys and context parameters, bytes.
pub const MAX_PARAMETERS_BYTES: usize = 256 << 10;
/// Maximum number of keys and context parameters in a document.
pub(crate) const MAX_PARAMETERS: usize = 256;
/// Longest name of a key or parameter, bytes.
pub const MAX_LABEL_BYTES: usize = 128;
