//! Identity of the processes that own something in shared memory, and the proof that one is dead.
//!
//! A worker is identified by its `ngx_process_slot` and its epoch, the number of the process within that slot. NGINX
//! reuses a slot only after `waitpid` (`ngx_reap_children`, `ngx_spawn_process`), so a slot whose epoch has moved on
//! proves the death of the earlier process even if its process id is in use again. Until the slot is reused, `kill(pid,
//! 0)` decides.

mod lock_wait;
mod owner_id;
mod process_slot;

pub(crate) use lock_wait::LockWait;
pub(crate) use owner_id::OwnerId;
pub(crate) use process_slot::{ProcessSlot, ProcessSlots};

/// Whether a process with this id exists, under any user.
#[cfg(not(miri))]
pub(crate) fn process_exists(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: signal 0 sends nothing; kill(2) takes no pointers.
    let sent = unsafe { libc::kill(pid, 0) } == 0;
    // EPERM: the process exists and belongs to another user.
    sent || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// Miri has no kill(2) and runs one process.
#[cfg(miri)]
pub(crate) fn process_exists(pid: u32) -> bool {
    pid == std::process::id()
}
