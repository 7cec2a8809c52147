//! The request summary: one line of NDJSON, owned and bounded, with nothing borrowed from the server.

mod encode;
mod full;
mod limits;
mod line;
mod path;
mod places;
mod read;
mod secrets;

pub use encode::{Encoder, Facts, Settings};
pub use limits::{MAX_FIELD_BYTES, MAX_PATH_BYTES, MAX_VALUE_BYTES};

use api_sessions_wire::ParamType;

use crate::point::Point;

/// A parameter that the operator wants to see with each request (`context_param`).
#[derive(Debug, Clone)]
pub struct ContextParam {
    /// Where the value is.
    pub point: Point,
    /// Its label.
    pub name: String,
    /// What it means.
    pub kind: ParamType,
    /// It leaves the node as a keyed hash alone.
    pub hash: bool,
}
