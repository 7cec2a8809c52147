//! Learning: links the values that a response issues to the session of its request.

mod address;
mod cut;
mod exchanged;
mod results;

use api_sessions_extract::builtin::{self, Class, Issued};
use api_sessions_extract::{Exchange, Scratch, Side};
use api_sessions_protocol::{LinkReason, SessionId};
use api_sessions_shm::{Link, LinkFlags, LinkKey};

use self::address::{came_back, note_deletion};
pub use self::cut::cut;
pub use self::exchanged::Exchanged;
use self::exchanged::{Brought, Issue, address, brought};
pub use self::results::Learned;
use super::follow::Follow;
use super::found_by::{FoundBy, Label};
use super::hash::{Namespace, state_id};
use super::remote_links::is_shared;
use super::resolve::Resolution;
use crate::limits::{MAX_PENDING_SESSIONS, MAX_PENDING_SESSIONS_KEPT};

/// Flags of an address with exactly one session, whose identifier was deleted.
const GOES_ON: LinkFlags = LinkFlags::ONE.with(LinkFlags::DELETED);

/// Links the values that the response issues, and adds them to `learned`. Returns `Some` if the response to a request
/// without identity starts a session, which the request then belongs to; `found` has the value.
pub fn learn<X: Exchange + ?Sized>(
    follow: Follow<'_>,
    exchanged: &Exchanged<'_, X>,
    resolution: &Resolution<'_>,
    scratch: &mut Scratch,
    found: &mut Vec<u8>,
    learned: &mut Learned,
) -> Option<Resolution<'static>> {
    let Exchanged { exchange, keys, .. } = *exchanged;
    let has_identity = resolution.found_by.is_key() && !resolution.found_by.is_client();
    if has_identity {
        came_back(follow, exchanged, resolution);
    }
    let (mut issues, mut deleted) = (Vec::new(), false);
    if keys.builtin {
        builtin::each_issued(exchange, follow.now_s, follow.tokens, &mut |issued| match issued {
            Issued::Deletion => deleted = true,
            Issued::Value(followed) => issues.push(Issue {
                class: followed.class,
                name: followed.name.to_vec(),
                value: followed.value.to_vec(),
                entry: followed.entry,
                key: follow.key_of(&followed),
                link: None,
                is_nobodys: false,
            }),
        });
    }
    for (at, key) in keys.own.iter().enumerate() {
        // A key that already identified this request needs no link.
        if key.point.needs().has_response()
            && resolution.found_by.own() != Some(at)
            && let Some(value) = key.point.read(exchange, scratch)
        {
            let (value, key) = (value.to_vec(), follow.key(b"", value));
            let (class, name, entry) = (Class::Set, Vec::new(), None);
            issues.push(Issue { class, name, value, entry, key, link: None, is_nobodys: false });
        }
    }
    if let Some(known) = exchanged.known {
        issues.retain(|issue| !known.contains(&issue.key));
        deleted = false;
    }
    if issues.is_empty() && !deleted {
        return None;
    }
    learned.keys.extend(issues.iter().map(|issue| issue.key));
    let base = address(exchanged);
    let brought = brought(follow, exchange, base);
    // The client belongs to an unknown session; it has not just lost its identifier.
    let is_somebodys = brought.iter().any(|value| {
        value.class <= Class::State || value.link.is_some_and(|link| link.is_demoted())
    });
    let client = client(exchanged, resolution, found);
    let session = if has_identity {
        Some(resolution.id)
    } else {
        let address = follow.get(follow.address_key(client));
        let goes_on = address.filter(|it| !is_somebodys && it.flags.has(GOES_ON));
        goes_on.map(|address| address.session)
    };
    for issue in &mut issues {
        if look_at(follow, exchanged, issue, session, base, &brought) {
            let session = session.unwrap_or(client);
            tell(follow, exchanged, (session, base), issue, LinkReason::Demoted, scratch, learned);
        }
    }
    if has_identity {
        if deleted && !brought.is_empty() {
            note_deletion(follow, base, resolution.id);
        }
        let place = (resolution.id, base);
        continue_session(follow, exchanged, place, &issues, &brought, scratch, learned);
        return None;
    }
    // A demoted value, or one of another session, starts no session.
    issues.retain(|issue| {
        issue.link.is_none_or(|link| !link.is_demoted() && Some(link.session) == session)
    });
    let place = (client, base);
    begin_session(follow, exchanged, place, &issues, is_somebodys, (scratch, found), learned)
}

