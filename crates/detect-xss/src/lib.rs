//! Detection of cross-site scripting: markup that runs something, and JavaScript that leaves a string.
//!
//! Each detector reads a [`View`](api_sessions_values::View), counts its steps and returns the range of its
//! first match.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod html;
pub mod js;
