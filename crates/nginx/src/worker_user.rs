//! The user that workers run as, and its access to directories.

use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use ngx::ffi;

/// The core module's configuration in the cycle being read. `user` is final only once the whole configuration has been
/// read (`ngx_core_module_init_conf`).
#[derive(Clone, Copy)]
pub struct CoreConf(*const ffi::ngx_core_conf_t);

/// A user and its groups.
#[derive(Debug)]
pub struct WorkerUser {
    uid: u32,
    gids: Vec<u32>,
    name: String,
}

impl CoreConf {
    /// # Safety
    /// `conf` is the core module's configuration of a cycle, and is used only while that cycle lives.
    pub(super) unsafe fn new(conf: *const ffi::ngx_core_conf_t) -> Self {
        Self(conf)
    }

    /// The user that workers run as (`ngx_worker_process_init`): the configured one if the master is root, else the
    /// current one.
    pub fn worker_user(self) -> WorkerUser {
        // SAFETY: the cycle lives, as `new` requires; the libc calls only read process attributes.
        let (conf, uid, gid) = unsafe { (&*self.0, libc::geteuid(), libc::getegid()) };
        if uid != 0 || conf.master == 0 {
            return WorkerUser { uid, gids: own_groups(gid), name: format!("uid {uid}") };
        }
        // SAFETY: `username` is null or the NUL-terminated string that the core module has set.
        let name = unsafe { conf.username.as_ref().map(|name| CStr::from_ptr(name)) };
        let gids = name.map_or_else(|| vec![conf.group], |name| groups_of(name, conf.group));
        let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        WorkerUser { uid: conf.user, gids, name }
    }

    /// `worker_priority`: the niceness of workers.
    pub fn worker_priority(self) -> i32 {
        // SAFETY: the cycle lives, as `new` requires.
        unsafe { (*self.0).priority }
    }
}

/// The configuration is only being tested (`nginx -t`): nothing may be changed.
pub fn is_configuration_test() -> bool {
    // SAFETY: set at the start of main().
    unsafe { ffi::ngx_test_config != 0 }
}

fn own_groups(gid: u32) -> Vec<u32> {
    let mut gids = vec![0; 256];
    // SAFETY: the buffer has room for the given number of groups.
    let count = unsafe { libc::getgroups(gids.len() as i32, gids.as_mut_ptr()) };
    gids.truncate(usize::try_from(count).unwrap_or(0));
    gids.push(gid);
    gids
}

/// The groups that `initgroups(3)` sets for a worker.
fn groups_of(user: &CStr, gid: u32) -> Vec<u32> {
    let mut gids = vec![0; 256];
    let mut count = gids.len() as i32;
    // SAFETY: a C string and a buffer with room for `count` groups.
    unsafe { libc::getgrouplist(user.as_ptr(), gid, gids.as_mut_ptr(), &mut count) };
    gids.truncate(usize::try_from(count).unwrap_or(0));
    gids.push(gid);
    gids
}

impl WorkerUser {
    /// Creates a directory (mode 0700) for this user, with its parents. If it exists, checks that the user can write to
    /// it and to each file in it whose name `is_ours` accepts. A configuration test creates nothing.
    ///
    /// # Errors
    /// A message for the operator.
    pub fn ensure_directory(
        &self,
        path: &Path,
        is_ours: impl Fn(&OsStr) -> bool,
    ) -> Result<(), String> {
        let shown = path.display();
        match fs::metadata(path) {
            Ok(found) if !found.is_dir() => Err(format!("\"{shown}\" is not a directory")),
            Ok(found) => {
                self.check(path, &found)?;
                self.check_files(path, is_ours)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if path.is_symlink() {
                    return Err(format!("\"{shown}\" is a symbolic link to nothing"));
                }
                self.check_parents(path)?;
                let made = match is_configuration_test() {
                    true => may_create(path),
                    false => self.make(path),
                };
                made.map_err(|error| format!("cannot create \"{shown}\": {error}"))
            }
            Err(error) => Err(format!("\"{shown}\" cannot be used: {error}")),
        }
    }

    fn make(&self, path: &Path) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        DirBuilder::new().mode(0o700).create(path)?;
        let path = CString::new(path.as_os_str().as_encoded_bytes())?;
        // SAFETY: a C string. Only root can change the owner.
        let rc = unsafe {
            if libc::geteuid() == 0 { libc::chown(path.as_ptr(), self.uid, u32::MAX) } else { 0 }
        };
        if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn check(&self, path: &Path, found: &Metadata) -> Result<(), String> {
        if !self.may(path, found, 0o3) {
            return Err(format!(
                "\"{}\" cannot be written to by the workers: it belongs to uid {} (mode {:o}), they run as \"{}\" (uid {}): chown or chmod it",
                path.display(),
                found.uid(),
                found.mode() & 0o7777,
                self.name,
                self.uid
            ));
        }
        self.check_parents(path)
    }

    /// Parents that are missing are skipped.
    fn check_parents(&self, path: &Path) -> Result<(), String> {
        for parent in path.ancestors().skip(1) {
            let Ok(found) = fs::metadata(parent) else { continue };
            if !self.may(parent, &found, 0o1) {
                return Err(format!(
                    "\"{}\" cannot be reached by the workers: \"{}\" belongs to uid {} (mode {:o}), they run as \"{}\" (uid {})",
                    path.display(),
                    parent.display(),
                    found.uid(),
                    found.mode() & 0o7777,
                    self.name,
                    self.uid
                ));
            }
        }
        Ok(())
    }

    /// Checks for files left by another user, as after a change of `user` or of `master_process`. Skips a directory
    /// that cannot be listed.
    fn check_files(&self, path: &Path, is_ours: impl Fn(&OsStr) -> bool) -> Result<(), String> {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            if is_ours(&entry.file_name()) && !self.may(&entry.path(), &found, 0o6) {
                return Err(format!(
                    "\"{}\" cannot be read and written by the workers: it belongs to uid {} (mode {:o}), they run as \"{}\" (uid {}): chown -R \"{}\"",
                    entry.path().display(),
                    found.uid(),
                    found.mode() & 0o7777,
                    self.name,
                    self.uid,
                    path.display()
                ));
            }
        }
        Ok(())
    }

    /// Whether the mode bits (`rwx` of one class) are granted (path_resolution(7)). A path with an access control list
    /// always passes; the list is not evaluated.
    fn may(&self, path: &Path, found: &Metadata, bits: u32) -> bool {
        let shift = if self.uid == 0 {
            return true;
        } else if found.uid() == self.uid {
            6
        } else if self.gids.contains(&found.gid()) {
            3
        } else {
            0
        };
        found.mode() >> shift & bits == bits || has_acl(path)
    }
}

/// Whether this process may create the directory, as far as the nearest parent that is there tells.
fn may_create(path: &Path) -> io::Result<()> {
    let parent = path.ancestors().skip(1).find(|parent| parent.exists());
    let parent = CString::new(parent.unwrap_or(path).as_os_str().as_encoded_bytes())?;
    // SAFETY: a C string.
    let rc = unsafe { libc::access(parent.as_ptr(), libc::W_OK | libc::X_OK) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the path has an access control list beyond its mode (acl(5)).
fn has_acl(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_encoded_bytes()) else { return false };
    // SAFETY: two C strings; with a size of 0, the call only returns the size of the value.
    let size = unsafe {
        let name = c"system.posix_acl_access".as_ptr();
        libc::getxattr(path.as_ptr(), name, std::ptr::null_mut(), 0)
    };
    size > 0
}
