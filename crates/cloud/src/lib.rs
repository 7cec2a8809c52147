//! `api-sessions-cloud`: stores the records that nodes report, answers queries about them, distributes the
//! denylist and the parameters to the nodes, and serves the Console.
//!
//! A batch: [`ingest`] → [`api_sessions_store`]. A query: [`routes`] → [`auth`] → [`api`] or [`console`] →
//! [`api_sessions_store`]. A poll of a node: [`routes`] → [`auth`] → [`node_control`].
#![forbid(unsafe_code)]

pub mod aggregate;
pub mod api;
pub mod auth;
pub mod cli;
pub mod config;
pub mod connections;
pub mod console;
pub mod copy;
pub mod doctor;
pub mod error;
pub mod extractors;
pub mod generate;
pub mod ingest;
pub mod json;
pub mod listener;
pub mod log;
pub mod manual;
pub mod metrics;
pub mod node_control;
pub mod owner;
pub mod reload;
pub mod retention;
pub mod routes;
pub mod server;
pub mod service_manager;
pub mod site;
pub mod state;
pub mod tokens;
