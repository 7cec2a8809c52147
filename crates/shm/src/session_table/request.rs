//! What the table learns from a request.

use api_sessions_protocol::Source;

/// What is known about a request when it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestStart {
    /// How its session was found.
    pub source: Source,
    /// Client address; IPv4 as `::ffff:a.b.c.d`.
    pub ip: [u8; 16],
    /// [`super::SessionTable::text_hash`] of its application; 0: none.
    pub application_hash: u64,
}

/// What is known about a request when it is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestEnd<'a> {
    /// What was known at arrival, for the session that the request turned out to belong to.
    pub arrival: RequestStart,
    /// The request has not been counted in this session yet.
    pub count: bool,
    /// The application confirms the session: its key was found in a response.
    pub confirmed: bool,
    /// Status of the response; 400 to 499 and 500 to 599 count as errors.
    pub status: u16,
    /// Attacks to add.
    pub attacks: u32,
    /// The module's own detectors found some of the attacks.
    pub detected: bool,
    /// The denylist refused the request, or would have if this were not a dry run.
    pub denied: bool,
    /// Size of the request, bytes.
    pub bytes_in: u64,
    /// Bytes sent to the client.
    pub bytes_out: u64,
    /// [`super::SessionTable::text_hash`] of the user; 0: unknown, the last known user stays.
    pub user_hash: u64,
    /// The user; empty: unknown, the last known user stays.
    pub user: &'a [u8],
    /// The user's role; empty: unknown, the last known role stays.
    pub role: &'a [u8],
}

/// A request as a change of its session.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) start: &'a RequestStart,
    /// `None`: the request has only arrived.
    pub(super) end: Option<&'a RequestEnd<'a>>,
}
