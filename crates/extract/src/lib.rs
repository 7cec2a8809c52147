//! The point language: where a value is in a request or its response (docs/points.md).
//!
//! A [`Point`] is parsed once, at configuration time, and read from an [`Exchange`] without allocating: a value that
//! needs no decoding is borrowed from the request, and any other is written into a [`Scratch`], whose buffers are
//! reused.
#![forbid(unsafe_code)]

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
pub mod limits;
pub mod media_type;
pub mod multipart;
mod near;
mod parameters;
mod parse;
mod parts;
pub mod percent;
mod point_error;
pub mod query;
mod read;
mod recorded;
mod request_line;
mod scratch;
mod source;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod vocabulary;

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
pub use parameters::{BadParameters, CloudSettings, ParametersText};
pub use parts::Part;
pub use point_error::PointError;
pub use recorded::Recorded;
pub use request_line::RequestLine;
pub use scratch::Scratch;
pub use source::{Needs, NoVariables, PointSource};

/// Where a value is: a source, followed by decoders.
#[derive(Debug, Clone)]
pub struct Point {
    text: String,
    source: PointSource,
    decoders: Vec<Decoder>,
    parts: Box<[Part]>,
}

impl Point {
    /// The text of the point, as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the value is taken from, before decoders.
    pub fn source(&self) -> &PointSource {
        &self.source
    }

    /// Decoders applied to the value, in order.
    pub fn decoders(&self) -> &[Decoder] {
        &self.decoders
    }

    /// Parts of a request that an NGINX complex value consists of, as far as its text reveals them.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The parts of an exchange that the point needs to yield a value.
    pub fn needs(&self) -> Needs {
        self.source.needs()
    }

    /// Whether it can yield a value from a body of this type.
    pub fn reads_body_of(&self, side: Side, media_type: MediaType) -> bool {
        self.source.reads_body_of(side, media_type)
    }
}

#[cfg(test)]
mod tests;
