//! A finished exchange: what its request brought, and what its response issued.

use api_sessions_extract::Exchange;
use api_sessions_extract::builtin::{self, Class, Entry};
use api_sessions_protocol::SessionId;
use api_sessions_shm::{Link, LinkKey};

use crate::follow::{Follow, FoundLink};
use crate::hash::Namespace;
use crate::resolve::{Keys, address_id};

/// A finished exchange.
pub struct Exchanged<'e, X: Exchange + ?Sized> {
    /// Request and response.
    pub exchange: &'e X,
    /// The keys that applied.
    pub keys: Keys<'e>,
    /// Whether the session began with this request.
    pub is_new: bool,
    /// Computes the id of a value.
    pub id: &'e dyn Fn(Namespace, &[u8]) -> SessionId,
    /// Whether a session with that id exists.
    pub exists: &'e dyn Fn(SessionId) -> bool,
    /// Keys of values that were learned from this exchange before, if it is learned from again. These values and
    /// deletions are then skipped.
    pub known: Option<&'e [LinkKey]>,
}

/// One issued value.
pub(super) struct Issue {
    pub(super) class: Class,
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) entry: Option<&'static Entry>,
    pub(super) key: LinkKey,
    /// Its previous link.
    pub(super) link: Option<Link>,
    /// It is demoted globally or at this address.
    pub(super) is_nobodys: bool,
}

/// One value of the request.
pub(super) struct Brought {
    pub(super) class: Class,
    pub(super) name: Vec<u8>,
    pub(super) key: LinkKey,
    pub(super) link: Option<Link>,
}

/// The values of the request, with their links at the address with the id `base`.
pub(super) fn brought<X: Exchange + ?Sized>(
    follow: Follow<'_>,
    exchange: &X,
    base: SessionId,
) -> Vec<Brought> {
    let mut all = Vec::new();
    builtin::each_brought(exchange, follow.tokens, &mut |_, followed| {
        let FoundLink { key, link, .. } = follow.here(follow.key_of(&followed), &|| base);
        let (class, name) = (followed.class, followed.name.to_vec());
        all.push(Brought { class, name, key, link });
    });
    all
}

/// The id of the client's address.
pub(super) fn address<X: Exchange + ?Sized>(exchanged: &Exchanged<'_, X>) -> SessionId {
    address_id(exchanged.keys.fallback, exchanged.exchange, exchanged.id)
}