/// Looks up the link of an issued value. Demotes a value that belongs to another session; it stays usable at this
/// address if the other session is at another one. Returns whether it was demoted.
fn look_at<X: Exchange + ?Sized>(
    follow: Follow<'_>,
    exchanged: &Exchanged<'_, X>,
    issue: &mut Issue,
    session: Option<SessionId>,
    base: SessionId,
    brought: &[Brought],
) -> bool {
    let key = issue.key;
    let mut here = follow.here(key, &|| base);
    let is_set_again = brought.iter().any(|value| value.key == here.key);
    let is_anothers = match &here.link {
        Some(link) => !link.is_demoted() && Some(link.session) != session,
        None => !here.is_local && belongs_to_another(exchanged, issue, session),
    };
    let is_taken = is_anothers && !is_set_again;
    if is_taken {
        demote(follow, here.key);
        // If the other session is at this address too, the value is demoted here as well.
        here = follow.here(key, &|| base);
        if here.is_local && here.key != key && here.link.is_some_and(|link| !link.is_demoted()) {
            demote(follow, here.key);
            here = follow.here(key, &|| base);
        }
    }
    (issue.key, issue.link) = (here.key, here.link);
    issue.is_nobodys = here.is_local || here.link.is_some_and(|link| link.is_demoted());
    is_taken
}

/// Links the values issued in an exchange of a session to that session.
fn continue_session<X: Exchange + ?Sized>(
    follow: Follow<'_>,
    exchanged: &Exchanged<'_, X>,
    (session, base): (SessionId, SessionId),
    issues: &[Issue],
    brought: &[Brought],
    scratch: &mut Scratch,
    learned: &mut Learned,
) {
    let of_another = |link: &Link| !link.is_demoted() && link.session != session;
    if brought.iter().any(|value| value.link.as_ref().is_some_and(of_another)) {
        // The request has values of two sessions, and sessions never merge.
        return;
    }
    // All users of a proxy that keeps cookies may share a load balancer's cookie, so the cookie does not show whose
    // the next tokens are.
    let mut of_session =
        brought.iter().filter(|value| value.link.is_some_and(|link| link.session == session));
    let is_balanced = of_session.clone().next().is_some()
        && of_session.all(|value| value.class == Class::Balancer);
    let mut linked = false;
    let mut tokens = issues.iter().filter(|issue| issue.class == Class::Token);
    let is_another_login =
        tokens.next().is_some_and(|token| follow.has_tokens(session, &token.value) && is_balanced)
            || are_anothers(follow, session, issues, scratch);
    for issue in issues {
        if issue.class == Class::Token && is_another_login {
            continue;
        }
        let known = brought.iter().find(|value| value.key == issue.key);
        let is_set_again = known.is_some_and(|value| value.link.is_some());
        if is_set_again || issue.link.is_some_and(|link| link.is_demoted()) {
            continue;
        }
        give(follow, issue, session, base);
        if issue.link.is_none() && !issue.is_nobodys {
            let reason = reason(exchanged.exchange, issue, brought);
            tell(follow, exchanged, (session, base), issue, reason, scratch, learned);
        }
        linked = true;
        for old in brought.iter().filter(|old| old.name == issue.name && old.key != issue.key) {
            follow.handle.update(old.key, follow.now_s, |link| {
                let link = link.filter(|link| !link.is_demoted())?;
                Some(Link { flags: link.flags.with(LinkFlags::REPLACED), ..link })
            });
        }
    }
    if linked {
        follow.note_principal(session, exchanged.exchange, scratch);
    }
}

