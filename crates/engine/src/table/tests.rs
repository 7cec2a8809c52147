//! The table over plain memory (also under miri).

mod memory;
mod sessions;
