//! Bodies, observed as they pass by: nothing is buffered, delayed or changed.

use api_sessions_engine::point::{Body, Needs};
use api_sessions_engine::session::Stage;

use super::state::State;
use super::view::View;
use crate::conf::{LocationConf, MainConf};
use crate::nginx::filter::{Chunks, Observer};
use crate::nginx::request::Request;
use crate::nginx::variable::PointVariables;

/// The first bytes of a body.
#[derive(Default)]
pub(super) struct Capture {
    bytes: Vec<u8>,
    /// Something was not kept: over the limit, or only in a file.
    cut: bool,
    /// The last buffer was seen.
    ended: bool,
}

impl Capture {
    /// Copies what still fits.
    fn take(&mut self, chunks: Chunks<'_>, limit: usize) {
        for chunk in chunks {
            self.ended |= chunk.last;
            self.cut |= chunk.in_file;
            if chunk.bytes.is_empty() || self.cut {
                continue;
            }
            let room = limit.saturating_sub(self.bytes.len());
            let fits = &chunk.bytes[..chunk.bytes.len().min(room)];
            self.bytes.extend_from_slice(fits);
            self.cut |= fits.len() < chunk.bytes.len();
        }
    }

    /// Replaces the bytes by their decoded form, cut at the same limit. What cannot be decoded here is
    /// left alone: neither read by points nor exported, since nobody could say what is hidden in it.
    fn decode(&mut self, encoding: &[u8], limit: usize) {
        use std::io::Read;
        let is = |names: &[&[u8]]| names.iter().any(|name| encoding.eq_ignore_ascii_case(name));
        if self.bytes.is_empty() || is(&[b"identity", b""]) {
            return;
        }
        if !is(&[b"gzip", b"x-gzip"]) {
            self.bytes.clear();
            self.cut = true;
            return;
        }
        let mut decoded = Vec::new();
        let reader = flate2::bufread::MultiGzDecoder::new(&self.bytes[..]);
        // An error (cut input, broken stream) leaves what could be decoded before it.
        let failed = reader.take(limit as u64 + 1).read_to_end(&mut decoded).is_err();
        if decoded.len() > limit {
            decoded.truncate(limit);
            self.cut = true;
        }
        self.cut |= failed;
        self.bytes = decoded;
    }

    pub(super) fn body<'b>(&'b self, content_type: &'b [u8]) -> Option<Body<'b>> {
        if self.bytes.is_empty() {
            return None;
        }
        let complete = !self.cut && self.ended;
        Some(Body { bytes: &self.bytes, content_type, complete })
    }
}

/// The filters' side.
pub(crate) struct Bodies;

impl Observer for Bodies {
    fn request_body(r: Request<'_>, chunks: Chunks<'_>) {
        // A subrequest has the main request's body.
        let Some(conf) = wanted(r, |needs| needs.request_body) else { return };
        let Some(state) = State::of_or_new(r) else { return };
        if let Ok(mut bodies) = state.bodies.try_borrow_mut() {
            bodies.request.take(chunks, conf.body_size());
        }
    }

    fn response_body(r: Request<'_>, chunks: Chunks<'_>) {
        let Some(conf) = wanted(r, |needs| needs.response_body) else { return };
        // What is not JSON is not looked at: neither event streams nor downloads nor upgrades.
        if r.is_upgrade() || !r.response_content_type().is_some_and(is_json) {
            return;
        }
        let Some(state) = State::of_or_new(r) else { return };
        if let Ok(mut bodies) = state.bodies.try_borrow_mut() {
            bodies.response.take(chunks, conf.body_size());
        }
    }
}

#[inline]
fn wanted<'r>(r: Request<'r>, wants: impl Fn(Needs) -> bool) -> Option<&'r LocationConf> {
    if !r.is_main() {
        return None;
    }
    let conf = r.location::<LocationConf>()?;
    let needs = conf.analysis(MainConf::of(r)?).needs();
    (wants(needs) && conf.is_enabled(r)).then_some(conf)
}

/// `application/json` and `application/…+json` (RFC 6838, structured syntax suffix).
fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let ends_with = |suffix: &[u8]| {
        essence.len() >= suffix.len()
            && essence[essence.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
    };
    ends_with(b"/json") || ends_with(b"+json")
}

/// Both bodies of an exchange.
#[derive(Default)]
pub(super) struct BodyPair {
    pub(super) request: Capture,
    pub(super) response: Capture,
}

impl BodyPair {
    /// The exchange with what was seen of its bodies.
    pub(super) fn view<'v>(
        &'v self,
        r: Request<'v>,
        variables: &'v PointVariables,
        stage: Stage,
    ) -> View<'v> {
        let request = self.request.body(r.content_type());
        let response = self.response.body(r.response_content_type().unwrap_or_default());
        View::new(r, variables, stage, request, response)
    }

    /// Decodes what is compressed, once, in the log phase.
    pub(super) fn decode(&mut self, r: Request<'_>, limit: usize) {
        if let Some(encoding) = r.header_in(b"content-encoding") {
            self.request.decode(encoding, limit);
        }
        if let Some(encoding) = r.header_out(b"content-encoding") {
            self.response.decode(encoding, limit);
        }
    }
}
