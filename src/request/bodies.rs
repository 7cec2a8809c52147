//! Bodies, observed as they pass by: nothing is buffered, delayed or changed.

use api_sessions_extract::{Body, Exchange, JsonTypes, MediaType, Needs, Point, Scratch, Side};
use api_sessions_identity::Phase;

use super::capture::{Capture, Head, Unread};
use super::follow;
use super::state::State;
use super::view::View;
use crate::directives::{Analysis, LocationConf, MainConf};
use crate::ffi::evaluation::When;
use crate::ffi::filter::{Chunks, Observer};
use crate::ffi::request::Request;
use crate::ffi::variable::PointVariables;

/// The filters' side.
pub(crate) struct Bodies;

impl Observer for Bodies {
    fn request_body(r: Request<'_>, chunks: Chunks<'_>) {
        // A subrequest has the main request's body.
        let may_hold_tokens = |conf: &LocationConf| {
            let content_type = r.content_type();
            conf.json_types().may_be_json(content_type)
                || MediaType::of(content_type) == MediaType::Form
        };
        let Some(conf) = observing(r, |needs| needs.request_body, may_hold_tokens) else { return };
        watch(r, conf, |bodies| bodies.request.take(chunks, conf.kept_body_size()));
    }

    fn response_body(r: Request<'_>, chunks: Chunks<'_>) {
        let Some(conf) = observing(r, |needs| needs.response_body, |_| true) else { return };
        if r.is_upgrade() {
            return;
        }
        let mut has_ended = false;
        watch(r, conf, |bodies| {
            let head = Head {
                content_type: r.response_content_type(),
                content_encoding: r.header_out(b"content-encoding").unwrap_or_default(),
                types: conf.json_types(),
            };
            bodies.response.take_response(chunks, conf.body_size(), head);
            has_ended = bodies.response.is_whole();
        });
        if has_ended && follow::reads_tokens(r, conf) {
            // Before the client has them.
            follow::learn_early(r);
        }
    }
}

/// The settings of the main request's location, if something there wants that body.
#[inline]
fn observing<'r>(
    r: Request<'r>,
    wants: impl Fn(Needs) -> bool,
    may_hold_tokens: impl Fn(&LocationConf) -> bool,
) -> Option<&'r LocationConf> {
    if !r.is_main() {
        return None;
    }
    let conf = r.location::<LocationConf>()?;
    let needs = conf.analysis(MainConf::of(r)?).needs();
    let is_wanted = wants(needs) || (follow::reads_tokens(r, conf) && may_hold_tokens(conf));
    is_wanted.then_some(conf)
}

/// Lets `look` see the bodies of a request that is looked at. A body may come in thousands of pieces:
/// whether it is was evaluated at the first.
fn watch(r: Request<'_>, conf: &LocationConf, look: impl FnOnce(&mut BodyPair)) {
    let Some(state) = State::of_or_new(r) else { return };
    let is_watched = match state.watched.get() {
        Some((under, is_watched)) if std::ptr::eq(under, conf) => is_watched,
        _ => {
            let is_watched = conf.is_enabled(r, When::Early);
            state.watched.set(Some((conf, is_watched)));
            is_watched
        }
    };
    if is_watched && let Ok(mut bodies) = state.bodies.try_borrow_mut() {
        look(&mut bodies);
    }
}

/// A body that was announced and that nobody read, as where NGINX answers by itself: not even a byte of it was
/// looked at, which is to be said.
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
    /// The exchange with what was seen of its bodies.
    pub(super) fn view<'v>(
        &'v self,
        r: Request<'v>,
        variables: &'v PointVariables,
        phase: Phase,
    ) -> View<'v> {
        let limit = r.location::<LocationConf>().map_or(0, LocationConf::body_size);
        self.view_within(r, variables, phase, limit)
    }

    /// As [`Self::view`], with what detectors see of the request's body.
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

    /// Takes what was seen of the request's body before anything read it. What passes the filter later counts
    /// instead.
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

    /// Decodes the request's body, if it is compressed, once all of it was seen.
    pub(super) fn decode_request(&mut self, r: Request<'_>, limit: usize) {
        let encoding = r.header_in(b"content-encoding").unwrap_or_default();
        self.request.decode_request(encoding, limit);
    }

    /// Decodes both, in the log phase.
    pub(super) fn decode(&mut self, r: Request<'_>, conf: &LocationConf) {
        self.decode_request(r, conf.kept_body_size());
        let encoding = r.header_out(b"content-encoding").unwrap_or_default();
        self.response.decode_response(encoding, conf.body_size());
    }

    /// Why detectors did not see all of the request's body.
    pub(super) fn undetected(&self, view: &View<'_>) -> Option<Unread> {
        let is_seen = view.body(Side::Request).is_none_or(|body| body.complete);
        self.request.undetected().or_else(|| (!is_seen).then_some(Unread::Size))
    }

    /// Why keys and parameters that read bodies could not read these, in the log phase: of the request, of the
    /// response.
    pub(super) fn unread(
        &self,
        view: &View<'_>,
        analysis: &Analysis,
        conf: &LocationConf,
        scratch: &mut Scratch,
    ) -> [Option<Unread>; 2] {
        let of = |side, capture: &Capture, content_type: &[u8], scratch: &mut Scratch| {
            let seen = view.body(side).filter(|body| !body.bytes.is_empty());
            let is_json =
                seen.map_or(conf.json_types().may_be_json(content_type), |body| body.json);
            let kind = if is_json { MediaType::Json } else { MediaType::of(content_type) };
            let reads = |point: &&Point| point.reads_body_of(side, kind);
            let mut points = analysis.body_points(side).filter(reads).peekable();
            let misses_json = !is_json && analysis.reads_json(side);
            let unread = capture.unread(points.peek().is_some(), misses_json, conf.body_size())?;
            let is_lost =
                unread != Unread::Size || points.any(|point| point.read(view, scratch).is_none());
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
