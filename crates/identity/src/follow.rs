//! Following: a value that a response issues belongs to the session of its request.
//!
//! [`Follow`] looks up the values of a request; [`super::learn`] links the values that a response issues.

use api_sessions_extract::builtin::{self, Class, Entry, EntrySet, Followed, Principal};
use api_sessions_extract::{Exchange, PointSource, Scratch, SessionKey};
use api_sessions_protocol::SessionId;
use api_sessions_shm::{Link, LinkFlags, LinkHandle, LinkKey};

use super::found_by::{FoundBy, Label};
use super::hash::{Namespace, state_id};

/// Access to the links at a point in time.
#[derive(Clone, Copy)]
pub struct Follow<'f> {
    /// A worker's handle on the links.
    pub handle: &'f LinkHandle,
    /// Unix time in seconds.
    pub now_s: u32,
    /// Whether tokens in headers and JSON are followed too.
    pub tokens: bool,
    /// Whether other nodes may serve the same clients: no session then has the id of an address, which is the same at
    /// all of them.
    pub has_others: bool,
}

/// The value that identifies the session of a request.
pub(super) struct Carrier {
    pub(super) session: SessionId,
    /// Its entry of the built-in set; `None` for any other cookie.
    pub(super) entry: Option<&'static Entry>,
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// The link's time of last use is due for an update.
    pub(super) fresh: bool,
    class: Class,
}

impl Carrier {
    /// Its name as shown to operators.
    pub(super) fn label(&self) -> (FoundBy, Label<'static>) {
        match self.entry {
            Some(entry) => (FoundBy::Builtin(entry), Label::Known(entry.name)),
            None => (FoundBy::Cookie, Label::cookie(&self.name)),
        }
    }
}

/// The link of a value, as it applies at one address.
pub(super) struct FoundLink {
    /// The key under which to update it.
    pub(super) key: LinkKey,
    /// The link; a demoted one belongs to no session.
    pub(super) link: Option<Link>,
    /// The value is demoted globally; `link` applies only at this address.
    pub(super) is_local: bool,
}

/// Result of looking up a request's values.
#[derive(Default)]
pub(super) struct Lookup {
    /// The linked value that identifies the session.
    pub(super) carrier: Option<Carrier>,
    /// At least one value is demoted, at this address or globally.
    pub(super) any_demoted: bool,
    /// At least one value belongs to an unknown session, so the client is not without identity.
    pub(super) any_unknown: bool,
    /// State that another node may have issued a moment ago. That node tells the cloud this id as an alias.
    pub(super) issued_elsewhere: Option<Carrier>,
}

