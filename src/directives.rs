//! The directives: syntax, meaning and inheritance (docs/directives.md).
//!
//! Each level has a structure: [`MainConf`] for `http` alone, [`LocationConf`] for what may
//! be written in `http`, `server` and `location`. Words are turned into compiled points, numbers and
//! complex values here, once; a request only reads.
#![forbid(unsafe_code)]

mod application;
mod attack;
mod commands;
mod content_handlers;
mod deny;
mod detect;
mod export;
mod export_conf;
mod fallback;
mod ja4;
mod keys;
mod location;
mod location_values;
mod main;
mod rules;
mod runtime;
mod secret;
mod simple;
mod zone;
mod zones;

pub(crate) use api_sessions_agent::remote_config::Analysis;
pub(crate) use commands::COMMANDS;
pub(crate) use export_conf::ExportConf;
pub(crate) use location::LocationConf;
pub(crate) use location_values::Deny;
pub(crate) use main::MainConf;
