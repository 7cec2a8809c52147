//! One request, as a node reports it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::record_fields;
use fields::{declare_record, owned_field};

mod evidence;
mod fields;
mod link;

pub use evidence::Evidence;
pub use link::{LinkReason, SessionLink};

record_fields!(declare_record);

/// How the session of a request was found.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// One of the operator's own `session_key`s.
    Key,
    /// The built-in set.
    Builtin,
    /// Source IP and `User-Agent`.
    IpUa,
    /// Source IP alone.
    #[default]
    Ip,
    /// Source IP, `User-Agent` and JA4 of the client's TLS.
    IpUaJa4,
    /// A value that a response of the session issued.
    Link,
    /// The built-in set, by an identifier of a client rather than of a user.
    Client,
}

impl Source {
    /// All variants.
    pub const ALL: [Source; 7] = [
        Source::Key,
        Source::Builtin,
        Source::Link,
        Source::Client,
        Source::IpUaJa4,
        Source::IpUa,
        Source::Ip,
    ];

    /// The word used on the wire and in `$api_session_source`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Key => "key",
            Source::Builtin => "builtin",
            Source::Link => "link",
            Source::Client => "client",
            Source::IpUa => "ip_ua",
            Source::Ip => "ip",
            Source::IpUaJa4 => "ip_ua_ja4",
        }
    }
}

/// One parameter of a request: what identified the session, or what the operator asked to see.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param<'a> {
    /// Label the operator gave it, or its point.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Value, or its keyed hash (32 lower-case hex digits).
    #[serde(borrow)]
    pub value: Cow<'a, str>,
    /// Its meaning.
    #[serde(rename = "type")]
    pub kind: ParamType,
    /// Whether the value is a hash.
    pub hashed: bool,
    /// Whether the value is truncated because it was longer than the limit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// A session rule that fired with a request, or that refused it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleHit<'a> {
    /// Name of the rule.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The rule's count of the subject in its window, including this request; 0 where the denylist refused
    /// the request.
    pub count: u64,
    /// Its reactions, as written.
    #[serde(borrow)]
    pub then: Cow<'a, str>,
    /// Whether the reactions are in force; false: the rule only monitors.
    pub enforced: bool,
}

/// Meaning of a parameter.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamType {
    /// It identified the session.
    Session,
    /// Context for readers of the session.
    #[default]
    Context,
    /// The user's name or id.
    User,
    /// The user's role.
    Role,
}

/// Full content of a malicious request. Secret values are already removed or hashed.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FullRequest<'a> {
    /// Request line.
    #[serde(borrow)]
    pub line: Cow<'a, str>,
    /// Headers in the order they came.
    #[serde(borrow)]
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Body, if it is UTF-8.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Cow<'a, str>>,
    /// Body in base64, if it is not UTF-8.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<Cow<'a, str>>,
    /// The reason why something is hidden as a whole: `unparsed` (the body, or a document in a value, does not
    /// parse) or `whole` (the secret part of the body cannot be cut out). Absent if nothing is.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<Cow<'a, str>>,
    /// Whether something is truncated at a limit.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub truncated: bool,
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

fn owned_option(text: Option<Cow<'_, str>>) -> Option<Cow<'static, str>> {
    text.map(owned)
}

impl Param<'_> {
    /// The parameter with owned strings.
    pub fn into_owned(self) -> Param<'static> {
        Param {
            name: owned(self.name),
            value: owned(self.value),
            kind: self.kind,
            hashed: self.hashed,
            truncated: self.truncated,
        }
    }
}

impl RuleHit<'_> {
    /// The hit with owned strings.
    pub fn into_owned(self) -> RuleHit<'static> {
        let Self { count, enforced, .. } = self;
        RuleHit { name: owned(self.name), then: owned(self.then), count, enforced }
    }
}

impl FullRequest<'_> {
    /// The content with owned strings.
    pub fn into_owned(self) -> FullRequest<'static> {
        FullRequest {
            line: owned(self.line),
            headers: self
                .headers
                .into_iter()
                .map(|(name, value)| (owned(name), owned(value)))
                .collect(),
            body: owned_option(self.body),
            body_base64: owned_option(self.body_base64),
            hidden: owned_option(self.hidden),
            truncated: self.truncated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal() -> Record<'static> {
        Record {
            id: "0123456789abcdef0123456789abcdef".into(),
            ts: 1_700_000_000_123,
            node: "n1".into(),
            session: "00112233445566778899aabbccddeeff".into(),
            key: "ip".into(),
            source: Source::Ip,
            ip: "192.0.2.1".into(),
            method: "GET".into(),
            path: "/".into(),
            status: 200,
            ..Record::default()
        }
    }

    #[test]
    fn absent_values_are_left_out() {
        let line = serde_json::to_string(&minimal()).unwrap();
        for absent in [
            "app",
            "ua",
            "user",
            "params",
            "attacks",
            "evidence",
            "links",
            "\"request\"",
            "upstream_ms",
        ] {
            assert!(!line.contains(absent), "{absent} in {line}");
        }
        assert!(line.contains("\"denied\":false"));
    }

    #[test]
    fn a_record_survives_the_way_to_the_cloud() {
        let mut record = minimal();
        record.params.push(Param {
            name: "sid".into(),
            value: "quote \" and \u{1F600}".into(),
            kind: ParamType::Session,
            hashed: true,
            truncated: false,
        });
        record.evidence.push(Evidence {
            kind: "sqli".into(),
            place: "query".into(),
            name: Some("q".into()),
            matched: "' or \"1\"=\"1".into(),
        });
        record.links.push(SessionLink { session: "0f".into(), reason: "rotated".into() });
        record.previous = Some("1e".into());
        record.request = Some(FullRequest {
            line: "GET / HTTP/1.1".into(),
            headers: vec![("Host".into(), "a\nb".into())],
            ..FullRequest::default()
        });
        let line = serde_json::to_string(&record).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Record<'_>>(&line).unwrap(), record);
    }
}
