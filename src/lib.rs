//! `ngx_http_api_sessions_module`: groups the requests that NGINX serves into user sessions.
//!
//! - [`nginx`]: safe wrappers over NGINX; the place for `unsafe`
//! - [`conf`]: the directives
//! - [`handlers`]: what happens to a request; its way is in `handlers/journey.rs`, top to bottom
//! - [`worker`]: what a worker process owns: its seat at the session table, its queue, its exporter
//! - [`module`]: the statics that NGINX looks for
#![deny(unsafe_code)]

mod conf;
mod handlers;
#[allow(unsafe_code)]
mod module;
#[allow(unsafe_code)]
mod nginx;
mod worker;
