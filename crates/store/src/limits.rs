//! Limits: how much this crate accepts, keeps and reports.

// `aliases`
/// Maximum number of identifiers shown per session.
pub const MAX_IDENTIFIERS: usize = 100;
/// Maximum number of other ids that are denied with a session: the newest ones.
pub const MAX_DENIED_IDENTIFIERS: usize = 16;

// `control`
/// Maximum number of sessions that [`Control::lifted`] returns.
pub const MAX_LIFTED: usize = 1000;

// `cursor`
/// Maximum length of a cursor, bytes.
pub(crate) const MAX_CURSOR_BYTES: usize = 4096;

// `endpoints`
/// Maximum number of endpoints in an answer: those with the most requests.
pub const MAX_ENDPOINT_STATS: usize = 10_000;

// `fresh_links`
/// Maximum number of fresh links: the newest ones.
pub const MAX_FRESH_LINKS: usize = 16_384;
/// Maximum number of steps from an alias to its session.
pub(crate) const MAX_LINK_STEPS: usize = 64;

// `model`
/// Largest exact total of a page of sessions.
pub const MAX_EXACT_TOTAL: u64 = 10_000;
/// Maximum number of values of one kind in the summary of a session.
pub const MAX_SUMMARY_VALUES: usize = 10;
/// Maximum number of endpoints in the summary of a session.
pub const MAX_SUMMARY_ENDPOINTS: usize = 3;

// `session_days`
/// Maximum number of values of one kind that a session's detail counts separately; the others are counted together, as
/// [`OTHER_TEXT`].
pub const MAX_DETAIL_VALUES: usize = 300;
