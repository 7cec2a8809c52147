//! The HTTP API of the cloud: the handlers of `/v1`, `/healthz` and `/metrics`, and the state, authentication and
//! errors that it shares with the server and the Console.
//!
//! A batch: [`auth`] → [`ingest`] → [`api_sessions_store`]. A query: [`auth`] → [`api`] → [`api_sessions_store`]. A
//! poll of a node: [`auth`] → [`node_control`].
#![forbid(unsafe_code)]

pub mod aggregate;
pub mod api;
pub mod auth;
pub mod changes;
pub mod endpoint_pages;
pub mod error;
pub mod extractors;
pub mod ingest;
pub mod json;
pub mod limits;
pub mod metrics;
pub mod neighbours;
pub mod node_control;
pub mod replay;
pub mod scored;
pub mod state;
pub mod trial;
pub mod user;
