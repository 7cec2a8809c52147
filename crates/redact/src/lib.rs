//! Redaction of requests, in every record and in the full content of malicious requests.
//!
//! There are two tasks. The first is to hide what the operator hides: [`places`] knows the places that hidden
//! points read, [`secrets`] finds their values anywhere else, [`path`] and [`full`] remove them. The second
//! is to find what is secret by itself: [`names`] and [`looks`] judge; [`plain`] and [`harmless`] decide what
//! headers and cookies may show; [`text`] finds the secrets in values, with [`json`], [`xml`], [`multipart`],
//! [`named_values`] and [`userinfo`] for structured values and [`wide`] for UTF-16; [`headers`] finds those in
//! headers and cookies; [`cuts`] replaces them.
#![forbid(unsafe_code)]

mod base64;
mod body;
mod bounded;
mod cuts;
mod full;
mod harmless;
mod headers;
mod json;
mod limits;
mod multipart;
mod named_values;
mod names;
mod path;
mod places;
mod plain;
mod secrets;
mod text;
mod token_patterns;
mod userinfo;
mod utf16;
mod xml;

pub use bounded::cut;
pub use full::{FullContent, Rule, full_request};
pub use names::prepare;
pub use path::hide as hide_path;
pub use places::Places;
pub use secrets::{HIDDEN, Secrets};
