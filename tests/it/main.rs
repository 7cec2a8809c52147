//! Integration tests: the module in a real NGINX, reporting to a real cloud.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    reason = "a test ends where something fails"
)]

mod harness;

mod attacks;
mod canary;
mod configuration;
mod console;
mod deny_in_rewrite;
mod denylist;
mod detect;
mod documented;
mod dropped_headers;
mod export;
mod export_settings;
mod http3;
mod identity;
mod ja4;
mod json_types;
mod keys;
mod nodes;
mod open_requests;
mod preread;
mod preread_handlers;
mod preread_http2;
mod preread_streams;
mod records;
mod redirects;
mod refused;
mod reloaded_queue;
mod request_lines;
mod rules;
mod sessions;
mod single_process;
mod sync;
mod table;
mod traces;
mod transport;
