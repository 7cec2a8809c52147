//! Links to the pages of sessions and users.

use maud::{Markup, html};

use super::Viewer;
use super::html::{encoded, visible};

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

/// A link to a session.
pub(super) fn session_link(session: &str, viewer: &Viewer) -> Markup {
    html! {
        a href=(viewer.link(&format!("/sessions/{}", encoded(session)))) { code { (visible(session.get(..12).unwrap_or(session))) "…" } }
    }
}
