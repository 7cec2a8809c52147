//! The chart above a list: bars over time, with axes. Positions are percentages, so that text keeps its size.

use maud::{Markup, PreEscaped, html};

use super::filters;
use super::html::{abbreviated, duration, time};
use super::traffic::{Bar, Scope, Traffic};
use crate::limits::{MAX_CHARTED_REQUESTS, MAX_TIME_LABELS};
use api_sessions_cloud_api::api::query::RawQuery;
use api_sessions_store::Activity;
use api_sessions_store::clock::rfc3339;

/// Height of the bars, CSS pixels.
const HEIGHT: f64 = 120.0;

/// Space above the bars and below them, CSS pixels.
const TOP: f64 = 8.0;
const BOTTOM: f64 = 20.0;

/// Distances between labels of the time axis, minutes.
const TICKS: [u64; 12] = [5, 15, 30, 60, 180, 360, 720, 1440, 2880, 10_080, 20_160, 40_320];

/// Series: class, label and value.
type Series = (&'static str, &'static str, fn(&Bar) -> u64);
const SERIES: [Series; 5] = [
    ("requests", "Requests", |bar| bar.activity.requests),
    ("sessions", "Sessions", |bar| bar.sessions),
    ("attacks", "Attacks", |bar| bar.activity.attacks),
    ("denied", "Denied", |bar| bar.activity.denied),
    ("errors", "Errors (5xx)", |bar| bar.activity.errors),
];

