//! Fields of filter forms, which keep what was typed and say beside it what is wrong about it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::Viewer;
use super::html::page;
use api_sessions_cloud_api::api::query::time;
use api_sessions_cloud_api::error::AppError;

/// Fields that cannot be read: name, and what is expected.
pub(super) type Mistakes = Vec<(&'static str, String)>;

/// What is expected of a time.
pub(super) const TIME: &str = "Expected: a time such as 2026-11-23T10:00:00Z";

/// Why a list is not shown: an error, or a form with a field to correct.
#[derive(Debug)]
pub enum Refused {
    /// A page of its own says what went wrong.
    Error(AppError),
    /// The page of the list, with the form alone.
    Form(Markup),
}

impl From<AppError> for Refused {
    fn from(error: AppError) -> Refused {
        Refused::Error(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Refused::Error(error) => error.into_response(),
            Refused::Form(page) => (StatusCode::BAD_REQUEST, page).into_response(),
        }
    }
}

/// The period of a form.
pub(super) fn period(from: &str, to: &str) -> Mistakes {
    let wrong = |(name, text)| time(name, text).err().map(|_| (name, TIME.to_owned()));
    [("from", from), ("to", to)].into_iter().filter_map(wrong).collect()
}

/// Refuses a form with mistakes, and shows it again. `at` is the menu item of its page.
///
/// # Errors
/// There are mistakes.
pub(super) fn check(
    mistakes: &Mistakes,
    title: &str,
    at: &str,
    viewer: &Viewer,
    form: impl FnOnce() -> Markup,
) -> Result<(), Refused> {
    if mistakes.is_empty() {
        return Ok(());
    }
    let content = html! {
        h1 { (title) }
        p.notice.bad role="alert" { "Nothing was searched: " @if mistakes.len() == 1 { "a field has" } @else { "fields have" } " a value that cannot be read." }
        (form())
    };
    Err(Refused::Form(page(title, at, viewer, &content)))
}

/// A field with its label, and with its mistake if there is one.
pub(super) fn field(
    label: &str,
    name: &str,
    value: &str,
    placeholder: Option<&str>,
    mistakes: &Mistakes,
) -> Markup {
    let mistake = mistakes.iter().find(|(wrong, _)| *wrong == name).map(|(_, expected)| expected);
    let id = format!("wrong-{name}");
    html! {
        label { (label)
            input name=(name) value=(value) placeholder=[placeholder] aria-invalid=[mistake.map(|_| "true")] aria-describedby=[mistake.map(|_| &id)];
            @if let Some(expected) = mistake { span.bad id=(id) { (expected) } }
        }
    }
}

/// The fields of a period.
pub(super) fn period_fields(from: &str, to: &str, mistakes: &Mistakes) -> Markup {
    html! {
        (field("From (UTC)", "from", from, Some("2026-11-23T10:00:00Z"), mistakes))
        (field("To (UTC)", "to", to, None, mistakes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_time_is_kept_and_told_beside_its_field() {
        let mistakes = period("yesterday <", "1700000000000");
        let shown = period_fields("yesterday <", "1700000000000", &mistakes).into_string();
        let (from, to) = shown.split_once("</label>").unwrap();
        assert!(
            from.contains("value=\"yesterday &lt;\"") && from.contains("aria-invalid=\"true\"")
        );
        assert!(from.contains("aria-describedby=\"wrong-from\"") && from.contains(TIME), "{from}");
        assert!(to.contains("value=\"1700000000000\"") && !to.contains("aria-invalid"), "{to}");
        assert!(period("", " 2026-11-23T10:00:00+01:00 ").is_empty());
    }
}
