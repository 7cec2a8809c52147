//! A demoted value can still identify a session at one address.
//!
//! Cookies that hold state have equal values for equal states, such as two empty carts of the same second. Such a value
//! identifies nobody by itself. If only one session of an address and `User-Agent` received it, it identifies that
//! session there.

use api_sessions_protocol::SessionId;
use api_sessions_shm::{Link, LinkKey};

use super::follow::{Follow, FoundLink};

impl Follow<'_> {
    /// The link of a value at the address with the id `base`, which is computed only if the value is demoted.
    #[inline]
    pub(super) fn here(&self, key: LinkKey, base: &dyn Fn() -> SessionId) -> FoundLink {
        match self.get(key) {
            Some(link) if link.is_demoted() => self.local(key, &link, base()),
            link => FoundLink { key, link, is_local: false },
        }
    }

    /// The link at `base` of a globally demoted value; `first` is its global link.
    #[cold]
    pub(super) fn local(&self, key: LinkKey, first: &Link, base: SessionId) -> FoundLink {
        if first.place() == 0 {
            // The address of the session it was first issued to is unknown.
            return FoundLink { key, link: Some(*first), is_local: true };
        }
        let local = self.local_key(key, base);
        let link = self.get(local).or_else(|| {
            let is_first = first.place() == self.place(base);
            is_first.then(|| Link::new(first.session, self.now_s))
        });
        FoundLink { key: local, link, is_local: true }
    }

    /// Short hash of an address; never 0.
    pub(super) fn place(&self, base: SessionId) -> u16 {
        (self.address_key(base).hash() as u16).max(1)
    }

    fn local_key(&self, key: LinkKey, base: SessionId) -> LinkKey {
        let mut value = [0; 24];
        value[..16].copy_from_slice(&base.0);
        value[16..].copy_from_slice(&key.hash().to_le_bytes());
        self.key(b"\x01here", &value)
    }
}
