//! `api-sessions-cloud`: stores the records that nodes report, answers queries about them, distributes the
//! denylist and the parameters to the nodes, and serves the Console.
//!
//! [`server`] accepts connections, [`guard`] checks tokens in front of every row of [`routes`], and
//! [`api_sessions_cloud_api`] and [`api_sessions_console`] answer.
#![forbid(unsafe_code)]

pub mod cli;
pub mod connections;
pub mod copy;
pub mod doctor;
pub mod generate;
pub mod guard;
pub mod har;
pub mod limits;
pub mod listener;
pub mod log;
pub mod manual;
pub mod mmdb;
pub mod openapi;
pub mod owner;
pub mod reload;
pub mod retention;
pub mod routes;
pub mod server;
pub mod service_manager;
pub mod stop;
pub mod store;
pub mod tokens;
