//! Configuration of the cloud: flags, environment and file ([`config`]), the address it listens on ([`address`]), and
//! the address under which browsers see it ([`site`]).
#![forbid(unsafe_code)]

pub mod address;
pub mod config;
mod limits;
pub mod site;
