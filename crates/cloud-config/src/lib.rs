//! Configuration of the cloud: flags, environment and file ([`options`]), what they amount to ([`config`]), the address it listens on ([`address`]), and
//! the address under which browsers see it ([`site`]).
#![forbid(unsafe_code)]

pub mod address;
pub mod config;
mod limits;
pub mod options;
pub mod site;
