//! Limits: how much this crate accepts, keeps and reports.

// `html`
/// Maximum length of a tag that is read, bytes.
pub(crate) const MAX_TAG_BYTES: usize = 2048;
