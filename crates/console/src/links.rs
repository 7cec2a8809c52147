//! Paths of the pages about users and addresses.

use super::Viewer;
use super::html::encoded;

/// Path of a user in the table of routes.
pub(super) fn user_path(user: &str) -> String {
    format!("/users/{}", encoded(user))
}

/// Path of a user's page. Browsers resolve `.` and `..` even if they are percent-encoded.
pub(super) fn user(viewer: &Viewer, user: &str) -> String {
    match user {
        "." | ".." => viewer.link(&format!("/?user={user}")),
        _ => viewer.link(&user_path(user)),
    }
}
