//! The request summary: one line of NDJSON, owned and bounded, with nothing borrowed from the server.

mod encode;
mod full;
mod limits;
mod line;
mod path;
pub(crate) mod places;
mod read;
pub(crate) mod secrets;

pub use encode::{RecordEncoder, RecordOptions, RequestMeta};
pub use full::FullContent;
pub use limits::{MAX_FIELD_BYTES, MAX_PATH_BYTES, MAX_VALUE_BYTES};
pub(crate) use secrets::HIDDEN;

/// Makes ready what is made once in a process, so that no request waits for it.
pub fn prepare() {
    crate::redact::names::prepare();
}
