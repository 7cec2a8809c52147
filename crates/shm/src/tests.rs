//! Tests within one process (also under Miri), and with workers that are killed.

#[cfg(not(miri))] // no fork(2)
mod child_process;
mod denylist;
#[cfg(not(miri))] // too long
mod flood;
mod invariants;
#[cfg(not(miri))]
mod killed_denylist_writers;
#[cfg(not(miri))]
mod killed_mailbox_users;
#[cfg(not(miri))]
mod killed_workers;
mod links;
mod rule_counts;
mod session_table;
mod zone;
