//! The captured prefixes of the request's and the response's body.

use api_sessions_extract::{
    Body, Capture, Exchange, JsonTypes, MediaType, Point, Readers, Scratch, Side, Unread,
    begins_as_json,
};
use api_sessions_identity::Phase;
use api_sessions_nginx::request::Request;
use api_sessions_nginx::variable::PointVariables;

use super::view::View;
use crate::directives::{Analysis, LocationConf};

/// A body that was announced but never read, for example when NGINX answers by itself: no byte of it was
/// captured, which counts as unread.
fn unseen(r: Request<'_>) -> Option<Body<'_>> {
    let types = JsonTypes::default();
    r.has_body().then(|| Body::new(&[], r.content_type(), false, &types))
}

/// Both bodies of an exchange.
#[derive(Default)]
pub(super) struct BodyPair {
    pub(super) request: Capture,
    pub(super) response: Capture,
}

impl BodyPair {
    /// The exchange with its captured bodies.
    pub(super) fn view<'v>(
        &'v self,
        r: Request<'v>,
        variables: &'v PointVariables,
        phase: Phase,
    ) -> View<'v> {
        let limit = r.location::<LocationConf>().map_or(0, LocationConf::body_size);
        self.view_within(r, variables, phase, limit)
    }

    /// As [`Self::view`], with the part of the request's body that detectors see.
    pub(super) fn detection_view<'v>(
        &'v self,
        r: Request<'v>,
        variables: &'v PointVariables,
        conf: &LocationConf,
    ) -> View<'v> {
        self.view_within(r, variables, Phase::Log, conf.detect_body_size())
    }

    fn view_within<'v>(
        &'v self,
        r: Request<'v>,
        variables: &'v PointVariables,
        phase: Phase,
        limit: usize,
    ) -> View<'v> {
        let types = r.location::<LocationConf>().map_or(&JsonTypes::Json, LocationConf::json_types);
        let request = self.request.body(r.content_type(), types, limit).or_else(|| unseen(r));
        let content_type = r.response_content_type().unwrap_or_default();
        let response = self.response.body(content_type, types, usize::MAX);
        View::new(r, variables, phase, request, response)
    }

    /// Takes the part of the request's body that was peeked at before it was read. What later passes the filter
    /// replaces it.
    pub(super) fn looked_at(
        &mut self,
        r: Request<'_>,
        body: Vec<u8>,
        complete: bool,
        limit: usize,
    ) {
        self.request = Capture::looked_at(body, complete);
        self.decode_request(r, limit);
    }

    /// Decompresses the request's body once it has arrived completely.
    pub(super) fn decode_request(&mut self, r: Request<'_>, limit: usize) {
        let encoding = || r.header_in(b"content-encoding").unwrap_or_default();
        self.request.decode_request(encoding, limit);
    }

    /// Decompresses both bodies, in the log phase.
    pub(super) fn decode(&mut self, r: Request<'_>, conf: &LocationConf) {
        self.decode_request(r, conf.kept_body_size());
        let encoding = || r.header_out(b"content-encoding").unwrap_or_default();
        self.response.decode_response(encoding, conf.body_size());
    }

    /// Why detectors did not see all of the request's body.
    pub(super) fn undetected(&self, view: &View<'_>) -> Option<Unread> {
        let is_seen = view.body(Side::Request).is_none_or(|body| body.complete);
        self.request.undetected().or_else(|| (!is_seen).then_some(Unread::Size))
    }

    /// Why keys and parameters could not read the bodies, in the log phase: of the request, and of the
    /// response. `found` is the key that found the session, if it is one of the operator's.
    pub(super) fn unread(
        &self,
        view: &View<'_>,
        analysis: &Analysis,
        conf: &LocationConf,
        found: Option<&Point>,
        scratch: &mut Scratch,
    ) -> [Option<Unread>; 2] {
        let of = |side, capture: &Capture, content_type: &[u8], scratch: &mut Scratch| {
            if capture.is_untouched() {
                return None;
            }
            let seen = view.body(side).filter(|body| !body.bytes.is_empty());
            let may_be_json = match side {
                Side::Request => conf.json_types().may_be_json(content_type),
                Side::Response => conf.json_types().may_be_json_response(content_type),
            };
            let is_json = seen.map_or(may_be_json, |body| body.json);
            let kind = if is_json { MediaType::Json } else { MediaType::of(content_type) };
            let reads = |point: &&Point| point.reads_body_of(side, kind);
            let mut points = analysis.body_points(side).filter(reads).peekable();
            let misses_json = !is_json && analysis.reads_json(side);
            let is_read = found.is_some_and(|key| key.reads_body_of(side, MediaType::Json));
            let is_called_json = MediaType::of(content_type) == MediaType::Json;
            let begins_as_json = || seen.is_some_and(|body| begins_as_json(body.bytes));
            let readers = Readers {
                may_read: points.peek().is_some(),
                misses_json,
                may_miss_json: misses_json && may_be_json,
                reads_json: is_json && !is_read && (is_called_json || begins_as_json()),
            };
            let unread = capture.unread(readers, conf.body_size())?;
            let is_lost = unread != Unread::Size
                || !readers.may_read
                || points.any(|point| point.read(view, scratch).is_none());
            is_lost.then_some(unread)
        };
        let (request, response) =
            (view.content_type(Side::Request), view.content_type(Side::Response));
        [
            of(Side::Request, &self.request, request, scratch),
            of(Side::Response, &self.response, response, scratch),
        ]
    }
}
