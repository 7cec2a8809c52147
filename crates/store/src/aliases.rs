//! Other ids of a session, independent of the engine.
//!
//! A record's `links` name values that an exchange issued to its session, by the ids that a node without memory
//! computes for them. Such an id is an *alias*: requests with it belong to the session.

use api_sessions_protocol::Record;
use serde::Serialize;
use utoipa::ToSchema;

/// How a session is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Identity {
    /// The session that was asked for, or the one of which it is an alias.
    #[serde(skip)]
    pub session: String,
    /// Values issued to it, oldest first; at most 100.
    pub identifiers: Vec<Identifier>,
    /// The previous session of the same client, with another user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The next session of the same client, with another user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A value that was issued to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Identifier {
    /// Its id: an alias of the session.
    pub session: String,
    /// Why it belongs to the session: `issued`, `rotated`, `login`, `token`.
    pub reason: String,
    /// Start of the request whose response issued it, ms since 1970.
    pub first_ts: u64,
    /// Id of that request.
    pub request: String,
}

/// One statement of a record about an alias.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'r> {
    /// The alias.
    pub alias: &'r str,
    /// The session it belongs to.
    pub session: &'r str,
    /// Why it belongs to the session, as [`Identifier::reason`].
    pub reason: &'r str,
    /// Start of the request, ms since 1970.
    pub ts: u64,
    /// Id of the request.
    pub request: &'r str,
    /// Whether it belongs to no session from now on.
    pub is_demotion: bool,
}

/// The statements of a record about aliases.
pub fn claims<'r>(record: &'r Record<'_>) -> impl Iterator<Item = Claim<'r>> {
    record.links.iter().filter(|link| !link.session.is_empty()).map(|link| Claim {
        alias: &link.session,
        session: &record.session,
        reason: &link.reason,
        ts: record.ts,
        request: &record.id,
        is_demotion: link.is_demotion(),
    })
}
