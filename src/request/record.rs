//! The record of a finished request.

use api_sessions_agent::record::{RecordOptions, RequestMeta};
use api_sessions_identity::{Phase, Resolution};
use api_sessions_nginx::process;
use api_sessions_protocol::RuleHit;
use smallvec::SmallVec;

use super::context::RequestContext;
use super::follow::Relations;
use super::rules::hit::Hit;
use super::view::View;
use crate::directives::Analysis;
use crate::worker::Buffers;

/// Results of the log phase that the record contains.
pub(super) struct Recorded<'d> {
    pub(super) resolution: &'d Resolution<'d>,
    pub(super) attacks: &'d [&'d str],
    /// Whether the module's own detectors found some of them.
    pub(super) is_detected: bool,
    pub(super) hits: &'d [Hit],
    pub(super) relations: &'d Relations,
}

/// Writes the record and queues it for the exporter.
pub(super) fn send(
    ctx: &RequestContext<'_>,
    view: &View<'_>,
    analysis: &Analysis,
    node: &str,
    recorded: &Recorded<'_>,
) {
    let RequestContext { r, conf, .. } = *ctx;
    let Some(hasher) = ctx.hasher() else { return };
    let start_ms = r.start_ms();
    let id = ctx.main.runtime().request_id().and_then(|id| id.evaluate(r)).unwrap_or_default();
    let app = conf.application(r, Phase::Log);
    let rules: SmallVec<[RuleHit<'_>; 2]> = recorded.hits.iter().map(as_recorded).collect();
    let Some(mut buffers) = ctx.buffers() else { return };
    let Buffers { scratch, found, encoder, detection } = &mut *buffers;
    let meta = RequestMeta {
        id,
        ts: start_ms,
        node,
        app,
        proto: view.protocol(),
        scheme: if r.is_tls() { "https" } else { "http" },
        status: r.logged_status(),
        time_ms: process::now_ms().saturating_sub(start_ms),
        upstream_ms: r.upstream_ms(),
        request_bytes: r.request_length(),
        response_bytes: r.bytes_sent(),
        denied: ctx.state.is_denied(),
        attacks: recorded.attacks,
        rules: &rules,
        links: &recorded.relations.links,
        previous: recorded.relations.previous,
        findings: if recorded.is_detected { detection.findings() } else { &[] },
    };
    let options = RecordOptions {
        keys: ctx.keys(analysis),
        params: analysis.params(),
        masks: conf.masks(),
        shown: conf.shown(),
        content: conf.content(),
        hasher,
    };
    ctx.worker.send(encoder.encode(&meta, &options, recorded.resolution, found, view, scratch));
}

fn as_recorded(hit: &Hit) -> RuleHit<'_> {
    RuleHit {
        name: hit.name().into(),
        count: hit.count,
        then: hit.then().into(),
        enforced: hit.enforced,
    }
}
