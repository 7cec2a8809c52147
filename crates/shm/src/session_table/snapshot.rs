//! A session as the table returns it.

use api_sessions_protocol::Source;

use super::request::{RequestEnd, RequestStart};
use crate::limits::{ROLE_BYTES, TEXT_BYTES};

/// A session's counters as shown by variables, including the request that was just counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionCounters {
    /// First request, milliseconds since 1970.
    pub first_seen_ms: u64,
    /// Requests.
    pub requests: u64,
    /// Attacks (stops at `u32::MAX`).
    pub attacks: u32,
}

/// A session as it was at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// First request, milliseconds since 1970.
    pub first_seen_ms: u64,
    /// Last request, milliseconds since 1970.
    pub last_seen_ms: u64,
    /// Requests.
    pub requests: u64,
    /// Responses with a status of 400 to 499 (stops at `u32::MAX`).
    pub client_errors: u32,
    /// Responses with a status of 500 to 599 (stops at `u32::MAX`).
    pub server_errors: u32,
    /// Attacks (stops at `u32::MAX`).
    pub attacks: u32,
    /// Denied requests (stops at `u32::MAX`).
    pub denied: u32,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Last client address; IPv4 as `::ffff:a.b.c.d`.
    pub ip: [u8; 16],
    /// Hash of the last known user; 0: none.
    pub user_hash: u64,
    /// Hash of the last application; 0: none.
    pub application_hash: u64,
    /// How the last request found the session.
    pub source: Source,
    /// More than one request, or confirmed by the application.
    pub confirmed: bool,
    /// User or role is truncated.
    pub text_cut: bool,
    pub(crate) text: [u8; TEXT_BYTES],
    pub(crate) user_len: u8,
    pub(crate) role_len: u8,
}

impl Snapshot {
    #[cfg(test)]
    pub(crate) fn new(now_ms: u64) -> Self {
        Self { first_seen_ms: now_ms, last_seen_ms: now_ms, ..Self::default() }
    }

    /// Last known user, truncated to [`TEXT_BYTES`] minus the length of the role; empty: none.
    pub fn user(&self) -> &[u8] {
        self.text.get(..usize::from(self.user_len)).unwrap_or_default()
    }

    /// Last known role, truncated to [`ROLE_BYTES`]; empty: none.
    pub fn role(&self) -> &[u8] {
        let start = usize::from(self.user_len);
        self.text.get(start..start + usize::from(self.role_len)).unwrap_or_default()
    }

    /// Sets the client's address and, if the request reveals it, the user.
    pub(crate) fn identify(&mut self, start: &RequestStart, end: Option<&RequestEnd<'_>>) {
        self.ip = start.ip;
        let Some(end) = end else { return };
        if end.user_hash != 0 {
            self.user_hash = end.user_hash;
        }
        if !end.user.is_empty() || !end.role.is_empty() {
            self.set_text(end.user, end.role);
        }
    }

    /// Sets user and role. An empty value does not replace a known one.
    fn set_text(&mut self, user: &[u8], role: &[u8]) {
        let known = *self;
        let keeps = |new: &'_ [u8], old: &'_ [u8]| new.is_empty() && !old.is_empty();
        let (kept_user, kept_role) = (keeps(user, known.user()), keeps(role, known.role()));
        let user = if kept_user { known.user() } else { user };
        let role = if kept_role { known.role() } else { role };
        let role_len = role.len().min(ROLE_BYTES);
        let user_len = user.len().min(TEXT_BYTES - role_len);
        self.text = [0; TEXT_BYTES];
        let texts = user.iter().take(user_len).chain(role.iter().take(role_len));
        self.text.iter_mut().zip(texts).for_each(|(to, from)| *to = *from);
        // Both are at most TEXT_BYTES.
        (self.user_len, self.role_len) = (user_len as u8, role_len as u8);
        self.text_cut = (known.text_cut && (kept_user || kept_role))
            || user.len() > user_len
            || role.len() > role_len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Snapshot {
        fn learn(&mut self, end: &RequestEnd<'_>) {
            self.identify(&end.arrival, Some(end));
        }
    }

    fn with(user: &'static [u8], role: &'static [u8]) -> RequestEnd<'static> {
        RequestEnd { user, role, ..RequestEnd::default() }
    }

    #[test]
    fn the_last_known_user_and_role_stay() {
        let mut session = Snapshot::new(1);
        session.learn(&with(b"anna@example.com", b""));
        session.learn(&with(b"", b"admin"));
        session.learn(&with(b"", b""));
        assert_eq!((session.user(), session.role()), (&b"anna@example.com"[..], &b"admin"[..]));
        assert!(!session.text_cut);
    }

    #[test]
    fn a_long_text_is_truncated_and_flagged() {
        let mut session = Snapshot::new(1);
        session.learn(&with(&[b'u'; 300], b"administrator"));
        assert_eq!((session.user(), session.role()), (&[b'u'; 16][..], &b"administ"[..]));
        assert!(session.text_cut);
        session.learn(&with(b"u", b"r"));
        assert!(!session.text_cut);
    }
}
