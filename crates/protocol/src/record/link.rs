//! Values that a response issued: other ids under which the session may return.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::owned;

/// A value that the exchange issued to its session, by the id that a node without memory computes for it: an alias
/// of the session.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionLink<'a> {
    /// The alias: 32 lower-case hex digits.
    #[serde(borrow)]
    pub session: Cow<'a, str>,
    /// The reason ([`LinkReason`]): `issued`, `rotated`, `login`, `token`; `demoted`: it is not an alias any more.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
}

impl SessionLink<'_> {
    /// The link with owned strings.
    pub fn into_owned(self) -> SessionLink<'static> {
        SessionLink { session: owned(self.session), reason: owned(self.reason) }
    }

    /// Whether it removes an alias.
    pub fn is_demotion(&self) -> bool {
        self.reason == LinkReason::Demoted.as_str()
    }
}

/// Why a value is an alias of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkReason {
    /// The session had no value of this name before.
    Issued,
    /// It replaces a value of its name.
    Rotated,
    /// It replaces an opaque value of its name in the response to a `POST`, as applications do at login.
    Login,
    /// A token in a JSON response.
    Token,
    /// It was also issued to another session, and belongs to none from now on.
    Demoted,
}

impl LinkReason {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            LinkReason::Issued => "issued",
            LinkReason::Rotated => "rotated",
            LinkReason::Login => "login",
            LinkReason::Token => "token",
            LinkReason::Demoted => "demoted",
        }
    }
}
