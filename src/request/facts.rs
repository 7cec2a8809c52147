//! What is measured of keys.

use api_sessions_identity::{FoundBy, Resolution};
use api_sessions_key_facts::{Decided, Kind, Observed};
use api_sessions_nginx::process;

use super::context::RequestContext;
use crate::directives::Analysis;

/// Measures the keys of a request that is over.
pub(super) fn observe(
    ctx: &RequestContext<'_>,
    analysis: &Analysis,
    resolution: &Resolution<'_>,
    user: &[u8],
) -> Option<()> {
    let settings = ctx.conf.key_facts()?;
    let mut facts = ctx.worker.facts.as_ref()?.try_borrow_mut().ok()?;
    let bodies = ctx.bodies()?;
    let keys = analysis.keys();
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
    facts.observe(&ctx.view(&bodies), &observed);
    Some(())
}
