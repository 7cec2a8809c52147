//! What a rule can ask of a request.

use api_sessions_extract::Point;
use api_sessions_protocol::Source;

/// Whether something is so, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It cannot be told, as of a body that a record does not have.
    Unknown,
}

impl From<bool> for Answer {
    fn from(is: bool) -> Self {
        if is { Answer::Yes } else { Answer::No }
    }
}

/// A request that is over: on the node a request of NGINX, in the cloud a stored record.
pub trait Facts {
    /// Method, as the client sent it.
    fn method(&self) -> &[u8];
    /// Path as the client meant it ([`crate::normalize`]).
    fn path(&self) -> &[u8];
    /// Status of the answer.
    fn status(&self) -> u16;
    /// Whether the request is malicious, of this type, or of any (`None`). Marks of rules do not count.
    fn has_attack(&self, kind: Option<&str>) -> bool;
    /// How many types of attack it has.
    fn attacks(&self) -> u64;
    /// How its session was found.
    fn source(&self) -> Source;
    /// Value of the first context parameter of type `user`; `None`: absent.
    fn user(&self) -> Option<&[u8]>;
    /// Id of its session, in whatever form identifies it.
    fn session(&self) -> &[u8];
    /// Client address as text.
    fn ip(&self) -> &[u8];
    /// JA4 of the client's TLS; its stable form, where there is one.
    fn ja4(&self) -> Option<&[u8]>;
    /// It is the first request of its session.
    fn begins_session(&self) -> Answer;
    /// A parameter is in two places of the request with different values.
    fn has_conflicting_parameters(&self) -> Answer;
    /// Size of the request, bytes.
    fn bytes_in(&self) -> u64;
    /// Bytes sent to the client.
    fn bytes_out(&self) -> u64;
    /// Time from the first byte of the request on, milliseconds.
    fn time_ms(&self) -> u64;
    /// Calls `then` with the value of a point, `None` where it is absent. `false`, without a call: it cannot be told.
    fn read(&self, point: &Point, then: &mut dyn FnMut(Option<&[u8]>)) -> bool;
}
