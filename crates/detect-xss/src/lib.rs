//! Detection of cross-site scripting: markup that runs something, and JavaScript that leaves a string.
//!
//! Each detector reads a [`View`](api_sessions_values::View), counts its steps and returns the range of its
//! first match.

#![forbid(unsafe_code)]

pub mod html;
pub mod js;
mod limits;
