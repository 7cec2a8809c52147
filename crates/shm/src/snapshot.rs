//! What is told to the table, and what it tells.

use api_sessions_protocol::Source;

/// Bytes of a session's user and role that the table keeps, together.
pub const TEXT_BYTES: usize = 24;
/// Bytes of a role that the table keeps; a user has the rest.
pub const ROLE_BYTES: usize = 8;

/// What is known of a request when it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestStart {
    /// How its session was found.
    pub source: Source,
    /// Client address; IPv4 as `::ffff:a.b.c.d`.
    pub ip: [u8; 16],
    /// [`super::SessionTable::text_hash`] of its application; 0: none.
    pub application_hash: u64,
}

/// What is known of a request when it is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestEnd<'a> {
    /// As at arrival, for the session that the request turned out to belong to.
    pub arrival: RequestStart,
    /// The request has not been counted for this session yet.
    pub count: bool,
    /// The application vouches for the session: its key was seen in a response.
    pub confirmed: bool,
    /// Status of the response; 400 to 499 and 500 to 599 count as errors.
    pub status: u16,
    /// Attacks to add.
    pub attacks: u32,
    /// The module's own detectors found some of them.
    pub detected: bool,
    /// The denylist answered it, or would have in dry run.
    pub denied: bool,
    /// Size of the request.
    pub bytes_in: u64,
    /// Bytes sent to the client.
    pub bytes_out: u64,
    /// [`super::SessionTable::text_hash`] of the user; 0: not known from this request, the last one stays.
    pub user_hash: u64,
    /// The user; empty: not known from this request, the last one stays.
    pub user: &'a [u8],
    /// The user's role; empty: not known from this request, the last one stays.
    pub role: &'a [u8],
}

/// What variables tell of a session, with the request that was just counted in it.
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
    /// How the session was last found.
    pub source: Source,
    /// More than one request, or vouched for by the application.
    pub confirmed: bool,
    /// User or role did not fit and is cut.
    pub text_cut: bool,
    pub(super) text: [u8; TEXT_BYTES],
    pub(super) user_len: u8,
    pub(super) role_len: u8,
}

impl Snapshot {
    #[cfg(test)]
    pub(super) fn new(now_ms: u64) -> Self {
        Self { first_seen_ms: now_ms, last_seen_ms: now_ms, ..Self::default() }
    }

    /// Last known user, cut at [`TEXT_BYTES`] less the role; empty: none.
    pub fn user(&self) -> &[u8] {
        self.text.get(..usize::from(self.user_len)).unwrap_or_default()
    }

    /// Last known role, cut at [`ROLE_BYTES`]; empty: none.
    pub fn role(&self) -> &[u8] {
        let start = usize::from(self.user_len);
        self.text.get(start..start + usize::from(self.role_len)).unwrap_or_default()
    }

    /// Who was seen: the address, and what is known of the user.
    pub(super) fn identify(&mut self, arrival: &RequestStart, outcome: Option<&RequestEnd<'_>>) {
        self.ip = arrival.ip;
        let Some(outcome) = outcome else { return };
        if outcome.user_hash != 0 {
            self.user_hash = outcome.user_hash;
        }
        if !outcome.user.is_empty() || !outcome.role.is_empty() {
            self.set_text(outcome.user, outcome.role);
        }
    }

    /// Keeps what is new of user and role beside what is known.
    fn set_text(&mut self, user: &[u8], role: &[u8]) {
        let known = *self;
        let keep_or = |new: &'_ [u8], old: &'_ [u8]| new.is_empty() && !old.is_empty();
        let (kept_user, kept_role) = (keep_or(user, known.user()), keep_or(role, known.role()));
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
        fn learn(&mut self, outcome: &RequestEnd<'_>) {
            self.identify(&outcome.arrival, Some(outcome));
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
    fn a_long_text_is_cut_and_says_so() {
        let mut session = Snapshot::new(1);
        session.learn(&with(&[b'u'; 300], b"administrator"));
        assert_eq!((session.user(), session.role()), (&[b'u'; 16][..], &b"administ"[..]));
        assert!(session.text_cut);
        session.learn(&with(b"u", b"r"));
        assert!(!session.text_cut);
    }
}
