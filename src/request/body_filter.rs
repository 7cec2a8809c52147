//! The body filters. They copy prefixes of bodies as these pass; nothing is buffered, delayed or changed.

use api_sessions_extract::{Head, MediaType, Needs};
use api_sessions_identity::Phase;
use api_sessions_nginx::filter::{Chunks, Observer};
use api_sessions_nginx::request::Request;

use super::bodies::BodyPair;
use super::follow;
use super::state::State;
use crate::directives::{LocationConf, MainConf};

pub(crate) struct Bodies;

impl Observer for Bodies {
    fn request_body(r: Request<'_>, chunks: Chunks<'_>) {
        // A subrequest shares the main request's body.
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
            // Before the client receives them.
            follow::learn_early(r);
        }
    }
}

/// The settings of the main request's location, if it needs this body.
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

/// Calls `look` with the bodies of a request if the module is on for it. A body may come in thousands of pieces,
/// so the switch is evaluated once, at the first.
fn watch(r: Request<'_>, conf: &LocationConf, look: impl FnOnce(&mut BodyPair)) {
    let Some(state) = State::of_or_new(r) else { return };
    let is_watched = match state.watched.get() {
        Some((under, is_watched)) if std::ptr::eq(under, conf) => is_watched,
        _ => {
            let is_watched = conf.is_enabled(r, Phase::Early);
            state.watched.set(Some((conf, is_watched)));
            is_watched
        }
    };
    if is_watched && let Some(mut bodies) = state.bodies_mut(r) {
        look(&mut bodies);
    }
}
