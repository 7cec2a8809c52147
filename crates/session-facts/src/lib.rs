//! What is unusual about a session: at most twelve facts of its last day, each beside the normal values of its
//! application, and a score. A score never denies a session.
//!
//! Computed from answers that both engines give, so that the facts are the same on both.

#![forbid(unsafe_code)]

mod fact;
pub mod limits;
mod measure;
mod network;
mod normal;
mod report;
mod scores;

pub use fact::{Fact, Unit};
pub use measure::{Measured, PERIOD_MS, measure};
pub use network::network;
pub use normal::{Normal, Normals, Spread};
pub use report::{FactRow, Facts, Score};
pub use scores::{Scored, Scores};
