//! The table over plain memory (also under miri).

mod denying;
mod memory;
mod sessions;
