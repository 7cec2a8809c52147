//! Key facts: the quality of session keys, measured on the traffic.
//!
//! Each worker measures with bounded samples ([`Collector`]) and sends them once per window
//! ([`WindowFacts`]). The cloud merges the samples of all workers ([`KeyFacts::merge`]), judges each window
//! by medians ([`judge`]) and derives a standing verdict with hysteresis ([`Standing`]). Values are kept only
//! as 32 bits of a keyed hash.
#![forbid(unsafe_code)]

mod candidate;
mod claims;
mod collector;
mod demotion;
mod excluded_names;
mod facts;
mod fingerprint;
mod ledger;
pub mod limits;
mod names;
mod place;
mod sample;
mod sticky_verdict;
mod suggestion;
mod summary;
mod verdict;
mod wire;

pub use candidate::{point_of, quoted_point};
pub use collector::{Collector, Decided, Observed, Settings};
pub use demotion::{DemotionChanges, decide};
pub use facts::{KeyFacts, Kind, Seen};
pub use fingerprint::{Fingerprints, Key};
pub use ledger::{ClosedKey, ClosedWindow, Kept, KeyName, Ledger};
pub use place::Place;
pub use sample::ClientSample;
pub use sticky_verdict::{BAD_WINDOWS, CLEAN_WINDOWS, Standing};
pub use suggestion::{is_suggested, rank};
pub use summary::{Spread, Summary};
pub use verdict::{Verdict, evidence, judge};
pub use wire::{ApplicationFacts, BadFacts, KeyLine, WindowFacts};

/// Default length of a window, milliseconds.
pub const WINDOW_MS: u64 = 600_000;
/// The period over which values per client are counted, milliseconds; at most six windows, if these are
/// shorter than the default.
pub const HOUR_MS: u64 = 3_600_000;

/// Number of windows over which values per client are counted.
pub fn windows_an_hour(window_ms: u64) -> usize {
    usize::try_from(HOUR_MS / window_ms.max(1)).unwrap_or(usize::MAX).clamp(1, 6)
}

#[cfg(test)]
mod tests;
