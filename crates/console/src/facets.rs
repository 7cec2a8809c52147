//! Facets: the most frequent values of each filter, as links beside a list.

use maud::{Markup, html};

use super::filters;
use super::html::{abbreviated, short};
use api_sessions_cloud_api::aggregate::{Facet, FacetValue};
use api_sessions_cloud_api::api::query::RawQuery;
use api_sessions_cloud_api::limits::MAX_AGGREGATED_SESSIONS;

/// Number of values of a facet that are shown at once; the rest unfold.
const SHOWN: usize = 5;

/// Headings of the facets, by the name of the filter.
const HEADINGS: [(&str, &str); 9] = [
    ("application", "Applications"),
    ("host", "Hosts"),
    ("attack", "Attacks"),
    ("user", "Users"),
    ("role", "Roles"),
    ("ip", "IPs"),
    ("country", "Countries"),
    ("organisation", "Organisations"),
    ("ja4", "JA4"),
];

/// Renders the facets. Each value links to the list at `path`, filtered by it.
pub(super) fn draw(path: &str, raw: &RawQuery, facets: &[Facet], is_all: bool) -> Markup {
    let filtered = filters::parts(raw);
    html! {
        aside.facets aria-label="Frequent values" {
            label.unfold { input type="checkbox"; " Frequent values" @if !is_all { " of the newest " (grouped(MAX_AGGREGATED_SESSIONS)) } }
            div data-live {
                @for facet in facets {
                    @let heading = HEADINGS.iter().find(|one| one.0 == facet.name).map_or(facet.name, |one| one.1);
                    @let set = filtered.iter().find(|(name, _)| *name == facet.name).map(|(_, value)| *value);
                    @let (first, rest) = facet.values.split_at(SHOWN.min(facet.values.len()));
                    h2 { (heading) }
                    ul { @for value in first { (line(path, raw, facet.name, value, set)) } }
                    @if !rest.is_empty() { details data-keep=(facet.name) {
                        summary { (rest.len()) " more" @if facet.distinct > facet.values.len() as u64 { " of " (abbreviated(facet.distinct - SHOWN as u64)) } }
                        ul { @for value in rest { (line(path, raw, facet.name, value, set)) } }
                    } }
                }
                @if !facets.is_empty() {
                    p.quiet { "Sessions that have the value" @if !is_all { ", of the newest " (grouped(MAX_AGGREGATED_SESSIONS)) } "." }
                }
            }
        }
    }
}

/// `1,000`
fn grouped(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
    }
}

fn line(
    path: &str,
    raw: &RawQuery,
    name: &'static str,
    value: &FacetValue,
    set: Option<&str>,
) -> Markup {
    let is_set = set == Some(value.value.as_str());
    let address = filters::with(path, raw, name, if is_set { "" } else { &value.value });
    html! { li {
        a href=(address) title=(short(&value.value, 300)) aria-current=[is_set.then_some("true")] {
            (short(&value.value, 60)) @if is_set { " ✕" } }
        span.quiet title=(value.sessions) { (abbreviated(value.sessions)) }
    } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_link_and_the_chosen_one_takes_its_filter_away() {
        let value = |value: &str| FacetValue { value: value.into(), sessions: 1200 };
        let values = vec![value("a&b"), value("c")];
        let facets = [Facet { name: "user", values, distinct: 2 }];
        let raw = RawQuery { user: "c".into(), host: "h".into(), ..RawQuery::default() };
        let shown = draw("/x/", &raw, &facets, false).into_string();
        assert!(shown.contains("href=\"/x/?host=h&amp;user=a%26b\""), "{shown}");
        assert!(shown.contains("href=\"/x/?host=h\" title=\"c\" aria-current=\"true\""), "{shown}");
        assert!(shown.contains("title=\"1200\">1.2k"), "{shown}");
        assert!(shown.contains("of the newest 1,000."), "{shown}");
    }
}
