//! Limits: how much this crate accepts, keeps and reports.

// `condition`
/// Maximum number of conditions of a rule.
pub(crate) const MAX_CONDITIONS: usize = 16;
/// Memory limit of a compiled regular expression, bytes.
pub(crate) const MAX_REGEX_BYTES: usize = 1 << 20;

/// Maximum number of rules of one location in nginx.conf.
pub const MAX_LOCATION_RULES: usize = 32;
/// Maximum number of rules in nginx.conf.
pub const MAX_RULES: usize = 256;
/// Maximum number of rules of the cloud.
pub const MAX_CLOUD_RULES: usize = 64;
/// Maximum number of distinct values that a rule counts to; larger counts are not accurate enough.
pub const MAX_DISTINCT: u64 = 300;
/// Maximum length of a word of a rule, bytes.
pub const MAX_WORD_BYTES: usize = 4096;

// `rate`
/// Maximum number of requests of a rate.
pub(crate) const MAX_RATE_REQUESTS: u64 = 1_000_000;

// `rule`
/// Maximum length of the name of a rule, bytes.
pub(crate) const MAX_RULE_NAME_BYTES: usize = 64;
/// Maximum threshold: 2^40.
pub(crate) const MAX_THRESHOLD: u64 = 1 << 40;

// `scope`
/// Maximum number of segments of a path pattern.
pub(crate) const MAX_PATTERN_SEGMENTS: usize = 32;
/// Maximum number of methods of a rule.
pub(crate) const MAX_METHODS: usize = 16;

// `scopes`
/// Maximum number of rules in a list.
pub(crate) const MAX_LISTED_RULES: usize = 128;