/// Whether one of the issued tokens names a user other than the session's. The other tokens are then that user's, too.
fn are_anothers(
    follow: Follow<'_>,
    session: SessionId,
    issues: &[Issue],
    scratch: &mut Scratch,
) -> bool {
    let mut tokens = issues.iter().filter(|issue| issue.class == Class::Token);
    tokens.any(|token| follow.is_anothers_token(session, &token.value, scratch))
}

/// Adds an issued value to the links for other nodes, under the id that a node without links computes for it. Skips
/// values that such a node does not use as identifiers.
fn tell<X: Exchange + ?Sized>(
    follow: Follow<'_>,
    exchanged: &Exchanged<'_, X>,
    (session, base): (SessionId, SessionId),
    issue: &Issue,
    reason: LinkReason,
    scratch: &mut Scratch,
    learned: &mut Learned,
) {
    if !is_shared(issue.class) {
        return;
    }
    let mut claims = Vec::new();
    let is_claims = issue.class == Class::Token
        && builtin::session_of_token(&issue.value, scratch, &mut claims);
    let value = if is_claims { &claims } else { &issue.value };
    learned.link(session, (exchanged.id)(Namespace::Value, value), reason);
    if follow.has_others && builtin::holds_state(issue.class, &issue.value) {
        // Until it learns of the link, another node uses the value's id at its address.
        learned.link(session, state_id(exchanged.id, &issue.value, base), reason);
    }
}

/// Why an issued value belongs to the session.
fn reason<X: Exchange + ?Sized>(exchange: &X, issue: &Issue, brought: &[Brought]) -> LinkReason {
    let replaces = brought.iter().any(|old| old.name == issue.name && old.key != issue.key);
    match issue.class {
        Class::Token => LinkReason::Token,
        Class::Set | Class::Header if replaces && exchange.method() == b"POST" => LinkReason::Login,
        _ if replaces => LinkReason::Rotated,
        _ => LinkReason::Issued,
    }
}

/// Whether the value, by its own id, already identifies another session.
fn belongs_to_another<X: Exchange + ?Sized>(
    exchanged: &Exchanged<'_, X>,
    issue: &Issue,
    session: Option<SessionId>,
) -> bool {
    issue.entry.is_some() && {
        let id = (exchanged.id)(Namespace::Value, &issue.value);
        Some(id) != session && (exchanged.exists)(id)
    }
}

/// Links a value to the session. Demotes it if it was issued to another session meanwhile.
fn give(follow: Follow<'_>, issue: &Issue, session: SessionId, base: SessionId) {
    let place = follow.place(base);
    follow.handle.update(issue.key, follow.now_s, |link| match link {
        None => Some(Link::issued(session, follow.now_s, place)),
        Some(link) if link.is_demoted() => None,
        Some(link) if link.session == session => Some(Link { used_s: follow.now_s, ..link }),
        Some(link) => Some(Link { flags: link.flags.with(LinkFlags::DEMOTED), ..link }),
    });
}

fn demote(follow: Follow<'_>, key: LinkKey) {
    follow.handle.update(key, follow.now_s, |link| {
        let link = link.unwrap_or(Link::new(SessionId([0; 16]), follow.now_s));
        Some(Link { flags: link.flags.with(LinkFlags::DEMOTED), ..link })
    });
}

