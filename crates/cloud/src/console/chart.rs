//! Charts, rendered as SVG on the server.

use maud::{Markup, PreEscaped, html};

use super::Viewer;
use super::html::{encoded, short, time};
use api_sessions_store::ACTIVITY_MS;
use api_sessions_store::{Activity, StoredRequest};

/// Size of a chart in SVG units.
const WIDTH: u64 = 1000;
const HEIGHT: u64 = 90;
/// Largest number of bars.
const BARS: u64 = 120;

/// Requests and attacks between two times, as bars that link to their interval.
pub(super) fn activity(viewer: &Viewer, all: &[Activity], from: u64, to: u64) -> Markup {
    let span = to.saturating_sub(from).max(ACTIVITY_MS);
    let step = span.div_ceil(BARS).div_ceil(ACTIVITY_MS) * ACTIVITY_MS;
    let start = from / step * step;
    let count = (to.saturating_sub(start) / step + 1).min(BARS + 1);
    let mut bars = vec![Activity::default(); count as usize];
    for part in all {
        let at = part.ts.saturating_sub(start) / step;
        if let Some(bar) = usize::try_from(at).ok().and_then(|at| bars.get_mut(at)) {
            bar.requests += part.requests;
            bar.attacks += part.attacks;
        }
    }
    let most = bars.iter().map(|bar| bar.requests).max().unwrap_or_default().max(1);
    let requests: u64 = bars.iter().map(|bar| bar.requests).sum();
    let attacks: u64 = bars.iter().map(|bar| bar.attacks).sum();
    let width = WIDTH as f64 / count as f64;
    let height = |n: u64| {
        // Any value above zero stays visible.
        let share = n as f64 / most as f64 * HEIGHT as f64;
        if n > 0 { share.max(2.0) } else { 0.0 }
    };
    let summary = format!(
        "{requests} requests, {attacks} malicious, from {} to {} UTC",
        time(from),
        time(to)
    );
    let list = viewer.link("/");
    html! {
        figure.chart {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="group" aria-label=(summary) {
                @for (at, bar) in bars.iter().enumerate() {
                    @let x = at as f64 * width;
                    @let ts = start + at as u64 * step;
                    a href={ (list) "?from=" (ts) "&to=" (ts + step) } tabindex="-1" aria-hidden="true" {
                        title { (time(ts)) ": " (bar.requests) " requests, " (bar.attacks) " attacks" }
                        rect.space x=(format!("{x:.1}")) y="0" width=(format!("{width:.1}")) height=(HEIGHT) {}
                        (rect("requests", x, width, height(bar.requests)))
                        (rect("attacks", x, width, height(bar.attacks)))
                    }
                }
            }
            figcaption.quiet { (summary) ". All traffic; at most in " (super::html::duration(step)) ": " (most) "." }
        }
    }
}

fn rect(class: &str, x: f64, width: f64, height: f64) -> Markup {
    if height == 0.0 {
        return PreEscaped(String::new());
    }
    let y = HEIGHT as f64 - height;
    html! {
        rect class=(class) x=(format!("{:.1}", x + width * 0.1)) y=(format!("{y:.1}"))
            width=(format!("{:.1}", width * 0.8)) height=(format!("{height:.1}")) {}
    }
}

/// Requests of a session over time: a line each, its height by the time taken.
pub(super) fn timeline(viewer: &Viewer, requests: &[StoredRequest]) -> Markup {
    let (Some(first), Some(last)) = (requests.first(), requests.last()) else {
        return html! {};
    };
    let (from, to) = (first.record.ts.min(last.record.ts), first.record.ts.max(last.record.ts));
    let span = (to - from).max(1) as f64;
    let slowest = requests.iter().map(|request| request.record.time_ms).max().unwrap_or_default();
    let scale = (slowest as f64).ln_1p().max(1.0);
    html! {
        figure.chart {
            svg.timeline viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="group"
                aria-label={ (requests.len()) " requests from " (time(from)) " to " (time(to)) " UTC" } {
                @for request in requests {
                    @let record = &request.record;
                    @let x = (record.ts - from) as f64 / span * (WIDTH as f64 - 10.0) + 3.0;
                    @let height = 12.0 + (record.time_ms as f64).ln_1p() / scale * (HEIGHT as f64 - 14.0);
                    @let class = if !record.attacks.is_empty() { "attacks" } else if record.denied { "denied" } else if record.status >= 400 { "errors" } else { "requests" };
                    a href=(viewer.link(&format!("/requests/{}", encoded(&record.id)))) tabindex="-1" aria-hidden="true" {
                        title { (time(record.ts)) " " (record.method) " " (short(&record.path, 80)) " " (record.status) }
                        rect class=(class) x=(format!("{x:.1}")) y=(format!("{:.1}", HEIGHT as f64 - height)) width="4" height=(format!("{height:.1}")) {}
                    }
                }
            }
            figcaption.quiet {
                (time(from)) " to " (time(to)) " UTC; height: response time. "
                span.key.attacks { "attack" } " " span.key.denied { "denied" } " " span.key.errors { "error" } " " span.key.requests { "other" }
            }
        }
    }
}
