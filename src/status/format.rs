//! Chooses the format: `format=` of the query, else the preference of `Accept` (RFC 9110, 12.5.1).

use api_sessions_extract::accept::{named, quality};
use api_sessions_extract::query;
use api_sessions_nginx::request::Request;

#[derive(Clone, Copy)]
pub(super) enum Format {
    Json,
    Prometheus,
}

impl Format {
    /// `None`: the query names an unknown format.
    pub(super) fn wanted(r: Request<'_>) -> Option<Self> {
        let query = r.line().query;
        match query::find(query, b"format", 0) {
            Some(b"json") => return Some(Self::Json),
            Some(b"prometheus") => return Some(Self::Prometheus),
            Some(_) => return None,
            None => {}
        }
        let accept = r.header_in(b"accept").unwrap_or_default();
        // Prometheus prefers one of these; JSON wins a tie.
        let text = quality(accept, b"text", b"plain")
            .max(named(accept, b"application", b"openmetrics-text").unwrap_or(0.0));
        let prefers_text = text > quality(accept, b"application", b"json");
        Some(if prefers_text { Self::Prometheus } else { Self::Json })
    }
}
