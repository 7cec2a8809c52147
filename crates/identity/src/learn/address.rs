//! What is known of an address: which sessions came back to it, and what its only one has lost.

use api_sessions_extract::Exchange;
use api_sessions_extract::builtin;
use api_sessions_protocol::SessionId;
use api_sessions_shm::{Link, LinkFlags};

use super::exchanged::{Exchanged, address};
use crate::follow::{Follow, FoundLink};
use crate::resolve::Resolution;

/// Records that a session has returned to an address: with an issued value for the first time, or as a new session.
pub(super) fn came_back<X: Exchange + ?Sized>(
    follow: Follow<'_>,
    exchanged: &Exchanged<'_, X>,
    resolution: &Resolution<'_>,
) {
    let mut is_first = false;
    if resolution.fresh {
        builtin::each_brought(exchanged.exchange, follow.tokens, &mut |_, followed| {
            let FoundLink { key, link, .. } =
                follow.here(follow.key_of(&followed), &|| address(exchanged));
            if link.is_some_and(|link| !link.is_demoted() && link.session == resolution.id) {
                is_first |= follow.handle.returned(key, follow.now_s).is_some();
            }
        });
    }
    if !is_first && !exchanged.is_new {
        return;
    }
    let (base, session, now_s) = (address(exchanged), resolution.id, follow.now_s);
    follow.handle.update(follow.address_key(base), now_s, |known| {
        let known = known.unwrap_or(Link::new(session, now_s));
        let mut changed = Link { used_s: now_s, ..known };
        if is_first && known.pending > 0 {
            changed.pending = known.pending - 1;
            changed.returned = known.returned.saturating_add(1);
        }
        if known.flags.has(LinkFlags::MANY) {
        } else if !known.flags.has(LinkFlags::ONE) {
            // The first visitor of the address may have gone on at another node.
            let is_second = follow.has_others
                && known.flags.has(LinkFlags::TAKEN)
                && follow.session_of(known.session).unwrap_or(known.session) != session;
            let others = if is_second { LinkFlags::MANY } else { LinkFlags::ONE };
            changed.session = session;
            changed.flags = changed.flags.with(others);
        } else if known.session != session {
            changed.flags = changed.flags.with(LinkFlags::MANY).without(LinkFlags::ONE);
        }
        if session == base {
            changed.flags = changed.flags.with(LinkFlags::TAKEN);
        }
        Some(changed)
    });
}

/// Records that the session's identifier was deleted: the next one issued at its address belongs to the same session.
pub(super) fn note_deletion(follow: Follow<'_>, base: SessionId, session: SessionId) {
    let key = follow.address_key(base);
    follow.handle.update(key, follow.now_s, |address| {
        let address = address.filter(|it| it.flags.has(LinkFlags::ONE) && it.session == session)?;
        Some(Link { flags: address.flags.with(LinkFlags::DELETED), ..address })
    });
}
