//! How the state is to be written: what the query says, else what `Accept` prefers (RFC 9110, 12.5.1).

use api_sessions_extract::query;
use api_sessions_nginx::request::Request;

#[derive(Clone, Copy)]
pub(super) enum Format {
    Json,
    Prometheus,
}

impl Format {
    /// `None`: the query asks for one that there is not.
    pub(super) fn wanted(r: Request<'_>) -> Option<Self> {
        let query = r.line().query;
        match query::find(query, b"format", 0) {
            Some(b"json") => return Some(Self::Json),
            Some(b"prometheus") => return Some(Self::Prometheus),
            Some(_) => return None,
            None => {}
        }
        let accept = r.header_in(b"accept").unwrap_or_default();
        // As Prometheus asks; who likes both the same gets JSON.
        let text = quality(accept, b"text", b"plain")
            .max(named(accept, b"application", b"openmetrics-text").unwrap_or(0.0));
        let prefers_text = text > quality(accept, b"application", b"json");
        Some(if prefers_text { Self::Prometheus } else { Self::Json })
    }
}

/// How much a media type is wanted, 0 to 1: what is said of it, else of its kind, else of all.
fn quality(accept: &[u8], kind: &[u8], subtype: &[u8]) -> f32 {
    named(accept, kind, subtype)
        .or_else(|| named(accept, kind, b"*"))
        .or_else(|| named(accept, b"*", b"*"))
        .unwrap_or(0.0)
}

/// What `Accept` says of exactly that range; of several such, which differ by parameters, the most.
fn named(accept: &[u8], kind: &[u8], subtype: &[u8]) -> Option<f32> {
    accept
        .split(|byte| *byte == b',')
        .filter_map(|range| {
            let mut pieces = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let mut essence = pieces.next()?.split(|byte| *byte == b'/');
            let is = |part: Option<&[u8]>, wanted| {
                part.is_some_and(|part| part.eq_ignore_ascii_case(wanted))
            };
            if !is(essence.next(), kind) || !is(essence.next(), subtype) {
                return None;
            }
            let weight = pieces.find_map(|piece| {
                let text = piece.strip_prefix(b"q=").or_else(|| piece.strip_prefix(b"Q="))?;
                std::str::from_utf8(text).ok()?.parse::<f32>().ok()
            });
            Some(weight.unwrap_or(1.0).clamp(0.0, 1.0))
        })
        .reduce(f32::max)
}
