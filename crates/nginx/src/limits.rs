//! Limits: how much this crate accepts, keeps and reports.

// `peek::body_look`
/// Maximum bytes on the wire per byte of a chunked body: a chunk of one byte takes six.
pub(crate) const MAX_CHUNK_FRAMING: usize = 8;
