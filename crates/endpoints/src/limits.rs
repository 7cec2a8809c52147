//! Limits: how much this crate accepts, keeps and reports.

// `compare`
/// Maximum number of operations in an OpenAPI document.
pub const MAX_OPENAPI_OPERATIONS: usize = 5000;

// `yaml`
/// Maximum nesting of a YAML document.
pub(crate) const MAX_YAML_DEPTH: usize = 100;
/// Maximum number of values of a YAML document, aliases included.
pub(crate) const MAX_YAML_VALUES: usize = 1_000_000;
