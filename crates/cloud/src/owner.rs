//! Runs subcommands that use the store as the service's user when root starts them, so that root does not come to own
//! files in the data directory.

use std::io::{Error, Result};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Re-executes this program as the owner of `directory`, with the same arguments and environment, if it runs as root
/// and the owner is another user. Otherwise returns, also if the directory does not exist.
///
/// # Errors
/// The program cannot be re-executed.
pub fn become_owner(directory: &Path) -> Result<()> {
    let Ok(metadata) = std::fs::metadata(directory) else { return Ok(()) };
    if !rustix::process::geteuid().is_root() || metadata.uid() == 0 {
        return Ok(());
    }
    let directory = std::fs::canonicalize(directory)?;
    let failed = |error: Error| {
        let (user, shown) = (metadata.uid(), directory.display());
        Error::new(error.kind(), format!("cannot run as user {user}, who owns {shown}: {error}"))
    };
    let mut arguments = std::env::args_os();
    // Through this link, the user needs no permission for the directories above the program.
    let mut again = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // This also drops root's supplementary groups. exec returns only on an error.
    again.args(arguments).uid(metadata.uid()).gid(metadata.gid());
    Err(failed(again.exec()))
}
