//! Rules as a whole.

mod grammar;
mod model;
mod scopes;
