//! The sequence diagram of a session: endpoints as lanes, time from left to right.

use ahash::AHashMap;
use api_sessions_store::StoredRequest;
use maud::{Markup, html};

use super::Viewer;
use super::html::{encoded, moment, short, time};

/// Maximum number of lanes: the endpoints with the most requests. The others share one.
const LANES: usize = 12;
/// Number of places in a lane. Requests at the same place are drawn as one.
const PLACES: u64 = 200;
/// Width of a place and height of a lane, in SVG units.
const PLACE: u64 = 5;
const HEIGHT: u64 = 16;

/// The worst outcome of one or more requests, in ascending order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Plain,
    Error,
    Denied,
    Attack,
}

impl Look {
    fn of(request: &StoredRequest) -> Look {
        let record = &request.record;
        if !record.attacks.is_empty() {
            Look::Attack
        } else if record.denied {
            Look::Denied
        } else if record.status >= 400 {
            Look::Error
        } else {
            Look::Plain
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Look::Plain => "requests",
            Look::Error => "errors",
            Look::Denied => "denied",
            Look::Attack => "attacks",
        }
    }
}

/// Requests of a lane at one place.
struct Mark<'a> {
    place: u64,
    requests: usize,
    /// The first request with the worst outcome.
    worst: &'a StoredRequest,
    look: Look,
}

struct Lane<'a> {
    name: String,
    marks: Vec<Mark<'a>>,
    requests: usize,
    attacks: usize,
    denied: usize,
}

impl<'a> Lane<'a> {
    fn new(name: String) -> Lane<'a> {
        Lane { name, marks: Vec::new(), requests: 0, attacks: 0, denied: 0 }
    }

    /// Adds the next request.
    fn add(&mut self, place: u64, request: &'a StoredRequest) {
        let look = Look::of(request);
        self.requests += 1;
        self.attacks += usize::from(!request.record.attacks.is_empty());
        self.denied += usize::from(request.record.denied);
        match self.marks.last_mut().filter(|mark| mark.place == place) {
            None => self.marks.push(Mark { place, requests: 1, worst: request, look }),
            Some(mark) => {
                mark.requests += 1;
                if look > mark.look {
                    (mark.worst, mark.look) = (request, look);
                }
            }
        }
    }

    fn told(&self) -> String {
        let plural = if self.requests == 1 { "" } else { "s" };
        let mut told = format!("{}: {} request{plural}", self.name, self.requests);
        for (count, word) in [(self.attacks, "with attacks"), (self.denied, "denied")] {
            if count > 0 {
                told.push_str(&format!(", {count} {word}"));
            }
        }
        told
    }
}

/// Distributes `requests`, which are in order, to lanes; the lane that was requested first comes first.
fn lanes(requests: &[StoredRequest]) -> Vec<Lane<'_>> {
    let (Some(first), Some(last)) = (requests.first(), requests.last()) else { return Vec::new() };
    let (from, span) = (first.record.ts, last.record.ts.saturating_sub(first.record.ts).max(1));
    let mut counts: AHashMap<(&str, &str), usize> = AHashMap::new();
    let key = |request: &'_ StoredRequest| -> (String, String) {
        (request.record.method.to_string(), request.endpoint.clone())
    };
    for request in requests {
        *counts.entry((&request.record.method, &request.endpoint)).or_default() += 1;
    }
    let mut most: Vec<_> = counts.into_iter().collect();
    most.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let others = most.len().saturating_sub(LANES);
    let own: Vec<(&str, &str)> = most.into_iter().take(LANES).map(|one| one.0).collect();
    let mut found: Vec<Lane<'_>> = Vec::new();
    let mut at: AHashMap<(String, String), usize> = AHashMap::new();
    let mut other = Lane::new(format!("{others} other endpoints"));
    for request in requests {
        let place = request.record.ts.saturating_sub(from).min(span) * (PLACES - 1) / span;
        if !own.contains(&(&request.record.method, &request.endpoint)) {
            other.add(place, request);
            continue;
        }
        let lane = *at.entry(key(request)).or_insert_with(|| {
            let name =
                format!("{} {}", short(&request.record.method, 12), short(&request.endpoint, 100));
            found.push(Lane::new(name));
            found.len() - 1
        });
        if let Some(lane) = found.get_mut(lane) {
            lane.add(place, request);
        }
    }
    if other.requests > 0 {
        found.push(other);
    }
    found
}

