//! The point language: where in a request or its response a value is (contract §2).
//!
//! A [`Point`] is parsed once, at configuration time, and evaluated against an [`Exchange`] without
//! allocating.

mod exchange;

pub use exchange::{Body, Exchange, Side, VariableCompiler, VariableId};
