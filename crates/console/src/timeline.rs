//! The timeline of a session.

use maud::{Markup, html};

use super::Viewer;
use super::changes::Marks;
use super::html::{encoded, moment, short, time};
use api_sessions_store::StoredRequest;

/// Size in SVG units.
const WIDTH: u64 = 1000;
const HEIGHT: u64 = 90;

/// The requests of a session over time: a line per request, whose height is the time it took.
pub(super) fn draw(viewer: &Viewer, requests: &[StoredRequest], marks: &Marks<'_>) -> Markup {
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
                    @let height = 12.0 + (record.time_ms as f64).ln_1p() / scale * (HEIGHT as f64 - 24.0);
                    @let class = if !record.attacks.is_empty() { "attacks" } else if record.denied { "denied" } else if record.status >= 400 { "errors" } else { "requests" };
                    a href=(viewer.link(&format!("/requests/{}", encoded(&record.id)))) tabindex="-1" aria-hidden="true" data-ts=(record.ts) {
                        title { (time(record.ts)) " UTC " (record.method) " " (short(&record.path, 80)) " " (record.status) (marks.text(&record.id)) }
                        @if marks.has(&record.id) {
                            rect.changed x=(format!("{x:.1}")) y="0" width="4" height=(HEIGHT) {}
                            rect.changes x=(format!("{:.1}", x - 2.0)) y="0" width="8" height="8" {}
                        }
                        rect class=(class) x=(format!("{x:.1}")) y=(format!("{:.1}", HEIGHT as f64 - height)) width="4" height=(format!("{height:.1}")) {}
                    }
                }
            }
            figcaption.quiet {
                (moment(from)) " to " (moment(to)) " " span data-zone { "UTC" } "; height: response time. "
                span.key.attacks { "attack" } " " span.key.denied { "denied" } " " span.key.errors { "error" } " " span.key.requests { "other" } " " span.key.changes { "something changed" }
            }
        }
    }
}
