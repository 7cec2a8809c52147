//! `api-sessions-cloud`: takes batches of records from nodes, keeps a week of sessions, answers
//! questions about them, hands the denylist and the parameters back, and serves the Console.
//!
//! A batch's way: [`api::records`] → [`ingest`] → [`api_sessions_store`]. A question's way: [`router`] →
//! [`auth`] → [`api`] or [`console`] → [`api_sessions_store`].
#![forbid(unsafe_code)]

pub mod api;
pub mod auth;
pub mod cli;
pub mod config;
pub mod connections;
pub mod console;
pub mod csv;
pub mod doctor;
pub mod error;
pub mod extract;
pub mod generate;
pub mod ingest;
pub mod json;
pub mod metrics;
pub mod nodes;
pub mod retention;
pub mod router;
pub mod server;
pub mod state;
pub mod tokens;
pub mod usual;
