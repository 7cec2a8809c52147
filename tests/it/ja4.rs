//! JA4: what a client's TLS says of who it is.

mod chromium;
mod clients;
mod fallback;
mod handshakes;
mod oracle;
mod records;
mod relay;
mod server;
