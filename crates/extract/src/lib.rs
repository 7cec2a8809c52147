//! The point language: where in a request or its response a value is (contract §2).
//!
//! A [`Point`] is parsed once, at configuration time, and read from an [`Exchange`] without
//! allocating: a value that needs no decoding is borrowed from the request, and one that does is
//! written into a [`Scratch`] that is used again for the next.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod accept;
pub mod builtin;
mod capture;
mod chunked;
pub mod cookie;
mod credential;
mod decoder;
mod every;
mod exchange;
mod grammar;
mod http3_frames;
pub mod json;
mod json_encoding;
mod json_types;
mod keys;
pub mod media_type;
pub mod multipart;
mod parameters;
mod parse;
mod parts;
pub mod percent;
mod point_error;
pub mod query;
mod read;
mod request_line;
mod scratch;
mod source;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use capture::{Capture, Chunk, Head, Readers, Unread};
pub use chunked::ChunkedDecoder;
pub use credential::variable_names;
pub use decoder::{Decoder, decode_base64, jwt_part, strip_scheme};
pub use exchange::{Body, Exchange, Ja4Form, Side, VariableCompiler, VariableId, find_header};
pub use http3_frames::Http3Frames;
pub use json_encoding::begins_as_json;
pub use json_types::JsonTypes;
pub use keys::{ContextParam, KeyExport, SessionKey, longest_pattern_first};
pub use media_type::MediaType;
pub use parameters::{
    BadParameters, CloudSettings, MAX_LABEL_BYTES, MAX_PARAMETERS_BYTES, ParametersText,
};
pub use parts::Part;
pub use point_error::PointError;
pub use request_line::RequestLine;
pub use scratch::Scratch;
pub use source::{Needs, NoVariables, PointSource};

/// Longest value that is read, bytes; of a longer one, its first bytes.
pub const MAX_VALUE_BYTES: usize = 8 * 1024;
/// Longest text of a point, bytes.
pub const MAX_POINT_BYTES: usize = 1024;
/// Most decoders behind a source.
pub const MAX_DECODERS: usize = 8;

/// Where a value is: a source, then decoders.
#[derive(Debug, Clone)]
pub struct Point {
    text: String,
    source: PointSource,
    decoders: Vec<Decoder>,
    parts: Box<[Part]>,
}

impl Point {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the value is taken from, before decoders.
    pub fn source(&self) -> &PointSource {
        &self.source
    }

    /// What is done to the value, in order.
    pub fn decoders(&self) -> &[Decoder] {
        &self.decoders
    }

    /// What of a request an NGINX complex value is made of, as far as its text says.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The parts of an exchange that must have been seen for the point to yield a value.
    pub fn needs(&self) -> Needs {
        self.source.needs()
    }

    /// Whether it can yield a value of a body of that type.
    pub fn reads_body_of(&self, side: Side, media_type: MediaType) -> bool {
        self.source.reads_body_of(side, media_type)
    }
}

#[cfg(test)]
mod tests;
