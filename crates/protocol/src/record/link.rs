//! What a response of a session issued: other ids by which the session may come back.

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
    /// Why ([`LinkReason`]): `issued`, `rotated`, `login`, `token`; `demoted`: it is no alias of any session any more.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
}

impl SessionLink<'_> {
    /// The link with strings of its own.
    pub fn into_owned(self) -> SessionLink<'static> {
        SessionLink { session: owned(self.session), reason: owned(self.reason) }
    }

    /// It takes an alias back.
    pub fn is_demotion(&self) -> bool {
        self.reason == LinkReason::Demoted.as_str()
    }
}

/// Why a value is an alias of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkReason {
    /// The session got it without having had one of its name.
    Issued,
    /// It replaces one of its name.
    Rotated,
    /// It replaces an opaque one of its name in the answer to a `POST`: what applications do at login.
    Login,
    /// A token in a JSON answer.
    Token,
    /// It was issued to another session too, and belongs to none from now on.
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
