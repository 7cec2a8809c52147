//! What is unusual of a session: at most twelve facts of its last day, each beside what is normal in its
//! application, and a score of them. A score denies nobody.
//!
//! Computed from what every store answers, so that both engines give the same facts.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod fact;
mod measure;
mod network;
mod normal;
mod report;

pub use fact::{Fact, Unit};
pub use measure::{MAX_MEASURED, Measured, PERIOD_MS, measure};
pub use network::network;
pub use normal::{MIN_SESSIONS, Normal, Normals, Spread};
pub use report::{FactRow, Facts, Score};
