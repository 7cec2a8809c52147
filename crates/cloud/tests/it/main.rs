//! Integration tests: the server over its HTTP interface, and the program.
//!
//! `scripts/test` runs them with the embedded store and with ClickHouse (see [`support::clickhouse`]).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    reason = "a test ends where something fails"
)]

mod alias_model;
mod alias_processes;
mod aliases;
mod api;
mod baseline;
mod binary;
mod changes;
mod cluster;
mod connections;
mod console;
mod copy;
mod endpoints;
mod engines;
mod facts;
mod har;
mod ingest;
mod keys;
mod locations;
mod model;
mod openapi;
mod paging;
mod proxy;
mod replay;
mod routes;
mod rules;
mod service;
mod signals;
mod snapshots;
mod store;
mod support;
mod sync;
mod users;
