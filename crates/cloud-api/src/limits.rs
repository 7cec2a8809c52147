//! Limits: how much this crate accepts, keeps and reports.

use std::time::Duration;

// `aggregate`
/// Maximum number of sessions that facets and lists of users count.
pub const MAX_AGGREGATED_SESSIONS: usize = 1000;
/// Maximum number of requests of a session that are counted for its users: the newest ones.
pub const MAX_COUNTED_REQUESTS: usize = 200;
/// Maximum number of values per facet.
pub const MAX_FACET_VALUES: usize = 10;

// `api::denylist`
/// Longest body of a change to the denylist, bytes.
pub(crate) const MAX_DENYLIST_BODY_BYTES: usize = 64 << 10;

// `api::endpoints`
/// Longest OpenAPI document to compare, bytes.
pub(crate) const MAX_OPENAPI_BYTES: usize = 8 << 20;

// `api::keys`
/// Longest body of a trial of keys or a decision about one, bytes.
pub(crate) const MAX_KEYS_BODY_BYTES: usize = 16 << 10;
/// Maximum number of keys that are never demoted, and of dismissed suggestions. The oldest are forgotten.
pub(crate) const MAX_KEY_DECISIONS: usize = 10_000;

// `api::parameters`
/// Longest body with parameters, bytes.
pub(crate) const MAX_PARAMETERS_BODY_BYTES: usize = 256 << 10;
/// Maximum number of parameters for nodes.
pub const MAX_PARAMETERS: usize = 64;
/// Longest version of a sync document, which a node stores with the parameters, bytes.
pub(crate) const MAX_SYNC_VERSION_BYTES: usize = 256;
/// Longest name of a parameter, bytes.
pub(crate) const MAX_PARAMETER_NAME_BYTES: usize = 64;

// `api::query`
/// Largest number of items per page.
pub const MAX_PAGE_ITEMS: usize = 1000;
/// Longest value of a filter, bytes.
pub const MAX_FILTER_BYTES: usize = 1024;

// `api::rules::denials`
/// Maximum number of denials by rules that are listed.
pub const MAX_LISTED_DENIALS: usize = 1000;

// `api::rules::hits`
/// Maximum number of sessions, and of subjects, that are counted per rule; further ones are not counted.
pub(crate) const MAX_HIT_SESSIONS: usize = 100_000;
/// Maximum number of rules whose hits are counted; their names come from records.
pub(crate) const MAX_HIT_RULES: usize = 1000;
/// Maximum number of sessions that are listed per rule.
pub const MAX_LISTED_HITS: usize = 1000;

// `api::rules`
/// Longest body with rules, bytes.
pub(crate) const MAX_RULES_BODY_BYTES: usize = 256 << 10;

// `auth`
/// Longest origin that a message quotes, bytes.
pub(crate) const MAX_QUOTED_ORIGIN_BYTES: usize = 200;

// `changes`
/// Maximum number of requests of a session that are compared: the oldest ones.
pub const MAX_COMPARED_REQUESTS: usize = 2000;

// `endpoint_pages`
/// Pages of endpoints over fewer requests are not kept: they are counted at once.
pub(crate) const MIN_KEPT_REQUESTS: u64 = 500_000;
/// Maximum number of pages of endpoints that are kept.
pub(crate) const MAX_KEPT_PAGES: usize = 4;
/// Age from which a kept page of endpoints is not shown again.
pub(crate) const MAX_PAGE_AGE: Duration = Duration::from_secs(600);

// `error`
/// Longest detail of an error, bytes: it may quote the request.
pub(crate) const MAX_ERROR_DETAIL_BYTES: usize = 500;

// `ingest::baseline`
/// Maximum number of endpoints with a baseline.
pub(crate) const MAX_BASELINES: usize = 20_000;
/// Cap of a baseline's use count: the number of full rounds of the clock hand that a busy endpoint survives.
pub(crate) const MAX_BASELINE_USES: u8 = 63;
/// Maximum number of entries examined to make room for a new endpoint. Low, because each step costs the entry a use.
pub(crate) const MAX_BASELINE_PROBES: usize = 8;
/// Minimum number of requests of an endpoint before its baseline is used.
pub(crate) const MIN_BASELINE_REQUESTS: u32 = 30;
/// Minimum standard deviation of the logarithm: where all samples are alike, twice the usual is no outlier.
pub(crate) const MIN_BASELINE_DEVIATION: f64 = 0.25;
/// Response times up to this are never outliers, milliseconds.
pub(crate) const MIN_OUTLIER_MS: u64 = 100;
/// Response sizes up to this are never outliers, bytes.
pub(crate) const MIN_OUTLIER_BYTES: u64 = 4096;

