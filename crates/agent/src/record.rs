//! The request summary: one line of NDJSON, owned and bounded, with nothing borrowed from NGINX.

mod encode;
mod evidence;
mod limits;
mod line;
mod options;
mod read;

pub use encode::{RecordEncoder, RequestMeta};
pub use options::RecordOptions;
