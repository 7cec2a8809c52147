//! Key facts.

use api_sessions_extract::builtin::{self, Entry};
use api_sessions_identity::{FoundBy, Namespace, Resolution};
use api_sessions_key_facts::{Decided, Kind, Observed};
use api_sessions_nginx::process;

use super::context::RequestContext;
use super::view::View;
use crate::directives::Analysis;

/// Adds a finished request to the key facts.
pub(super) fn observe(
    ctx: &RequestContext<'_>,
    view: &View<'_>,
    analysis: &Analysis,
    resolution: &Resolution<'_>,
    user: &[u8],
) -> Option<()> {
    let settings = ctx.conf.key_facts(ctx.main)?;
    let mut facts = ctx.worker.facts.as_ref()?.try_borrow_mut().ok()?;
    let keys = ctx.keys(analysis);
    let kind = match resolution.found_by {
        FoundBy::Own(_) => Kind::Own,
        FoundBy::Builtin(_) => Kind::Builtin,
        FoundBy::Cookie => Kind::Candidate,
        FoundBy::IpUaJa4 | FoundBy::IpUa => Kind::IpUa,
        FoundBy::Ip => Kind::Ip,
    };
    let observed = Observed {
        now_ms: process::now_ms(),
        application: ctx.application(),
        settings,
        decided: Decided { kind, label: resolution.label.as_str(), session: &resolution.id.0 },
        user,
        keys: keys.own,
        builtin: keys.builtin,
    };
    facts.observe(view, &observed);
    if !keys.demoted.is_empty() {
        let (mut buffers, hasher, mut found) = (ctx.buffers()?, ctx.hasher()?, Vec::new());
        let mut take = |entry: &Entry, value: &[u8]| {
            if keys.demoted.has(entry) {
                let session = hasher.session_id(Namespace::Value, value);
                facts.observe_unused(view, &observed, entry.name, &session.0);
            }
            false
        };
        builtin::find_if(view, &mut buffers.scratch, &mut found, &mut take);
    }
    Some(())
}
