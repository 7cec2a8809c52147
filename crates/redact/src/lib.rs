//! What of a request may be seen, in every record and in the full content of a malicious request.
//!
//! Two questions are answered. Where is what the operator hides: [`places`] knows where hidden points read,
//! [`secrets`] finds their values wherever else they stand, [`path`] and [`full`] take them out. And what is
//! secret by itself: [`names`] and [`looks`] judge; [`plain`] and [`harmless`] say what headers and cookies may
//! show; [`text`] finds the places in values, with [`json`], [`xml`], [`multipart`], [`assigned`] and [`userinfo`] for what
//! values are made of, [`wide`] for what is in UTF-16, and [`headers`] in headers and cookies; [`cuts`] replaces them.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod assigned;
mod base64;
mod body;
mod bounded;
mod cuts;
mod full;
mod harmless;
mod headers;
mod json;
mod looks;
mod multipart;
mod names;
mod path;
mod places;
mod plain;
mod secrets;
mod text;
mod userinfo;
mod wide;
mod xml;

pub use bounded::cut;
pub use full::{FullContent, Rule, full_request};
pub use names::prepare;
pub use path::hide as hide_path;
pub use places::Places;
pub use secrets::{HIDDEN, Secrets};
