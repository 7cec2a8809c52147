//! The table and the denylist over memory of the test's own (also under miri), and with workers that
//! are killed.

mod check;
mod denying;
#[cfg(not(miri))] // no fork(2)
mod flood;
#[cfg(not(miri))]
mod killing;
#[cfg(not(miri))]
mod killing_writers;
mod memory;
#[cfg(not(miri))]
mod process;
mod sessions;