/// Renders the diagram; nothing for a session with one endpoint, since the timeline shows the same.
pub(super) fn draw(viewer: &Viewer, requests: &[StoredRequest]) -> Markup {
    let lanes = lanes(requests);
    let (Some(first), Some(last), true) = (requests.first(), requests.last(), lanes.len() > 1)
    else {
        return html! {};
    };
    html! {
        figure.chart.sequence aria-label="Sequence of endpoints" {
            @for lane in &lanes { div.lane {
                div.name title=(lane.name) { (lane.name) }
                svg viewBox={ "0 0 " (PLACES * PLACE) " " (HEIGHT) } preserveAspectRatio="none" role="group" aria-label=(lane.told()) {
                    line.grid x1="0" x2=(PLACES * PLACE) y1=(HEIGHT / 2) y2=(HEIGHT / 2) {}
                    @for mark in &lane.marks {
                        @let record = &mark.worst.record;
                        a href=(viewer.link(&format!("/requests/{}", encoded(&record.id)))) tabindex="-1" aria-hidden="true" {
                            title { (time(record.ts)) " UTC " (record.method) " " (short(&record.path, 80)) " " (record.status) @if mark.requests > 1 { " and " (mark.requests - 1) " more" } }
                            rect class=(mark.look.class()) x=(mark.place * PLACE) y="1" width=(PLACE) height=(HEIGHT - 2) {}
                        }
                    }
                }
            } }
            figcaption.quiet { "Endpoints over the same time, " (moment(first.record.ts)) " to " (moment(last.record.ts)) " " span data-zone { "UTC" } ". The list of requests has the same in words." }
        }
    }
}

#[cfg(test)]
mod tests {
    use api_sessions_protocol::Record;

    use super::*;

    fn request(ts: u64, endpoint: &str, status: u16, attacks: bool) -> StoredRequest {
        let attacks = attacks.then(|| "sqli".into()).into_iter().collect();
        let record = Record { ts, method: "GET".into(), status, attacks, ..Record::default() };
        StoredRequest { record, endpoint: endpoint.into(), has_content: false }
    }

    #[test]
    fn requests_at_one_place_are_one_mark_that_looks_like_the_worst() {
        let requests = [
            request(0, "/a", 200, false),
            request(1, "/a", 500, true),
            request(2, "/a", 404, false),
            request(500, "/b", 404, false),
            request(1000, "/a", 200, false),
        ];
        let lanes = lanes(&requests);
        let shown: Vec<_> = lanes
            .iter()
            .map(|lane| {
                let marks = lane.marks.iter().map(|it| (it.place, it.requests, it.look.class()));
                (lane.told(), marks.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(
            shown,
            [
                (
                    "GET /a: 4 requests, 1 with attacks".to_owned(),
                    vec![(0, 3, "attacks"), (PLACES - 1, 1, "requests")]
                ),
                ("GET /b: 1 request".to_owned(), vec![(99, 1, "errors")]),
            ]
        );
    }

    #[test]
    fn endpoints_beyond_the_lanes_share_one() {
        let mut requests: Vec<_> =
            (0..15).map(|n| request(n, &format!("/{n}"), 200, false)).collect();
        requests.push(request(15, "/14", 200, false));
        let lanes = lanes(&requests);
        assert_eq!(lanes.len(), LANES + 1);
        assert_eq!(lanes.iter().map(|lane| lane.requests).sum::<usize>(), 16);
        let last = lanes.last().unwrap();
        assert_eq!((last.name.as_str(), last.requests), ("3 other endpoints", 3));
        assert!(lanes.iter().any(|lane| lane.name == "GET /14" && lane.requests == 2));
    }
}
