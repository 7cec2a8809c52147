//! What happens to a request. [`lifecycle`] shows its way from top to bottom.
//!
//! Each handler is thin: it checks whether the module is on, builds a [`context`], and calls the lifecycle.
#![forbid(unsafe_code)]

mod access;
mod bodies;
mod body_filter;
mod context;
mod detection;
mod facts;
mod follow;
mod lifecycle;
mod log;
mod open;
mod parameters;
mod record;
mod refusal;
mod rewrite;
pub(crate) mod rules;
mod session;
mod state;
mod unread;
pub(crate) mod variables;
mod view;

pub(crate) use access::Access;
pub(crate) use body_filter::Bodies;
pub(crate) use follow::IssuedHeaders;
pub(crate) use log::Log;
pub(crate) use open::{OpenKind, is_denied_meanwhile, open_kind};
pub(crate) use rewrite::Rewrite;
pub(crate) use state::State;
