//! `per=SUBJECT`: which requests are counted together.

use std::io::{Cursor, Write as _};
use std::net::Ipv6Addr;

use api_sessions_protocol::path_template;

use crate::{Facts, RuleError};

/// The subject of a count: requests with the same subject are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Per {
    /// A session.
    #[default]
    Session,
    /// The value of the first `context_param … type=user`.
    User,
    /// A client address; IPv6 by its /64.
    Ip,
    /// JA4 fingerprint of the client's TLS, in its stable form if available.
    Ja4,
    /// A session at one endpoint.
    SessionEndpoint,
}

impl Per {
    pub(crate) fn parse(text: &str) -> Result<Self, RuleError> {
        Ok(match text {
            "session" => Self::Session,
            "user" => Self::User,
            "ip" => Self::Ip,
            "ja4" => Self::Ja4,
            "session+endpoint" => Self::SessionEndpoint,
            _ => {
                return Err(RuleError::invalid(
                    "parameter",
                    &format!("per={text}"),
                    "\"session\", \"user\", \"ip\", \"ja4\" or \"session+endpoint\"",
                ));
            }
        })
    }

    /// Its name in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::User => "user",
            Self::Ip => "ip",
            Self::Ja4 => "ja4",
            Self::SessionEndpoint => "session+endpoint",
        }
    }

    /// Writes the subject of a request to `out`, which is cleared. Returns false if the request has none; it
    /// is not counted then.
    pub fn write(self, facts: &impl Facts, out: &mut Vec<u8>) -> bool {
        out.clear();
        match self {
            Self::Session => out.extend_from_slice(facts.session()),
            Self::User => match facts.user() {
                Some(user) => out.extend_from_slice(user),
                None => return false,
            },
            Self::Ip => out.extend_from_slice(network(facts.ip(), &mut [0; NETWORK_BYTES])),
            Self::Ja4 => match facts.ja4() {
                Some(ja4) => out.extend_from_slice(ja4),
                None => return false,
            },
            Self::SessionEndpoint => {
                out.extend_from_slice(facts.session());
                out.push(b' ');
                write_endpoint(facts, out);
            }
        }
        true
    }
}

/// Appends the endpoint of a request: method and path template.
pub(crate) fn write_endpoint(facts: &impl Facts, out: &mut Vec<u8>) {
    out.extend_from_slice(facts.method());
    out.push(b' ');
    path_template::write_endpoint(facts.path(), out);
}

/// Maximum length of a network as text, bytes: eight groups and `/64`.
pub const NETWORK_BYTES: usize = 48;

/// Writes an address as rules use it: IPv6 by its /64, using `room`; anything else unchanged.
pub fn network<'a>(address: &'a [u8], room: &'a mut [u8; NETWORK_BYTES]) -> &'a [u8] {
    let parsed = if address.contains(&b':') {
        std::str::from_utf8(address).ok().and_then(|text| text.parse::<Ipv6Addr>().ok())
    } else {
        None
    };
    let Some(parsed) = parsed else { return address };
    let mut out = Cursor::new(&mut room[..]);
    let written = match parsed.to_ipv4_mapped() {
        // ::ffff:192.0.2.1 is an IPv4 client on an IPv6 socket.
        Some(address) => write!(out, "{address}"),
        None => {
            let network = u128::from(parsed) & !u128::from(u64::MAX);
            write!(out, "{}/64", Ipv6Addr::from(network))
        }
    };
    let len = out.position() as usize;
    match written {
        Ok(()) => room.get(..len).unwrap_or_default(),
        Err(_) => address,
    }
}
