//! What of a request is secret by its name or by its looks, and cutting it out of the text around it.
//!
//! [`names`] and [`looks`] judge; [`plain`] and [`harmless`] say what headers and cookies may show; [`text`] finds
//! the places in values, with [`json`], [`xml`], [`multipart`] and [`assigned`] for what values are made of, and
//! [`headers`] in headers and cookies; [`cuts`] replaces them.

mod assigned;
mod base64;
mod body;
mod cuts;
mod harmless;
mod headers;
mod json;
pub(crate) mod looks;
mod multipart;
pub(crate) mod names;
mod plain;
mod text;
mod xml;

pub(crate) use body::body;
pub(crate) use cuts::Cuts;
pub(crate) use text::{Arguments, Redactor};
