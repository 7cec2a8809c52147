//! Explains why requests belong to a session.

use api_sessions_extract::builtin;
use api_sessions_key_facts::{Kind, Summary, point_of};
use api_sessions_store::{SessionSummary, Store, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::overview;

/// Why requests were grouped.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Why {
    /// Label of the key; for a followed cookie without a key, its name.
    pub key: String,
    /// `own`, `builtin`, `candidate` (a value that a response issued), `ip_ua` or `ip`.
    pub kind: String,
    /// The point that reads it, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point: Option<String>,
    /// The kind of identifier, in words.
    pub reason: String,
    /// The verdict on the key within a day of the session: `good`, `volatile`, `shared` or `too_little`.
    pub verdict: String,
    /// Number of other ids of the session.
    pub aliases: usize,
    /// The figures behind the verdict, if there are any.
    #[serde(skip)]
    pub summary: Option<Summary>,
}

impl Why {
    /// For a session with this number of `aliases`.
    ///
    /// # Errors
    /// The error of the store.
    pub fn of(
        store: &dyn Store,
        session: &SessionSummary,
        aliases: usize,
    ) -> Result<Self, StoreError> {
        let key = session.key.clone();
        let entry = builtin::TABLE.iter().find(|entry| entry.name == key);
        let kind = match &*session.source {
            "key" => Kind::Own,
            "ip" => Kind::Ip,
            "ip_ua" | "ip_ua_ja4" => Kind::IpUa,
            _ if entry.is_some() => Kind::Builtin,
            // Issued by a response, or unknown to this version.
            "link" => Kind::Candidate,
            _ => Kind::Builtin,
        };
        let (reason, name) = match kind {
            Kind::Own => ("the operator's key".to_owned(), key.clone()),
            Kind::Builtin => {
                let reason = entry.map_or("", |entry| entry.group.reason());
                let issued = if session.source == "link" { "issued by a response; " } else { "" };
                (format!("{issued}{reason}"), key.clone())
            }
            Kind::Candidate => (
                "a cookie that a response of the session issued".to_owned(),
                point_of(api_sessions_key_facts::Place::Cookie, &key),
            ),
            Kind::IpUa if session.source == "ip_ua_ja4" => {
                ("no key: the client's address, User-Agent and JA4".to_owned(), key.clone())
            }
            Kind::IpUa => ("no key: the client's address and User-Agent".to_owned(), key.clone()),
            Kind::Ip => ("no key: the client's address".to_owned(), key.clone()),
        };
        let point = overview::point(kind, &name, &store.parameters()?.parameters);
        let application = session.applications.first().map_or("", String::as_str);
        let known = overview::verdict(store, application, kind, &name, session.last_ts)?;
        let (verdict, summary) = match known {
            Some((verdict, summary)) => (verdict, Some(summary)),
            None => Default::default(),
        };
        let (kind, verdict) = (kind.as_str().to_owned(), verdict.as_str().to_owned());
        Ok(Self { key, kind, point, reason, verdict, aliases, summary })
    }
}
