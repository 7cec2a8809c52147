//! The fields of a record: the one list from which the record, its stores' columns and its documentation are
//! made.

/// Calls `$then! { … }` with the fields of a record in the order of its JSON, each as documentation, name and
/// kind. The full content of a malicious request (`request`) is not among them: every store keeps it separately.
///
/// | kind            | in a `Record`           | in JSON                        |
/// |-----------------|-------------------------|--------------------------------|
/// | `text`          | `Cow<str>`              | always there                   |
/// | `text_or_empty` | `Cow<str>`              | left out where it is empty     |
/// | `optional_text` | `Option<Cow<str>>`      | left out where there is none   |
/// | `status`        | `u16`                   | always there                   |
/// | `number`        | `u64`                   | always there                   |
/// | `optional_number` | `Option<u64>`         | left out where there is none   |
/// | `flag`          | `bool`                  | always there                   |
/// | `source`        | [`Source`](crate::Source) | always there                 |
/// | `words`         | `Vec<Cow<str>>`         | left out where it is empty     |
/// | `parameters`    | `Vec<Param>`            | left out where it is empty     |
/// | `rules`         | `Vec<RuleHit>`          | left out where it is empty     |
/// | `evidence`      | `Vec<Evidence>`         | left out where it is empty     |
/// | `links`         | `Vec<SessionLink>`      | left out where it is empty     |
#[macro_export]
macro_rules! record_fields {
    ($then:ident) => {
        $then! {
            /// NGINX's `$request_id`: 32 lower-case hex digits.
            id: text;
            /// Start of the request, milliseconds since 1970 (UTC).
            ts: number;
            /// Name of the node that served the request.
            node: text;
            /// Session id: 32 lower-case hex digits.
            session: text;
            /// Label of the key that identified the session.
            key: text;
            /// How the key was found.
            source: source;
            /// Application (`api_sessions_application`).
            app: optional_text;
            /// Client address, as NGINX sees it (after `realip`).
            ip: text;
            /// `User-Agent`.
            ua: optional_text;
            /// Host, as NGINX sees it.
            host: optional_text;
            /// Request method; left out where the request line could not be understood.
            method: text_or_empty;
            /// Path as the client sent it, up to the `?`, with identifiers cut out; left out as the method is.
            path: text_or_empty;
            /// `HTTP/1.1`, `HTTP/2.0`, …
            proto: optional_text;
            /// `http` or `https`.
            scheme: optional_text;
            /// JA4 of the client's TLS handshake, or the one that a CDN reports.
            ja4: optional_text;
            /// Its stable form, which a client keeps over resumption and protocols.
            ja4_stable: optional_text;
            /// Response status.
            status: status;
            /// Time from the first byte of the request to the log phase, milliseconds.
            time_ms: number;
            /// Time until the upstream's response was received, milliseconds.
            upstream_ms: optional_number;
            /// Size of the request (line, headers, body), bytes.
            request_bytes: number;
            /// Bytes sent to the client.
            response_bytes: number;
            /// Value of the first parameter of type `user`.
            user: optional_text;
            /// Value of the first parameter of type `role`.
            role: optional_text;
            /// Session and context parameters.
            params: parameters;
            /// Types of attack; empty for a request that is not malicious.
            attacks: words;
            /// Session rules that fired with the request, or that refused it.
            rules: rules;
            /// What the module's own detectors matched: one for each type that they found.
            evidence: evidence;
            /// Other ids of the session: values that the exchange issued to it.
            links: links;
            /// The previous session of the same client, with another user.
            previous: optional_text;
            /// Country of the client address, two letters of ISO 3166-1. The cloud adds this and the next two, if it has
            /// files for them (`--mmdb`); nodes do not send them.
            country: optional_text;
            /// Autonomous system of the client address, such as `AS64496`.
            asn: optional_text;
            /// Organisation of that system.
            organisation: optional_text;
            /// Whether the denylist answered the request (or would have, in dry run).
            denied: flag;
        }
    };
}

