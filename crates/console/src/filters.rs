//! Filters: their form, and how URLs carry them.

use maud::{Markup, html};
use serde::Deserialize;
use serde::de::value::{Error, MapDeserializer};

use super::Viewer;
use super::fields::{self, Mistakes, Refused, field};
use super::html::{encoded, short};
use api_sessions_cloud_api::api::query::RawQuery;
use api_sessions_store::clock::{now_ms, rfc3339};

/// Periods to choose from: label, and milliseconds before now.
const PRESETS: [(&str, u64); 5] = [
    ("15 min", 900_000),
    ("1 hour", 3_600_000),
    ("24 hours", 86_400_000),
    ("3 days", 259_200_000),
    ("7 days", 604_800_000),
];

/// The parameters that are set, without the cursor.
pub(super) fn parts(raw: &RawQuery) -> Vec<(&'static str, &str)> {
    let all = [
        ("from", &raw.from),
        ("to", &raw.to),
        ("application", &raw.application),
        ("host", &raw.host),
        ("ip", &raw.ip),
        ("user", &raw.user),
        ("role", &raw.role),
        ("status", &raw.status),
        ("method", &raw.method),
        ("ja4", &raw.ja4),
        ("country", &raw.country),
        ("asn", &raw.asn),
        ("organisation", &raw.organisation),
        ("attack", &raw.attack),
        ("endpoint", &raw.endpoint),
        ("session", &raw.session),
        ("denied", &raw.denied),
        ("sort", &raw.sort),
        ("order", &raw.order),
        ("limit", &raw.limit),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(n, v)| (n, v.as_str())).collect()
}

/// URL of the same view with one parameter changed; an empty `value` removes it.
pub(super) fn with(path: &str, raw: &RawQuery, name: &'static str, value: &str) -> String {
    let mut parts = parts(raw);
    parts.retain(|(other, _)| *other != name);
    if !value.is_empty() {
        parts.push((name, value));
    }
    address(path, &parts)
}

/// URL of a path with a query string.
pub(super) fn address(path: &str, parts: &[(&str, &str)]) -> String {
    let query: Vec<String> =
        parts.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

/// The active filters. Each links to the list at `path` without it.
pub(super) fn chips(path: &str, raw: &RawQuery) -> Markup {
    let set: Vec<_> = parts(raw)
        .into_iter()
        .filter(|(name, _)| !matches!(*name, "sort" | "order" | "limit"))
        .collect();
    html! {
        @if !set.is_empty() {
            p.chips {
                @for (name, value) in &set {
                    a.chip href=(with(path, raw, name, "")) title="Remove this filter" { (name) ": " (short(value, 60)) " ✕" }
                }
            }
        }
    }
}

/// The filters that cannot be read.
fn mistakes(raw: &RawQuery) -> Mistakes {
    let wrong = |(name, value): (&'static str, &str)| {
        let alone = MapDeserializer::<_, Error>::new(std::iter::once((name, value)));
        let error = RawQuery::deserialize(alone).ok()?.filter().err()?;
        let expected = match (name, error.detail.split_once(": ")) {
            ("from" | "to", _) => fields::TIME.to_owned(),
            (_, Some((_, expected))) => format!("Wrong: {expected}"),
            (_, None) => error.detail,
        };
        Some((name, expected))
    };
    parts(raw).into_iter().filter_map(wrong).collect()
}

/// Refuses filters that cannot be read: shows the form with what was typed.
///
/// # Errors
/// A filter cannot be read.
pub(super) fn check(title: &str, at: &str, viewer: &Viewer, raw: &RawQuery) -> Result<(), Refused> {
    let mistakes = mistakes(raw);
    fields::check(&mistakes, title, at, viewer, || form(&viewer.link(at), raw, &mistakes))
}

/// The filter form for the list at `path`.
pub(super) fn form(path: &str, raw: &RawQuery, mistakes: &Mistakes) -> Markup {
    let first = [
        ("user", "User", &raw.user),
        ("ip", "IP", &raw.ip),
        ("attack", "Attack type", &raw.attack),
    ];
    let more = [
        ("application", "Application", &raw.application),
        ("host", "Host", &raw.host),
        ("role", "Role", &raw.role),
        ("status", "Response code", &raw.status),
        ("method", "Method", &raw.method),
        ("ja4", "JA4", &raw.ja4),
        ("country", "Country", &raw.country),
        ("asn", "Network (AS)", &raw.asn),
        ("organisation", "Organisation", &raw.organisation),
        ("session", "Session id", &raw.session),
    ];
    let set =
        parts(raw).iter().filter(|(name, _)| !matches!(*name, "sort" | "order" | "limit")).count();
    html! {
        nav.presets aria-label="Time" {
            @for (name, back) in PRESETS {
                @let from = rfc3339(now_ms().saturating_sub(back) / 60_000 * 60_000);
                a href=(with(path, &RawQuery { to: String::new(), ..raw.clone() }, "from", &from)) { (name) }
            }
            a href=(with(path, &RawQuery { to: String::new(), ..raw.clone() }, "from", "")) { "All" }
            span.gap {}
            a href=(with(path, raw, "attack", if raw.attack == "any" { "" } else { "any" })) aria-pressed=(raw.attack == "any") role="button" { "Only with attacks" }
            a href=(with(path, raw, "denied", if raw.denied == "true" { "" } else { "true" })) aria-pressed=(raw.denied == "true") role="button" { "Only denied" }
        }
        form.filters action=(path) method="get" role="search" {
            label.wide { "Endpoint requested" input name="endpoint" value=(raw.endpoint) placeholder="/login"; }
            @for (name, label, value) in first { (field(label, name, value, None, mistakes)) }
            (fields::period_fields(&raw.from, &raw.to, mistakes))
            @if !raw.denied.is_empty() { input type="hidden" name="denied" value=(raw.denied); }
            @if !raw.sort.is_empty() { input type="hidden" name="sort" value=(raw.sort); }
            @if !raw.order.is_empty() { input type="hidden" name="order" value=(raw.order); }
            button { "Filter" }
            @if set > 0 { a href=(path) { "Clear" } }
            @let is_open = more.iter().any(|(name, ..)| mistakes.iter().any(|(wrong, _)| wrong == name));
            details open[is_open] {
                summary { "More filters" }
                div.filters { @for (name, label, value) in more { (field(label, name, value, None, mistakes)) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_a_link_that_can_be_changed() {
        let raw = RawQuery { user: "a&b".into(), cursor: "x".into(), ..RawQuery::default() };
        assert_eq!(with("/", &raw, "status", "4xx"), "/?user=a%26b&status=4xx");
        assert_eq!(with("/", &raw, "user", ""), "/");
    }

    #[test]
    fn a_wrong_filter_lost_the_form() {
        let raw = RawQuery {
            from: "soon".into(),
            status: "abc".into(),
            user: "a".into(),
            ..RawQuery::default()
        };
        let found = mistakes(&raw);
        let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["from", "status"]);
        assert_eq!(found[1].1, "Wrong: a status such as 403 or 4xx expected");
        let shown = form("/", &raw, &found).into_string();
        assert!(shown.contains("value=\"soon\"") && shown.contains("value=\"abc\""), "{shown}");
        assert!(shown.contains("<details open>"), "the wrong field is not folded away");
    }
}
