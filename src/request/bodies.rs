//! Bodies, observed as they pass by: nothing is buffered, delayed or changed.

use api_sessions_agent::session::Phase;
use api_sessions_extract::{Body, MediaType, Needs};

use super::state::State;
use super::view::View;
use crate::directives::{LocationConf, MainConf};
use crate::ffi::evaluation::When;
use crate::ffi::filter::{Chunks, Observer};
use crate::ffi::request::Request;
use crate::ffi::variable::PointVariables;

/// The first bytes of a body.
#[derive(Default)]
pub(super) struct Capture {
    bytes: Vec<u8>,
    /// Something was not kept: over the limit, or only in a file.
    cut: bool,
    /// The last buffer was seen.
    ended: bool,
    /// The bytes are what they were compressed from.
    decoded: bool,
}

/// How gzip begins.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

fn is_identity(encoding: &[u8]) -> bool {
    encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity")
}

fn is_gzip(encoding: &[u8]) -> bool {
    encoding.eq_ignore_ascii_case(b"gzip") || encoding.eq_ignore_ascii_case(b"x-gzip")
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

    /// Decodes a request's body as its `Content-Encoding` says, once. What cannot be decoded here is left
    /// alone: neither read by points nor exported, since nobody could say what is hidden in it.
    fn decode_request(&mut self, encoding: &[u8], limit: usize) {
        if std::mem::replace(&mut self.decoded, true) || is_identity(encoding) {
            return;
        }
        if is_gzip(encoding) { self.gunzip(limit) } else { self.leave_alone() }
    }

    /// Decodes a response's body. Its header does not tell what passed here: NGINX's own `gzip` sets it
    /// when it compresses what has passed, and `gunzip` takes it away. The bytes do: no JSON text begins
    /// as gzip does (RFC 1952, 2.3.1; RFC 8259, 2).
    fn decode_response(&mut self, encoding: &[u8], limit: usize) {
        if std::mem::replace(&mut self.decoded, true) {
            return;
        }
        let first = self.bytes.trim_ascii_start().first();
        if self.bytes.starts_with(&GZIP_MAGIC) {
            self.gunzip(limit);
        } else if !is_identity(encoding) && !matches!(first, Some(b'{' | b'[')) {
            self.leave_alone();
        }
    }

    /// Replaces the bytes by what they decode to, cut at the same limit.
    fn gunzip(&mut self, limit: usize) {
        use std::io::Read;
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

    fn leave_alone(&mut self) {
        self.cut |= !self.bytes.is_empty();
        self.bytes.clear();
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
        let Some(conf) = observing(r, |needs| needs.request_body) else { return };
        watch(r, conf, |bodies| bodies.request.take(chunks, conf.body_size()));
    }

    fn response_body(r: Request<'_>, chunks: Chunks<'_>) {
        let Some(conf) = observing(r, |needs| needs.response_body) else { return };
        // What is not JSON is not looked at: neither event streams nor downloads nor upgrades.
        let is_json = |content_type| MediaType::of(content_type) == MediaType::Json;
        if r.is_upgrade() || !r.response_content_type().is_some_and(is_json) {
            return;
        }
        watch(r, conf, |bodies| bodies.response.take(chunks, conf.body_size()));
    }
}

/// The settings of the main request's location, if something there wants that body.
#[inline]
fn observing<'r>(r: Request<'r>, wants: impl Fn(Needs) -> bool) -> Option<&'r LocationConf> {
    if !r.is_main() {
        return None;
    }
    let conf = r.location::<LocationConf>()?;
    let needs = conf.analysis(MainConf::of(r)?).needs();
    wants(needs).then_some(conf)
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
    r.has_body().then(|| Body { bytes: &[], content_type: r.content_type(), complete: false })
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
        let request = self.request.body(r.content_type()).or_else(|| unseen(r));
        let response = self.response.body(r.response_content_type().unwrap_or_default());
        View::new(r, variables, phase, request, response)
    }

    /// Decodes the request's body, if it is compressed, once all of it was seen.
    pub(super) fn decode_request(&mut self, r: Request<'_>, limit: usize) {
        if !self.request.bytes.is_empty() {
            let encoding = r.header_in(b"content-encoding").unwrap_or_default();
            self.request.decode_request(encoding, limit);
        }
    }

    /// Decodes both, in the log phase.
    pub(super) fn decode(&mut self, r: Request<'_>, limit: usize) {
        self.decode_request(r, limit);
        if !self.response.bytes.is_empty() {
            let encoding = r.header_out(b"content-encoding").unwrap_or_default();
            self.response.decode_response(encoding, limit);
        }
    }
}
