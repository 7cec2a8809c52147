//! JA4 fingerprint of a TLS client, computed from the bytes of its ClientHello.
//!
//! JA4 follows FoxIO's `technical_details/JA4.md` (BSD 3-Clause). There is also a stable form, since plain JA4 varies
//! between connections of one browser: a resumed session adds extensions, and a WebSocket offers other protocols than
//! a page.
#![forbid(unsafe_code)]

mod hello;
mod ja4;
pub mod limits;

pub use hello::{ClientHello, Numbers};
pub use ja4::{Fingerprint, JA4_BYTES};