// `ingest::batch`
/// Maximum number of invalid lines of a batch that are reported one by one.
pub const MAX_REPORTED_LINES: usize = 20;
/// Longest `id` and `session` of a record, bytes.
pub(crate) const MAX_ID_BYTES: usize = 128;
/// Largest number of lines in a batch. A line of 30 bytes becomes a record of 1 kB, so without a limit a small body
/// could exhaust memory.
pub const MAX_BATCH_LINES: usize = 50_000;
/// Largest number of parameters, attacks, evidence, links and headers in all records of a batch, for the same reason. No
/// single line can hold as many, so repeated halving makes any batch acceptable.
pub const MAX_BATCH_ITEMS: usize = 500_000;
/// Longest reported reason why a line is invalid, bytes: it may quote the record.
pub(crate) const MAX_REASON_BYTES: usize = 200;
/// How far ahead of this clock a record may be, milliseconds.
pub(crate) const MAX_AHEAD_MS: u64 = 24 * 3600 * 1000;

// `ingest::body`
/// Longest body of a batch as sent, bytes.
pub const MAX_SENT_BYTES: usize = 16 << 20;
/// Longest decompressed body of a batch, bytes.
pub const MAX_INFLATED_BYTES: usize = 64 << 20;
/// Maximum number of bytes beyond a body's limit that are read and discarded.
pub(crate) const MAX_DISCARDED_BYTES: usize = 64 << 20;

// `ingest::cut_batches`
/// Maximum number of batches, stored in part, that are remembered. Beyond it the oldest is forgotten, and its retry is learned as a whole.
pub(crate) const MAX_CUT_BATCHES: usize = 256;

// `ingest::key_facts`
/// Longest body with key facts, decompressed, bytes.
pub(crate) const MAX_KEY_FACTS_BYTES: usize = 32 << 20;

// `ingest::records`
/// Longest `Idempotency-Key`, bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 256;

// `neighbours`
/// Maximum number of sessions that neighbours of an endpoint are taken from: the most recently active ones.
pub const MAX_SAMPLED_SESSIONS: usize = 50;
/// Maximum number of pages, of [`MAX_SESSIONS`] each, that are searched for the sample.
pub(crate) const MAX_SAMPLED_PAGES: usize = 4;
/// Maximum number of requests of a session that neighbours are taken from: the newest ones.
pub const MAX_SAMPLED_REQUESTS: usize = 500;
/// Maximum number of neighbours on each side.
pub const MAX_NEIGHBOURS: usize = 10;

// `node_control::registry`
/// Largest number of nodes; the one not seen for the longest time is evicted.
pub const MAX_NODES: usize = 10_000;
/// Maximum length of each value that a node reports, bytes.
pub(crate) const MAX_REPORT_BYTES: usize = 8192;

// `node_control::sync`
/// Longest time that a node waits for a change, seconds.
pub const MAX_SYNC_WAIT_SECONDS: u64 = 60;
/// Longest name and version of a node, bytes.
pub(crate) const MAX_NODE_NAME_BYTES: usize = 256;

// `scored`
/// Sessions that a list in the order of scores is chosen from: the most recently active ones.
pub const MAX_RANKED_SESSIONS: usize = 300;

// `state`
/// Maximum concurrent session-list queries: each uses all processors, and memory for the sessions it merges.
/// Further queries wait.
pub(crate) const MAX_CONCURRENT_LISTS: usize = 2;

// `trial`
/// Maximum number of subjects of a trial. It stops there and reports that the rest of the period was not tried.
pub(crate) const MAX_TRIAL_SUBJECTS: usize = 200_000;
/// Maximum number of count entries of a trial: a subject with many distinct values has several.
pub(crate) const MAX_TRIAL_ENTRIES: usize = 600_000;
/// Maximum number of sessions that a trial remembers, to tell which request is the first of its session.
pub(crate) const MAX_TRIAL_SESSIONS: usize = 2_000_000;
/// Maximum number of sessions that a trial names per subject.
pub(crate) const MAX_NAMED_SESSIONS: usize = 50;
/// Maximum number of sessions that a trial names in total.
pub(crate) const MAX_NAMED_SESSIONS_IN_ALL: usize = 500_000;
/// Maximum number of subjects that a trial lists.
pub const MAX_LISTED_SUBJECTS: usize = 500;
/// Maximum duration of a trial.
pub const MAX_TRIAL_TIME: Duration = Duration::from_secs(60);

// `user`
/// Maximum number of sessions of a user whose requests are counted.
pub const MAX_USER_SESSIONS: usize = 100;
/// Maximum number of values of one kind of a user.
pub const MAX_USER_VALUES: usize = 50;
