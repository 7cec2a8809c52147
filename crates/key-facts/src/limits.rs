//! Limits: how much this crate accepts, keeps and reports.

// `candidate`
/// Minimum length of a value that may be an identifier, bytes.
pub(crate) const MIN_CANDIDATE_VALUE_BYTES: usize = 16;
/// Maximum length of the name of a candidate, bytes.
pub(crate) const MAX_CANDIDATE_NAME_BYTES: usize = 64;
/// Maximum number of candidates of a request.
pub(crate) const MAX_CANDIDATES: usize = 32;

// `claims`
/// Maximum number of claims of a token that are measured.
pub(crate) const MAX_CLAIMS: usize = 8;

// `collector`
/// Maximum number of keys and candidates of all applications of a worker: 18 KB each.
pub(crate) const MAX_WORKER_KEYS: usize = 256;
/// Maximum length of an application's name, bytes; longer names are cut.
pub(crate) const MAX_APPLICATION_BYTES: usize = 256;

// `ledger`
/// Maximum number of applications that the cloud keeps windows of.
pub(crate) const MAX_LEDGER_APPLICATIONS: usize = 256;
/// Maximum number of open windows of an application.
pub(crate) const MAX_OPEN_WINDOWS: usize = 8;
/// Maximum number of keys of an open window; at its end, only the [`MAX_NAMES`] most used are kept.
pub(crate) const MAX_OPEN_KEYS: usize = 4 * MAX_NAMES;

/// Maximum number of applications that a worker measures at a time.
pub const MAX_WORKER_APPLICATIONS: usize = 16;

// `names`
/// Maximum number of keys and candidates of an application.
pub const MAX_NAMES: usize = 64;

// `verdict`
/// Minimum number of clients for a verdict.
pub(crate) const MIN_VERDICT_CLIENTS: u64 = 20;
/// Minimum number of values for a median.
pub(crate) const MIN_MEDIAN_VALUES: u32 = 3;

// `wire`
/// Maximum length of a name in what nodes send, bytes.
pub(crate) const MAX_SENT_NAME_BYTES: usize = 1024;
