//! Limits: how much the module accepts, keeps and reports.

// `directives::attack`
/// Longest name of an attack type, bytes.
pub(crate) const MAX_ATTACK_TYPE_BYTES: usize = 64;

// `directives::export`
/// Longest file with a token, bytes.
pub(crate) const MAX_TOKEN_FILE_BYTES: u64 = 4096;
/// Longest file of CA certificates, bytes.
pub(crate) const MAX_CA_FILE_BYTES: u64 = 4 << 20;
/// Longest file of headers, bytes.
pub(crate) const MAX_HEADER_FILE_BYTES: u64 = 16 << 10;
/// Longest name of a node, bytes.
pub(crate) const MAX_NODE_NAME_BYTES: usize = 128;

// `directives::keys`
/// Maximum number of keys, parameters or masks on one level: each is read for each request.
pub(crate) const MAX_REPEATED: usize = 256;

// `directives::location_values`
/// Longest fingerprint of a variable, bytes; longer ones are truncated.
pub(crate) const MAX_JA4_BYTES: usize = 128;

// `directives::rules`
/// Largest zone in shared memory, bytes.
pub(crate) const MAX_ZONE_BYTES: usize = 1 << 36;
/// Maximum number of exceptions to rules on one level.
pub(crate) const MAX_EXCEPTIONS: usize = 256;

// `directives::secret`
/// Shortest secret, bytes: the key size of BLAKE3.
pub(crate) const MIN_SECRET_BYTES: usize = 32;
/// Largest secret file, bytes.
pub(crate) const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

// `directives::simple`
/// Largest size of a body prefix, bytes. It is copied once for each request with a body.
pub(crate) const MAX_BODY_PREFIX_BYTES: usize = 1 << 20;

// `directives::zone`
/// Longest name of a zone, bytes.
pub(crate) const MAX_ZONE_NAME_BYTES: usize = 64;

// `request::rules::facts`
/// Maximum number of parameters that are compared with those in another place of the request.
pub(crate) const MAX_COMPARED_PARAMETERS: usize = 64;

// `request::view`
/// Digits of `u64::MAX`.
pub(crate) const MAX_U64_DIGITS: usize = 20;

// `worker::export`
/// Maximum number of denials by rules that wait to be persisted.
pub(crate) const MAX_WAITING_DENIALS: usize = 1024;
/// Maximum number of key-facts reports that wait for the exporter.
pub(crate) const MAX_WAITING_KEY_FACTS: usize = 16;

// `worker::poller`
/// Maximum number of responses whose links wait for the event loop.
pub(crate) const MAX_WAITING_LINKS: usize = 64;
