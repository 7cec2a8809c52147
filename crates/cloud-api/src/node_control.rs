//! What nodes receive from the cloud, and what they report.

pub mod denials;
pub mod key_windows;
pub mod nodes;
pub mod registry;
pub mod sync;
