//! The facts about a request that rules use.

use api_sessions_extract::Point;
use api_sessions_protocol::Source;

/// Answer to a question that cannot always be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Unknown, for example because a record does not have the body.
    Unknown,
}

impl From<bool> for Answer {
    fn from(is: bool) -> Self {
        if is { Answer::Yes } else { Answer::No }
    }
}

/// A finished request: a request of NGINX on a node, a stored record in the cloud.
pub trait Facts {
    /// Method, as the client sent it.
    fn method(&self) -> &[u8];
    /// Normalized path ([`crate::normalize`]).
    fn path(&self) -> &[u8];
    /// Status code of the response.
    fn status(&self) -> u16;
    /// Whether the request is malicious, with this attack type or with any (`None`). Marks of rules do not
    /// count.
    fn has_attack(&self, kind: Option<&str>) -> bool;
    /// Number of its attack types.
    fn attacks(&self) -> u64;
    /// How its session was identified.
    fn source(&self) -> Source;
    /// Value of the first context parameter of type `user`. `None`: absent.
    fn user(&self) -> Option<&[u8]>;
    /// Id of its session, in any form that identifies it.
    fn session(&self) -> &[u8];
    /// Client address as text.
    fn ip(&self) -> &[u8];
    /// JA4 fingerprint of the client's TLS, in its stable form if available.
    fn ja4(&self) -> Option<&[u8]>;
    /// Whether it is the first request of its session.
    fn begins_session(&self) -> Answer;
    /// Whether a parameter occurs in two places of the request with different values.
    fn has_conflicting_parameters(&self) -> Answer;
    /// Size of the request, bytes.
    fn bytes_in(&self) -> u64;
    /// Bytes sent to the client.
    fn bytes_out(&self) -> u64;
    /// Time since the first byte of the request, milliseconds.
    fn time_ms(&self) -> u64;
    /// Calls `then` with the value of a point, or `None` if it is absent. Returns false, without a call, if
    /// the value is unknown.
    fn read(&self, point: &Point, then: &mut dyn FnMut(Option<&[u8]>)) -> bool;
}
