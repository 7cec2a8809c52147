//! Subcommands that root runs on the store of the service: as the service's user, so that no file in the store's
//! directory becomes root's.

use std::io::{Error, Result};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Runs this program again as the owner of `directory`, with the same arguments and environment, if it runs as root
/// and the owner is another user. Returns otherwise, also where the directory does not exist.
///
/// # Errors
/// The program cannot be run again.
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
    // By this link, for which the user needs no right to the directories above the program.
    let mut again = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // This also leaves root's supplementary groups. exec returns errors only.
    again.args(arguments).uid(metadata.uid()).gid(metadata.gid());
    Err(failed(again.exec()))
}
