//! Paths of pages about what requests name.

use super::Viewer;
use super::html::encoded;

/// Path of a user in the table of routes.
pub(super) fn user_path(user: &str) -> String {
    format!("/users/{}", encoded(user))
}

/// The page of a user. Browsers take `.` and `..` for a way through folders, however they are written.
pub(super) fn user(viewer: &Viewer, user: &str) -> String {
    match user {
        "." | ".." => viewer.link(&format!("/?user={user}")),
        _ => viewer.link(&user_path(user)),
    }
}