/// Position of a time, percent of the width.
fn x(traffic: &Traffic, ts: u64) -> f64 {
    let width = traffic.end() - traffic.start;
    ts.saturating_sub(traffic.start) as f64 / width.max(1) as f64 * 100.0
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below `most`: the top of the scale.
fn scale(most: u64) -> u64 {
    let mut power = 1u64;
    loop {
        for factor in [1, 2, 5] {
            if power.saturating_mul(factor) >= most {
                return power.saturating_mul(factor);
            }
        }
        power = power.saturating_mul(10);
    }
}

/// Times of the labels, and their distance.
fn ticks(start: u64, end: u64) -> (Vec<u64>, u64) {
    let minute = 60_000;
    let fits = |minutes: &&u64| (end - start) / (*minutes * minute) < MAX_TIME_LABELS;
    let step = TICKS.iter().find(fits).copied().unwrap_or(end / minute) * minute;
    let first = start.div_ceil(step.max(1)) * step;
    ((first..end).step_by(step.max(1) as usize).collect(), step)
}

/// Time of a label: the date at midnight, else the time of day.
fn label(ts: u64) -> String {
    let text = time(ts);
    let (date, clock) = text.split_once(' ').unwrap_or((&text, ""));
    let (clock, day) = (clock.get(..5).unwrap_or(clock), date.get(5..).unwrap_or(date));
    if clock == "00:00" { day.to_owned() } else { clock.to_owned() }
}

/// What is counted.
fn scope(traffic: &Traffic) -> Markup {
    html! {
        @match traffic.scope {
            Scope::All => "All traffic",
            Scope::Matching => "Requests that match",
            Scope::Newest(sessions) => span title={ "At most the newest " (MAX_CHARTED_REQUESTS) " of each that match" } {
                "Requests that match, of the " (sessions) " most recently active sessions" },
        }
        ", in intervals of " (duration(traffic.step)) ". Drag, or use the arrow keys, to select a time."
    }
}

/// Requests, sessions, attacks, denied requests and errors between two times. A bar links to its interval, with the
/// filters kept.
pub(super) fn draw(bars: &Traffic, (from, to): (u64, u64), list: &str, raw: &RawQuery) -> Markup {
    let values = |bar: &Bar| SERIES.map(|(_, _, value)| value(bar));
    let most = bars.bars.iter().flat_map(values).max().unwrap_or_default();
    let top = scale(most.max(1));
    let sum = |name: &str, value: fn(&Bar) -> u64| match name {
        // A session may be active in several intervals.
        "sessions" => bars.sessions.unwrap_or_default(),
        _ => bars.bars.iter().map(value).sum::<u64>(),
    };
    let [requests, sessions, attacks, denied, errors] =
        SERIES.map(|(class, _, value)| sum(class, value));
    let of_sessions = |count: u64| match bars.sessions {
        Some(_) => format!(" of {count} sessions"),
        None => String::new(),
    };
    let summary = format!(
        "{requests} requests{}, {attacks} malicious, {denied} denied, {errors} errors, from {} to {} UTC",
        of_sessions(sessions),
        time(from),
        time(to)
    );
    let (ticks, _) = ticks(bars.start, bars.end());
    let width = 100.0 / bars.bars.len().max(1) as f64;
    let bare = RawQuery { from: String::new(), to: String::new(), ..raw.clone() };
    html! {
        figure.chart { div.activity {
            div.legend {
                @for (class, name, value) in SERIES { @if class == "sessions" && bars.sessions.is_none() {
                    span.quiet title="Sessions are counted over at most 250,000 requests: choose a shorter period" { "Sessions –" }
                } @else {
                    button.plain.key.(class) type="button" disabled data-series=(class) aria-pressed="true" title=(sum(class, value)) {
                        (name) " " strong { (abbreviated(sum(class, value))) } }
                } }
                span.quiet.grow { (scope(bars)) }
            }
            svg role="group" aria-label=(summary) data-from=(bars.start) data-to=(bars.end()) data-top=(TOP) data-height=(HEIGHT)
                data-list=(filters::address(list, &filters::parts(&bare))) {
                @for share in [1.0, 0.5] {
                    @let y = TOP + HEIGHT * (1.0 - share);
                    line.grid x1="0" x2="100%" y1=(y) y2=(y) {}
                }
                @for (at, bar) in bars.bars.iter().enumerate() {
                    @let ts = bars.start + at as u64 * bars.step;
                    a href=(interval(list, &bare, ts, ts + bars.step)) tabindex="-1" aria-hidden="true" data-ts=(ts) {
                        @let Activity { requests, attacks, denied, errors, .. } = bar.activity;
                        title { (time(ts)) " UTC: " (requests) " requests" (of_sessions(bar.sessions)) ", " (attacks) " attacks, " (denied) " denied, " (errors) " errors" }
                        rect.space x=(percent(x(bars, ts))) y=(TOP) width=(percent(width)) height=(HEIGHT) {}
                        (columns(bar, x(bars, ts), width, top))
                    }
                }
                line.axis x1="0" x2="100%" y1=(TOP + HEIGHT) y2=(TOP + HEIGHT) {}
                @for share in [1.0, 0.5] {
                    @let value = top as f64 * share;
                    text.scale data-share=(share) x="4" y=(TOP + HEIGHT * (1.0 - share) + 12.0) {
                        @if value.fract() == 0.0 { (abbreviated(value as u64)) }
                    }
                }
                @for (at, ts) in ticks.iter().enumerate() {
                    @let x = x(bars, *ts);
                    line.axis x1=(percent(x)) x2=(percent(x)) y1=(TOP + HEIGHT) y2=(TOP + HEIGHT + 4.0) {}
                    @if (2.0..97.0).contains(&x) {
                        text.tick.odd[at % 2 == 1] data-ts=(ts) x=(percent(x)) y=(TOP + HEIGHT + BOTTOM - 4.0) { (label(*ts)) }
                    }
                }
            }
            figcaption.hidden { (summary) }
        } }
    }
}

/// URL of the list in an interval.
fn interval(list: &str, bare: &RawQuery, from: u64, to: u64) -> String {
    let raw = RawQuery { from: rfc3339(from), to: rfc3339(to), ..bare.clone() };
    filters::address(list, &filters::parts(&raw))
}

fn percent(value: f64) -> String {
    format!("{value:.3}%")
}

/// The columns of a bar, the highest behind the others.
fn columns(bar: &Bar, x: f64, width: f64, top: u64) -> Markup {
    let mut columns = SERIES.map(|(class, _, value)| (value(bar), class));
    columns.sort_by_key(|(value, _)| std::cmp::Reverse(*value));
    html! {
        @for (value, class) in columns {
            @if value > 0 {
                // Any value above zero stays visible.
                @let height = (value as f64 / top as f64 * HEIGHT).max(2.0);
                rect.(class) data-value=(value) x=(percent(x + width * 0.1)) y=(PreEscaped(format!("{:.1}", TOP + HEIGHT - height)))
                    width=(percent(width * 0.8)) height=(PreEscaped(format!("{height:.1}"))) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_round_number() {
        for (most, top) in [(1, 1), (2, 2), (3, 5), (9, 10), (10, 10), (11, 20), (4321, 5000)] {
            assert_eq!(scale(most), top, "{most}");
        }
        assert!(scale(u64::MAX) >= 1);
    }

    #[test]
    fn labels_are_few_and_at_round_times() {
        let day = 86_400_000;
        for (span, step) in
            [(900_000, 300_000), (3_600_000, 900_000), (day, 3 * 3_600_000 * 2), (7 * day, day)]
        {
            let start = 1_795_651_200_000 + 123_000;
            let (all, distance) = ticks(start, start + span);
            assert!((1..=9).contains(&all.len()), "{span}: {all:?}");
            assert!(all.iter().all(|ts| ts % distance == 0), "{span}");
            assert!(distance <= step, "{span}: {distance}");
        }
        assert_eq!(label(1_795_651_200_000), "11-26");
        assert_eq!(label(1_795_651_200_000 + 3_600_000), "01:00");
    }

    #[test]
    fn a_bar_dropped_the_other_filters() {
        let raw = RawQuery { user: "anna".into(), from: "1".into(), ..RawQuery::default() };
        let mut all = Traffic::new(0, 3_600_000);
        all.add(&Activity { ts: 0, requests: 3, attacks: 1, ..Activity::default() });
        let chart = draw(&all, (0, 3_600_000), "/x/", &raw).into_string();
        let link = "href=\"/x/?from=1970-01-01T00%3A00%3A00Z&amp;to=1970-01-01T00%3A05%3A00Z&amp;user=anna\"";
        assert!(chart.contains(link), "{chart}");
        assert!(chart.contains("data-list=\"/x/?user=anna\""), "{chart}");
    }
}
