//! What a detector matched.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{owned, owned_option};

/// The reason why a request is malicious: the first match of one type of attack.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Evidence<'a> {
    /// Type of the attack, one of the record's `attacks`.
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// Its place: `path`, `query`, `cookie`, `header`, `form`, `multipart`, `json`, `xml`, or `body` for a body
    /// of another type.
    #[serde(borrow)]
    pub place: Cow<'a, str>,
    /// Name of the argument, cookie, header, field, member or element; left out where there is none, and where the
    /// match is in the name itself. `[hidden]` where the content hides the name.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    /// The match with its surroundings, at most 64 bytes, in the decoded form in which it matched. Where the
    /// content hides the value, every word that is not part of an attack's syntax is `…`.
    #[serde(rename = "match", borrow)]
    pub matched: Cow<'a, str>,
}

impl Evidence<'_> {
    /// The evidence with owned strings.
    pub fn into_owned(self) -> Evidence<'static> {
        Evidence {
            kind: owned(self.kind),
            place: owned(self.place),
            name: owned_option(self.name),
            matched: owned(self.matched),
        }
    }
}
