//! The changes within a session, in words: for its page, its list of requests and its timeline.

use ahash::AHashMap;
use maud::{Markup, html};

use super::Viewer;
use super::html::{encoded, moment, short};
use api_sessions_cloud_api::changes::{Change, ChangeKind, Changes};

/// Maximum number of changes listed on the page.
const SHOWN: usize = 12;

/// The changes of each request.
pub(super) struct Marks<'a>(AHashMap<&'a str, Vec<&'a Change>>);

impl<'a> Marks<'a> {
    pub(super) fn new(changes: &'a Changes) -> Marks<'a> {
        let mut marks: AHashMap<&str, Vec<&Change>> = AHashMap::new();
        for change in &changes.changes {
            marks.entry(&change.request).or_default().push(change);
        }
        Marks(marks)
    }

    fn of(&self, request: &str) -> &[&'a Change] {
        self.0.get(request).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether something changed with a request.
    pub(super) fn has(&self, request: &str) -> bool {
        !self.of(request).is_empty()
    }

    /// The changes at a request.
    pub(super) fn show(&self, request: &str) -> Markup {
        html! { @for change in self.of(request) { div { (mark(change)) } } }
    }

    /// The changes at a request, as text.
    pub(super) fn text(&self, request: &str) -> String {
        self.of(request).iter().map(|change| format!(", {}", words(change))).collect()
    }
}

fn words(change: &Change) -> String {
    let after = short(&change.after, 60);
    match change.kind {
        ChangeKind::Network => format!("new network {after}"),
        ChangeKind::Country => format!("new country {after}"),
        ChangeKind::UserAgent => "new User-Agent".into(),
        ChangeKind::Ja4 => "new JA4".into(),
        ChangeKind::Login => format!("login {after}"),
        ChangeKind::User => format!("user {after}"),
        ChangeKind::Identifier => "new identifier".into(),
        ChangeKind::Rule => format!("rule {after}"),
    }
}

fn mark(change: &Change) -> Markup {
    let after = short(&change.after, 300);
    let title = match &change.before {
        Some(before) => format!("{after} (before: {})", short(before, 300)),
        None => after,
    };
    html! { span.change title=(title) { (words(change)) } }
}

/// The changes of a session, by request.
pub(super) fn section(viewer: &Viewer, changes: &Changes) -> Markup {
    let requests: Vec<&[Change]> =
        changes.changes.chunk_by(|one, next| one.request == next.request).collect();
    html! {
        @if !requests.is_empty() {
            section.changes aria-label="What changed" {
                h2 { "What changed" }
                ol {
                    @for of_request in requests.iter().take(SHOWN) {
                        @if let Some(first) = of_request.first() { li {
                            a href=(viewer.link(&format!("/requests/{}", encoded(&first.request)))) { (moment(first.ts)) }
                            div { @for change in *of_request { div { (mark(change)) @if let Some(before) = value_before(change) { " " span.quiet { (before) } } } } }
                        } }
                    }
                }
                @if requests.len() > SHOWN { p.quiet { "+" (requests.len() - SHOWN) " more, marked in the list of requests" } }
            }
        }
        @if changes.is_cut { p.quiet { "Changes are those of the first " (changes.compared) " requests." } }
    }
}

/// The value before and after, unless the words already say it.
fn value_before(change: &Change) -> Option<String> {
    let before = change.before.as_ref()?;
    Some(match change.kind {
        ChangeKind::Network | ChangeKind::Country | ChangeKind::User => {
            format!("after {}", short(before, 60))
        }
        _ => format!("{} after {}", short(&change.after, 80), short(before, 80)),
    })
}
