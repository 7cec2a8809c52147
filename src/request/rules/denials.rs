//! Rules that deny: they add to the node's own denylist, which the access phase consults anyway.

use api_sessions_identity::Namespace;
use api_sessions_nginx::request::Request;
use api_sessions_protocol::{DenyEntry, SessionId};
use api_sessions_rules::{Counts, NETWORK_BYTES, Reaction, Rule, network};

use super::counts::NodeCounts;
use super::lift::DENIALS;
use crate::directives::{Deny, MainConf};
use crate::request::context::RequestContext;

/// Denies the session or the address of a request that made a rule fire. Returns whether the rule is enforced
/// against it: not with `api_sessions_deny off` or `dry_run`, nor shortly after the denial was removed manually,
/// unless the rule also limits.
pub(super) fn react(
    ctx: &RequestContext<'_>,
    counts: &NodeCounts<'_>,
    rule: &Rule,
    session: &SessionId,
    now_ms: u64,
) -> bool {
    let deny = |id: &SessionId, address, ms| deny(ctx, counts, rule, (id, address), ms, now_ms);
    let mut room = [0; NETWORK_BYTES];
    let address = String::from_utf8_lossy(network(ctx.r.remote_addr(), &mut room));
    let (mut denials, mut in_force) = (0, 0);
    for reaction in &rule.then {
        let denied = match reaction {
            Reaction::Deny(ms) => deny(session, None, *ms),
            Reaction::DenyIp(ms) => {
                address_session(ctx.r, ctx.main).is_some_and(|id| deny(&id, Some(&*address), *ms))
            }
            Reaction::Mark | Reaction::Limit(_) => continue,
        };
        denials += 1;
        in_force += usize::from(denied);
    }
    let refuses = in_force > 0 && matches!(ctx.conf.deny(), Deny::On(_));
    denials == 0 || refuses || rule.then.iter().any(|one| matches!(one, Reaction::Limit(_)))
}

/// The session id of an address alone, under which an address is denied.
pub(super) fn address_session(r: Request<'_>, main: &MainConf) -> Option<SessionId> {
    let mut room = [0; NETWORK_BYTES];
    let counted = network(r.remote_addr(), &mut room);
    Some(main.runtime().hasher()?.session_id(Namespace::Ip, counted))
}

/// Adds an entry to the node's own denylist, unless it has one, or one was removed manually a short time ago. Returns
/// whether it has one now.
fn deny(
    ctx: &RequestContext<'_>,
    counts: &NodeCounts<'_>,
    rule: &Rule,
    (session, address): (&SessionId, Option<&str>),
    ms: u64,
    now_ms: u64,
) -> bool {
    let Some(writer) = ctx.main.runtime().denylist_writer() else { return false };
    let key = counts.hash(DENIALS, &session.0);
    let entry = counts.update(key, now_ms, |words| {
        if now_ms < words[1] {
            return Entry::There;
        }
        if now_ms < words[3] {
            return Entry::TakenOff;
        }
        *words = [rule.id(), now_ms + ms, now_ms, 0, 0, 0, 0];
        Entry::Begins
    });
    match entry {
        Some(Entry::Begins) => {}
        // It was removed a moment ago.
        Some(Entry::There) => return writer.list().denied_since(session).is_some(),
        Some(Entry::TakenOff) | None => return false,
    }
    let entry = DenyEntry {
        session: session.to_string(),
        since: now_ms,
        until: Some(now_ms + ms),
        reason: Some(format!("rule {}", rule.name())),
        // The id does not reveal the address.
        by: Some(address.map_or("rule".to_owned(), |address| format!("rule, address {address}"))),
        ..DenyEntry::default()
    };
    if writer.insert(&entry, now_ms).is_err() {
        // The next request that fires the rule tries again.
        counts.update(key, now_ms, |words| words[1] = 0);
        return false;
    }
    if !ctx.worker.write_down(entry) {
        counts.0.count_unwritten();
    }
    true
}

/// State of the entry before this request.
enum Entry {
    There,
    TakenOff,
    Begins,
}

/// The id of the rule that denied the session or the address of a request, if one did.
pub(super) fn of_rule(
    (r, main): (Request<'_>, &MainConf),
    counts: &NodeCounts<'_>,
    session: &SessionId,
    now_ms: u64,
) -> Option<u64> {
    let of = |id: &SessionId| rule_of(counts, id, now_ms);
    of(session).or_else(|| of(&address_session(r, main)?))
}

/// The id of the rule that denies this session or address.
pub(super) fn rule_of(counts: &NodeCounts<'_>, id: &SessionId, now_ms: u64) -> Option<u64> {
    let words = counts.read(counts.hash(DENIALS, &id.0))?;
    (now_ms < words[1]).then_some(words[0])
}