/// Starts or continues a session for a request without identity whose response issues new values.
fn begin_session<X: Exchange + ?Sized>(
    follow: Follow<'_>,
    exchanged: &Exchanged<'_, X>,
    (client, base): (SessionId, SessionId),
    issues: &[Issue],
    is_somebodys: bool,
    (scratch, found): (&mut Scratch, &mut Vec<u8>),
    learned: &mut Learned,
) -> Option<Resolution<'static>> {
    let best = issues.iter().min_by_key(|issue| issue.class)?;
    // At another node, a visitor of another address may begin with equal state.
    let own = if follow.has_others && builtin::holds_state(best.class, &best.value) {
        state_id(exchanged.id, &best.value, base)
    } else {
        (exchanged.id)(Namespace::Value, &best.value)
    };
    let mut session = own;
    let (mut is_settled, mut is_first) = (false, false);
    let brings_cookies = exchanged.exchange.header(Side::Request, b"cookie").is_some();
    // Tokens and protocol sessions are issued only to clients that use them.
    let keeps = brings_cookies || matches!(best.class, Class::Header | Class::Token);
    let kept = if keeps { MAX_PENDING_SESSIONS_KEPT } else { 0 };
    let now_s = follow.now_s;
    follow.handle.update(follow.address_key(client), now_s, |address| {
        let known = address.unwrap_or(Link::new(client, now_s));
        let mut changed = Link { used_s: now_s, ..known };
        let flags = known.flags;
        let has_child = flags.has(LinkFlags::ONE) || flags.has(LinkFlags::MANY);
        if !has_child && !flags.has(LinkFlags::TAKEN) {
            // The address's first identifier: its session continues. Another node may say the same of another visitor,
            // so the cloud decides.
            if follow.has_others {
                is_first = true;
                is_settled = true;
                changed.session = own;
            } else {
                session = client;
            }
            changed.flags = flags.with(LinkFlags::TAKEN);
            changed.pending = changed.pending.saturating_add(1);
        } else if flags.has(GOES_ON) && !is_somebodys {
            // Its only session continues after its identifier was deleted.
            session = known.session;
            changed.flags = flags.without(LinkFlags::DELETED);
        } else {
            // Another visitor, or one that does not keep cookies.
            let most = if known.returned == 0 {
                1
            } else {
                known.returned.saturating_add(MAX_PENDING_SESSIONS)
            };
            if known.pending < most.saturating_add(kept) {
                is_settled = true;
                changed.pending = known.pending.saturating_add(1);
            }
            if flags.has(LinkFlags::ONE) {
                changed.flags = flags.without(LinkFlags::ONE).with(LinkFlags::MANY);
            }
        }
        Some(changed)
    });
    if is_first {
        learned.link(session, client, LinkReason::Issued);
    }
    let are_anothers = are_anothers(follow, session, issues, scratch);
    for issue in issues {
        if issue.class == Class::Token {
            if are_anothers {
                continue;
            }
            follow.has_tokens(session, &issue.value);
        }
        give(follow, issue, session, base);
        if issue.link.is_none() && !issue.is_nobodys {
            let reason = reason(exchanged.exchange, issue, &[]);
            tell(follow, exchanged, (session, base), issue, reason, scratch, learned);
        }
    }
    follow.note_principal(session, exchanged.exchange, scratch);
    if !is_settled {
        return None;
    }
    found.clear();
    found.extend_from_slice(&best.value);
    let found_by = best.entry.map_or(FoundBy::Cookie, FoundBy::Builtin);
    let label =
        best.entry.map_or_else(|| Label::cookie(&best.name), |entry| Label::Known(entry.name));
    Some(Resolution {
        id: session,
        found_by,
        label,
        from_response: true,
        followed: true,
        fresh: false,
    })
}

/// The id of a client without identity: that of its client key, or else of the fallback.
fn client<X: Exchange + ?Sized>(
    exchanged: &Exchanged<'_, X>,
    resolution: &Resolution<'_>,
    found: &[u8],
) -> SessionId {
    if resolution.found_by.is_client() {
        return (exchanged.id)(Namespace::Value, found);
    }
    address(exchanged)
}

#[cfg(test)]
mod tests;
