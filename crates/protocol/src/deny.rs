//! Denial of a session: the order of an operator, and the entry that the denylist keeps.

use serde::{Deserialize, Deserializer, Serialize};

use crate::SessionId;
use crate::limits::{DENY_APPLICATION_BYTES, DENY_APPLICATIONS, DENY_REASON_BYTES, DENY_SECONDS};

/// A session to deny: body of `POST /v1/denylist` and of `api_sessions_control`.
///
/// An unknown field is rejected: with `secconds`, a session would be denied forever.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Deny))]
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenyOrder {
    /// Session id.
    pub session: String,
    /// Duration in seconds; absent: permanent.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// Applications it applies to; empty: all.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub applications: Vec<String>,
    /// Reason.
    #[serde(default)]
    pub reason: Option<String>,
}

fn null_as_empty<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

/// A field of a [`DenyOrder`] that no node can keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDenyOrder {
    /// Not a session id.
    #[error("session: 32 lower-case hexadecimal digits are expected")]
    Session,
    /// Zero, or more than [`DENY_SECONDS`].
    #[error(
        "seconds: a number from 1 to a hundred years is expected, or none for a permanent entry"
    )]
    Seconds,
    /// Too many, too long, or empty; or with a NUL, which ends a text in the denylist of a node.
    #[error(
        "applications: at most {DENY_APPLICATIONS} names of together {DENY_APPLICATION_BYTES} bytes are expected, none \
         empty or with a NUL"
    )]
    Applications,
    /// Too long, or with a NUL.
    #[error("reason: at most {DENY_REASON_BYTES} bytes without a NUL are expected")]
    Reason,
}

impl DenyOrder {
    /// The entry of an order that `by` gives at `now`, milliseconds since 1970.
    ///
    /// # Errors
    /// The first field that is invalid.
    pub fn entry(self, by: &str, now: u64) -> Result<DenyEntry, InvalidDenyOrder> {
        if self.session.parse::<SessionId>().is_err() {
            return Err(InvalidDenyOrder::Session);
        }
        if self.seconds.is_some_and(|seconds| seconds == 0 || seconds > DENY_SECONDS) {
            return Err(InvalidDenyOrder::Seconds);
        }
        let bytes: usize = self.applications.iter().map(String::len).sum();
        if self.applications.len() > DENY_APPLICATIONS
            || bytes > DENY_APPLICATION_BYTES
            || self.applications.iter().any(|name| name.is_empty() || name.contains('\0'))
        {
            return Err(InvalidDenyOrder::Applications);
        }
        let is_invalid =
            |reason: &String| reason.len() > DENY_REASON_BYTES || reason.contains('\0');
        if self.reason.as_ref().is_some_and(is_invalid) {
            return Err(InvalidDenyOrder::Reason);
        }
        Ok(DenyEntry {
            session: self.session,
            since: now,
            until: self.seconds.map(|seconds| now + seconds * 1000),
            applications: self.applications,
            reason: self.reason,
            by: Some(by.to_owned()),
        })
    }
}

/// A denied session.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DenyEntry {
    /// Session id: 32 lower-case hex digits.
    pub session: String,
    /// Time it was added, milliseconds since 1970.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub since: u64,
    /// Time it expires, milliseconds since 1970; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Applications it applies to; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<String>,
    /// Reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(fields: &str) -> Result<DenyEntry, String> {
        let text = format!(r#"{{"session":"{}"{fields}}}"#, "ab".repeat(16));
        let order: DenyOrder = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        order.entry("ann", 1000).map_err(|error| error.to_string())
    }

    #[test]
    fn an_order_becomes_an_entry() {
        let entry = order(r#","seconds":60,"applications":["shop"],"reason":"scraper""#).unwrap();
        assert_eq!((entry.since, entry.until), (1000, Some(61_000)));
        assert_eq!(
            (entry.applications, entry.reason),
            (vec!["shop".to_owned()], Some("scraper".to_owned()))
        );
        let entry = order(r#","applications":null"#).unwrap();
        assert_eq!(
            (entry.until, entry.applications.len(), entry.by.as_deref()),
            (None, 0, Some("ann"))
        );
    }

    #[test]
    fn orders_that_no_node_can_keep_were_accepted() {
        let many = format!(r#","applications":[{}"a"]"#, r#""a","#.repeat(DENY_APPLICATIONS));
        let long = format!(r#","reason":"{}""#, "x".repeat(DENY_REASON_BYTES + 1));
        for (fields, word) in [
            (r#","seconds":0"#, "seconds: "),
            (r#","seconds":3162240001"#, "seconds: "),
            (many.as_str(), "applications: "),
            (r#","applications":[""]"#, "applications: "),
            (r#","applications":["a\u0000b"]"#, "applications: "),
            (long.as_str(), "reason: "),
            (r#","reason":"a\u0000b""#, "reason: "),
            (r#","secconds":60"#, "unknown field `secconds`"),
        ] {
            let error = order(fields).unwrap_err();
            assert!(error.starts_with(word), "{fields}: {error}");
        }
        let order = DenyOrder { session: "AB".repeat(16), ..DenyOrder::default() };
        assert_eq!(order.entry("ann", 0), Err(InvalidDenyOrder::Session));
    }
}
