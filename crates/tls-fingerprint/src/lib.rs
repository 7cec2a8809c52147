//! JA4 of a TLS client, from the bytes of its ClientHello.
//!
//! JA4 is computed as FoxIO's `technical_details/JA4.md` says (BSD 3-Clause). Beside it there is a stable form: the
//! plain JA4 changes between the connections of one browser, since a resumed session adds extensions and
//! a WebSocket offers other protocols than a page.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod hello;
mod ja4;

pub use hello::{ClientHello, Numbers};
pub use ja4::{Fingerprint, JA4_BYTES, MAX_RAW_BYTES};
