//! Another user begins another session.

use api_sessions_extract::Exchange;
use api_sessions_extract::builtin::{self, Issued};
use api_sessions_protocol::SessionId;
use api_sessions_shm::{Link, LinkFlags};

use super::exchanged::brought;
use crate::follow::Follow;
use crate::hash::Namespace;
use crate::resolve::{Fallback, address_id};

/// Moves the values of a request to a new session, after a change of user. Returns the id of the new session.
pub fn cut<X: Exchange + ?Sized>(
    follow: Follow<'_>,
    exchange: &X,
    session: SessionId,
    user: &[u8],
    fallback: Fallback,
    id: &dyn Fn(Namespace, &[u8]) -> SessionId,
) -> SessionId {
    let base = address_id(fallback, exchange, id);
    let mut name = session.to_hex().to_vec();
    name.extend_from_slice(b"\nuser\n");
    name.extend_from_slice(user);
    let new = id(Namespace::Value, &name);
    for value in brought(follow, exchange, base) {
        follow.handle.update(value.key, follow.now_s, |link| match link {
            Some(link) if link.is_demoted() || link.session != session => None,
            _ => Some(Link { flags: LinkFlags::RETURNED, ..Link::new(new, follow.now_s) }),
        });
    }
    // The values of this response have just been linked to the old session.
    builtin::each_issued(exchange, follow.now_s, follow.tokens, &mut |issued| {
        if let Issued::Value(followed) = issued {
            follow.handle.update(follow.key_of(&followed), follow.now_s, |link| {
                let link = link.filter(|it| !it.is_demoted() && it.session == session)?;
                Some(Link { session: new, ..link })
            });
        }
    });
    follow.is_another_user(new, user);
    new
}
