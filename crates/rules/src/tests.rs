//! Rules as a whole.

mod attack;
mod grammar;
mod model;
mod scopes;