impl Follow<'_> {
    #[inline]
    pub(super) fn get(&self, key: LinkKey) -> Option<Link> {
        self.handle.links().get(key, self.now_s)
    }

    /// Key of a value in the cookie or header `name`.
    #[inline]
    pub(super) fn key(&self, name: &[u8], value: &[u8]) -> LinkKey {
        self.handle.links().key(name, value)
    }

    pub(super) fn key_of(&self, followed: &Followed<'_>) -> LinkKey {
        self.key(followed.name, followed.value)
    }

    /// Key of an address, for clients without identity.
    pub(super) fn address_key(&self, base: SessionId) -> LinkKey {
        self.key(b"\x01address", &base.0)
    }

    /// The client has not sent the value within [`REFRESH_S`].
    fn is_fresh(&self, link: &Link) -> bool {
        !link.flags.has(LinkFlags::RETURNED) || self.now_s.saturating_sub(link.used_s) >= REFRESH_S
    }

    /// Whether a value of the built-in set is demoted: it was issued to two sessions.
    pub(super) fn is_demoted(&self, entry: &'static Entry, value: &[u8]) -> bool {
        self.get(self.key(entry.name.as_bytes(), value)).is_some_and(|link| link.is_demoted())
    }

    /// The session of a client without identity: the only session of its address, unless the client `may_be_another`;
    /// otherwise the address's own session. `shared` gives the id to use if another session already has the address's
    /// id.
    pub(super) fn of_address(
        &self,
        base: SessionId,
        may_be_another: bool,
        shared: impl FnOnce() -> SessionId,
    ) -> SessionId {
        if self.handle.links().is_empty() {
            return base;
        }
        let Some(address) = self.get(self.address_key(base)) else { return base };
        let has_one = address.flags.has(LinkFlags::ONE);
        if has_one && !may_be_another {
            return self.session_of(address.session).unwrap_or(address.session);
        }
        let has_child = has_one || address.flags.has(LinkFlags::MANY);
        if has_child && address.flags.has(LinkFlags::TAKEN) { shared() } else { base }
    }

    /// The session linked to a value that one of the operator's keys has read. `base` gives the id of the client's
    /// address.
    pub(super) fn own<X: Exchange + ?Sized>(
        &self,
        key: &SessionKey,
        value: &[u8],
        exchange: &X,
        base: &dyn Fn() -> SessionId,
    ) -> Option<SessionId> {
        if self.handle.links().is_empty() {
            return None;
        }
        let link = match key.point.source() {
            // The link is that of the whole cookie, even if the point decodes only part of it.
            PointSource::Cookie(_) | PointSource::CookieLike(_) => {
                let mut link = None;
                let is_wanted = |name: &[u8]| match key.point.source() {
                    PointSource::Cookie(wanted) => name == &**wanted,
                    PointSource::CookieLike(begin) => name.starts_with(begin),
                    _ => false,
                };
                builtin::each_brought_cookie(exchange, &is_wanted, &mut |followed| {
                    link = self.here(self.key_of(&followed), base).link;
                    link.is_none()
                });
                link
            }
            _ => self.here(self.key(b"", value), base).link,
        };
        link.filter(|link| !link.is_demoted()).map(|link| link.session)
    }

    /// Calls `take` with the session of every linked value of a request. `base` gives the id of the client's address.
    pub fn each_session<X: Exchange + ?Sized>(
        &self,
        exchange: &X,
        base: &dyn Fn() -> SessionId,
        take: &mut dyn FnMut(SessionId),
    ) {
        builtin::each_brought(exchange, self.tokens, &mut |_, followed| {
            let link = self.here(self.key_of(&followed), base).link;
            if let Some(link) = link.filter(|link| !link.is_demoted()) {
                take(link.session);
                self.session_of(link.session).map(&mut *take);
            }
        });
    }

    /// Looks up the linked values of a request; the first in the order of classes decides. `base` gives the id of the
    /// client's address.
    pub(super) fn lookup<X: Exchange + ?Sized>(
        &self,
        exchange: &X,
        scratch: &mut Scratch,
        base: &dyn Fn() -> SessionId,
        id: &dyn Fn(Namespace, &[u8]) -> SessionId,
        demoted: EntrySet,
    ) -> Lookup {
        let mut lookup = Lookup::default();
        if self.handle.links().is_empty() && !self.has_others {
            return lookup;
        }
        let mut best: Option<(bool, Class)> = None;
        let mut has_unknown_token = false;
        builtin::each_brought(exchange, self.tokens, &mut |sent, followed| {
            if followed.entry.is_some_and(|entry| demoted.has(entry)) {
                return;
            }
            let FoundLink { link, is_local, .. } = self.here(self.key_of(&followed), base);
            lookup.any_demoted |= is_local;
            let is_state = self.has_others && builtin::holds_state(followed.class, followed.value);
            let link = link.filter(|link| !is_state || !self.may_be_equal(link, base));
            let carrier = |session, fresh| Carrier {
                session,
                entry: followed.entry,
                name: sent.to_vec(),
                value: followed.value.to_vec(),
                fresh,
                class: followed.class,
            };
            let elsewhere = || {
                let session = self.remote_session(&followed, id, scratch)?;
                Some(Link { flags: LinkFlags::RETURNED, ..Link::new(session, self.now_s) })
            };
            let Some(link) = link.or_else(elsewhere) else {
                has_unknown_token |= followed.class == Class::Token;
                lookup.any_unknown |= is_local || followed.class == Class::State;
                if is_state && !is_local && lookup.issued_elsewhere.is_none() {
                    let session = state_id(id, followed.value, base());
                    lookup.issued_elsewhere = Some(carrier(session, false));
                }
                return;
            };
            let split = Some(&followed).filter(|_| !link.is_demoted() && !is_state);
            let split = split.and_then(|followed| self.split_off(followed, &link, id, scratch));
            let link = split.unwrap_or(link);
            if link.is_demoted() {
                lookup.any_unknown = true;
                lookup.any_demoted = true;
            } else if best.is_none_or(|best| (is_local, followed.class) < best) {
                best = Some((is_local, followed.class));
                lookup.carrier = Some(carrier(link.session, self.is_fresh(&link)));
            }
        });
        // The request may be from another user than the session's: a proxy keeps one cookie jar for all its users.
        if let Some(carrier) = &lookup.carrier
            && (has_unknown_token && carrier.class == Class::Balancer
                || self.is_of_another(carrier, exchange, scratch))
        {
            lookup.carrier = None;
        }
        if let Some(carrier) = &mut lookup.carrier
            && let Some(session) = self.session_of(carrier.session)
        {
            carrier.session = session;
        }
        lookup
    }

    /// Whether another node may just have issued equal state to a visitor of this address: the link is that of another
    /// one, and so new that nodes may not know of each other's yet.
    fn may_be_equal(&self, link: &Link, base: &dyn Fn() -> SessionId) -> bool {
        let is_new = self.now_s.saturating_sub(link.used_s) < SYNC_S;
        is_new && !link.is_demoted() && link.place() != 0 && link.place() != self.place(base())
    }

    /// Whether the request names a user other than the known one of the carrier's session.
    fn is_of_another<X: Exchange + ?Sized>(
        &self,
        carrier: &Carrier,
        exchange: &X,
        scratch: &mut Scratch,
    ) -> bool {
        let mut name = Vec::new();
        match builtin::principal(exchange, scratch, &mut name) {
            None => false,
            // Tokens are renewed, so a different one contradicts only values that identify their session weakly.
            Some(Principal::Token) if carrier.class < Class::Other => false,
            Some(principal) => {
                let known = self.get(self.principal_key(principal, carrier.session));
                known.is_some_and(|known| known.session != self.principal_id(&name))
            }
        }
    }

    fn principal_key(&self, principal: Principal, session: SessionId) -> LinkKey {
        let kind: &[u8] = match principal {
            Principal::User => b"\x01user",
            Principal::Token => b"\x01token",
        };
        self.key(kind, &session.0)
    }

    /// Hash of a user's name, stored as a session id.
    fn principal_id(&self, name: &[u8]) -> SessionId {
        let halves =
            [b"\x01name1".as_slice(), b"\x01name2"].map(|kind| self.key(kind, name).hash());
        let mut id = [0; 16];
        for (bytes, half) in id.as_chunks_mut::<8>().0.iter_mut().zip(halves) {
            *bytes = half.to_le_bytes();
        }
        SessionId(id)
    }

    /// Whether an issued token names a user other than the known one of the session. If no user is known, records this
    /// one.
    pub(super) fn is_anothers_token(
        &self,
        session: SessionId,
        token: &[u8],
        scratch: &mut Scratch,
    ) -> bool {
        let mut name = Vec::new();
        if !builtin::user_of_token(token, scratch, &mut name) {
            return false;
        }
        let (key, id) = (self.principal_key(Principal::User, session), self.principal_id(&name));
        let known = self.get(key);
        if known.is_none() {
            self.note(key, id, false);
        }
        known.is_some_and(|known| known.session != id)
    }

    /// Records that a session has tokens. Returns whether it already had some.
    pub(super) fn has_tokens(&self, session: SessionId, token: &[u8]) -> bool {
        let key = self.principal_key(Principal::Token, session);
        let is_known = self.get(key).is_some();
        if !is_known {
            self.note(key, self.principal_id(token), false);
        }
        is_known
    }

    /// Records the user of a session, if a request names one and none is known.
    pub(super) fn note_principal<X: Exchange + ?Sized>(
        &self,
        session: SessionId,
        exchange: &X,
        scratch: &mut Scratch,
    ) {
        let mut name = Vec::new();
        if let Some(principal) = builtin::principal(exchange, scratch, &mut name) {
            let id = self.principal_id(&name);
            let renewed = principal == Principal::Token;
            self.note(self.principal_key(principal, session), id, renewed);
        }
    }

    /// Records the user named by a context parameter. Returns whether another one was known.
    pub fn is_another_user(&self, session: SessionId, user: &[u8]) -> bool {
        let (key, id) = (self.key(b"\x01parameter", &session.0), self.principal_id(user));
        match self.get(key) {
            Some(known) if known.session != id => return true,
            Some(known) if self.now_s.saturating_sub(known.used_s) < REFRESH_S => {}
            _ => self.note(key, id, false),
        }
        false
    }

    /// Records `id` under `key`. An existing id is kept, unless `renewed`.
    fn note(&self, key: LinkKey, id: SessionId, renewed: bool) {
        let now_s = self.now_s;
        self.handle.update(key, now_s, |known| {
            let session = known.filter(|_| !renewed).map_or(id, |known| known.session);
            let flags = LinkFlags::RETURNED;
            Some(Link { flags, ..Link::new(session, now_s) })
        });
    }
}

/// Seconds within which a link has reached all nodes.
const SYNC_S: u32 = 10;

/// Interval at which the time of last use is updated, in seconds.
pub(super) const REFRESH_S: u32 = 60;