/// Declares [`Record`](crate::Record) from its fields.
macro_rules! declare_record {
    // All fields are converted: the struct.
    (@struct [$($field:tt)*]) => {
        /// The record of one request: one JSON object on a line, without the members that have no value.
        ///
        /// Missing members parse as empty, so that records of older nodes are accepted; the cloud checks the
        /// members it requires.
        // Borrows from the line it is parsed from. Nodes write records with a writer of their own.
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Record<'a> {
            $($field)*
            /// Full content of a malicious request.
            #[serde(borrow, skip_serializing_if = "Option::is_none")]
            pub request: Option<FullRequest<'a>>,
        }
    };
    // One field after another, by kind.
    (@struct [$($done:tt)*] $(#[$doc:meta])* $name:ident: text; $($rest:tt)*) => {
        declare_record! { @struct [$($done)*
            $(#[$doc])* #[serde(borrow)] #[cfg_attr(feature = "openapi", schema(required = true))]
            pub $name: Cow<'a, str>,
        ] $($rest)* }
    };
    (@struct [$($done:tt)*] $(#[$doc:meta])* $name:ident: text_or_empty; $($rest:tt)*) => {
        declare_record! { @struct [$($done)*
            $(#[$doc])* #[serde(borrow, skip_serializing_if = "str::is_empty")]
            pub $name: Cow<'a, str>,
        ] $($rest)* }
    };
    (@struct [$($done:tt)*] $(#[$doc:meta])* $name:ident: optional_text; $($rest:tt)*) => {
        declare_record! { @struct [$($done)*
            $(#[$doc])* #[serde(borrow, skip_serializing_if = "Option::is_none")]
            pub $name: Option<Cow<'a, str>>,
        ] $($rest)* }
    };
    (@struct [$($done:tt)*] $(#[$doc:meta])* $name:ident: optional_number; $($rest:tt)*) => {
        declare_record! { @struct [$($done)*
            $(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")]
            pub $name: Option<u64>,
        ] $($rest)* }
    };
    (@struct [$($done:tt)*] $(#[$doc:meta])* $name:ident: words; $($rest:tt)*) => {
        declare_record! { @struct [$($done)*
            $(#[$doc])* #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
            pub $name: Vec<Cow<'a, str>>,
        ] $($rest)* }
    };
    (@struct [$($done:tt)*] $(#[$doc:meta])* $name:ident: parameters; $($rest:tt)*) => {
        declare_record! { @struct [$($done)*
            $(#[$doc])* #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
            pub $name: Vec<Param<'a>>,
        ] $($rest)* }
    };
    (@struct [$($done:tt)*] $(#[$doc:meta])* $name:ident: rules; $($rest:tt)*) => {
        declare_record! { @struct [$($done)*
            $(#[$doc])* #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
            pub $name: Vec<RuleHit<'a>>,
        ] $($rest)* }
    };
    (@struct [$($done:tt)*] $(#[$doc:meta])* $name:ident: evidence; $($rest:tt)*) => {
        declare_record! { @struct [$($done)*
            $(#[$doc])* #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
            pub $name: Vec<Evidence<'a>>,
        ] $($rest)* }
    };
    (@struct [$($done:tt)*] $(#[$doc:meta])* $name:ident: links; $($rest:tt)*) => {
        declare_record! { @struct [$($done)*
            $(#[$doc])* #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
            pub $name: Vec<SessionLink<'a>>,
        ] $($rest)* }
    };
    (@struct $done:tt $(#[$doc:meta])* $name:ident: number; $($rest:tt)*) => {
        declare_record! { @required $done $(#[$doc])* $name: u64; $($rest)* }
    };
    (@struct $done:tt $(#[$doc:meta])* $name:ident: status; $($rest:tt)*) => {
        declare_record! { @required $done $(#[$doc])* $name: u16; $($rest)* }
    };
    (@struct $done:tt $(#[$doc:meta])* $name:ident: flag; $($rest:tt)*) => {
        declare_record! { @required $done $(#[$doc])* $name: bool; $($rest)* }
    };
    (@struct $done:tt $(#[$doc:meta])* $name:ident: source; $($rest:tt)*) => {
        declare_record! { @required $done $(#[$doc])* $name: Source; $($rest)* }
    };
    (@required [$($done:tt)*] $(#[$doc:meta])* $name:ident: $type:ty; $($rest:tt)*) => {
        declare_record! { @struct [$($done)*
            $(#[$doc])* #[cfg_attr(feature = "openapi", schema(required = true))]
            pub $name: $type,
        ] $($rest)* }
    };
    // The entry: the fields as `record_fields!` lists them.
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)*) => {
        declare_record! { @struct [] $($(#[$doc])* $name: $kind;)* }

        impl Record<'_> {
            /// The record with owned strings.
            pub fn into_owned(self) -> Record<'static> {
                Record {
                    $($name: owned_field!($kind self.$name),)*
                    request: self.request.map(FullRequest::into_owned),
                }
            }
        }
    };
}
pub(super) use declare_record;

/// A field's value with owned strings.
macro_rules! owned_field {
    (text $value:expr) => {
        owned($value)
    };
    (text_or_empty $value:expr) => {
        owned($value)
    };
    (optional_text $value:expr) => {
        owned_option($value)
    };
    (words $value:expr) => {
        $value.into_iter().map(owned).collect()
    };
    (parameters $value:expr) => {
        $value.into_iter().map(Param::into_owned).collect()
    };
    (rules $value:expr) => {
        $value.into_iter().map(RuleHit::into_owned).collect()
    };
    (evidence $value:expr) => {
        $value.into_iter().map(Evidence::into_owned).collect()
    };
    (links $value:expr) => {
        $value.into_iter().map(SessionLink::into_owned).collect()
    };
    ($kind:ident $value:expr) => {
        $value
    };
}
pub(super) use owned_field;
