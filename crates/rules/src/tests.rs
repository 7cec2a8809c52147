//! Tests of whole rules.

mod attack;
mod grammar;
mod model;
mod scopes;
