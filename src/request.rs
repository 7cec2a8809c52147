//! What happens to a request.
//!
//! Each handler is thin: it asks whether the module has a say here, and hands over to [`lifecycle`],
//! where one request's way can be read from top to bottom.
#![forbid(unsafe_code)]

mod access;
mod bodies;
mod capture;
mod follow;
mod lifecycle;
mod log;
mod look;
mod open;
mod rewrite;
pub(crate) mod rules;
mod state;
pub(crate) mod variables;
mod view;

pub(crate) use access::Access;
pub(crate) use bodies::Bodies;
pub(crate) use follow::Issuing;
pub(crate) use log::Log;
pub(crate) use open::{OpenKind, is_denied_meanwhile, open_kind};
pub(crate) use rewrite::{LocationRewrite, ServerRewrite};
pub(crate) use state::State;
