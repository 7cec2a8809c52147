//! Limits: how much this crate accepts, keeps and reports.

// `export::client`
/// Longest response body that is read, bytes.
pub(crate) const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// Longest part of a response body that is logged, characters.
pub(crate) const MAX_QUOTED_CHARS: usize = 200;

// `export::delivered`
/// Maximum number of delivered batches that are remembered. A forgotten one is sent again, under the same `Idempotency-Key`.
pub(crate) const MAX_REMEMBERED_BATCHES: usize = 1024;

// `export::exporter::facts`
/// Maximum number of batches of key facts that wait; the oldest is dropped first.
pub(crate) const MAX_WAITING_KEY_FACTS: usize = 16;

// `export::settings`
/// Longest path of a Unix-domain socket, bytes: `sun_path` without its NUL.
pub(crate) const MAX_SOCKET_PATH_BYTES: usize = 107;

// `export::spool::frame`
/// Longest plausible name of a spooled batch, bytes.
pub(crate) const MAX_BATCH_NAME_BYTES: usize = 1024;
/// Largest plausible batch in a spool, bytes.
pub(crate) const MAX_BATCH_BYTES: usize = 64 << 20;

// `key_verdicts`
/// Maximum number of keys whose facts wait for room in the mailbox; the oldest are dropped first.
pub(crate) const MAX_WAITING_KEYS: usize = 256;
/// Maximum number of keys whose facts are posted a second, since the event loop does it.
pub(crate) const MAX_POSTED_KEYS: usize = 32;
/// Facts that are taken from the mailbox a second, bytes, since the event loop does it.
pub(crate) const MAX_TAKEN_BYTES: usize = 1 << 20;

// `record::evidence`
/// Longest part of a value that evidence shows, bytes: the match and its surroundings.
pub(crate) const MAX_MATCH_BYTES: usize = 64;

// `record::limits`
/// Longest exported path, bytes.
pub const MAX_PATH_BYTES: usize = 4096;
/// Longest exported `User-Agent`, host, application, bytes.
pub const MAX_FIELD_BYTES: usize = 1024;
/// Longest exported value of a parameter, bytes; a longer one is cut and marked `truncated`.
pub const MAX_VALUE_BYTES: usize = 2048;

// `record::read`
/// Shortest part of a composite value, bytes, that is a secret by itself. Shorter ones are still hidden where a point
/// reads them.
pub(crate) const MIN_PART_BYTES: usize = 8;

// `remote_config::journal`
/// Size of the journal of retired orders from which they are not kept for their full time, bytes.
pub(crate) const MAX_DONE_JOURNAL_BYTES: u64 = 1 << 20;
/// Largest journal of orders that is read, bytes.
pub(crate) const MAX_JOURNAL_BYTES: u64 = 256 << 20;

// `remote_config::poller`
/// Longest sync document, bytes: a denylist of 100,000 entries with their reasons.
pub(crate) const MAX_SYNC_BYTES: u64 = 64 << 20;
/// Maximum number of links accepted from a sync document: several times what the cloud keeps.
pub(crate) const MAX_SYNC_LINKS: usize = 65_536;
/// Longest error that is reported, bytes.
pub(crate) const MAX_ERROR_BYTES: usize = 500;

// `remote_config::state_file`
/// Largest copy of the denylist that is read, bytes; more than the denylist can hold.
pub(crate) const MAX_STATE_FILE_BYTES: u64 = 256 << 20;
/// Bytes of orders after which the process that adds one writes a copy itself, since no other process has.
pub(crate) const MAX_ORDERS_BYTES: u64 = 16 << 20;
