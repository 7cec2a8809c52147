//! What a detector matched.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{owned, owned_option};

/// Why a request was found to be malicious: the first match of one type of attack.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Evidence<'a> {
    /// Type of the attack, one of the record's `attacks`.
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// Where it stands: `path`, `query`, `cookie`, `header`, `form`, `multipart`, `json`, `xml`, or `body` for a body
    /// of another type.
    #[serde(borrow)]
    pub place: Cow<'a, str>,
    /// Name of the argument, cookie, header, field, member or element; left out where there is none, and where the
    /// match is in the name itself. `[hidden]` where the content hides the name.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    /// What matched and what stands around it, at most 64 bytes, in the decoded form in which it matched. Where the
    /// content does not show the value, each word but those that attacks are written in is `…`.
    #[serde(rename = "match", borrow)]
    pub matched: Cow<'a, str>,
}

impl Evidence<'_> {
    /// The evidence with strings of its own.
    pub fn into_owned(self) -> Evidence<'static> {
        Evidence {
            kind: owned(self.kind),
            place: owned(self.place),
            name: owned_option(self.name),
            matched: owned(self.matched),
        }
    }
}
