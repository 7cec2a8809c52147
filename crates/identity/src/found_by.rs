//! What identified a session: the kind of key, and its name.

use api_sessions_extract::builtin::Entry;
use api_sessions_protocol::Source;

/// The kind of key that identified a session.
#[derive(Debug, Clone, Copy)]
pub enum FoundBy {
    /// A key of the operator: its place among them.
    Own(usize),
    /// An entry of the built-in set.
    Builtin(&'static Entry),
    /// A cookie that was issued to the session, of any name.
    Cookie,
    /// Address, `User-Agent` and JA4.
    IpUaJa4,
    /// Address and `User-Agent`.
    IpUa,
    /// The address alone.
    Ip,
}

impl FoundBy {
    /// Which kind of key it is.
    pub fn source(self) -> Source {
        match self {
            FoundBy::Own(_) => Source::Key,
            FoundBy::Builtin(entry) if entry.is_client() => Source::Client,
            FoundBy::Builtin(_) => Source::Builtin,
            FoundBy::Cookie => Source::Link,
            FoundBy::IpUaJa4 => Source::IpUaJa4,
            FoundBy::IpUa => Source::IpUa,
            FoundBy::Ip => Source::Ip,
        }
    }

    /// Its place among the operator's keys, if it is one of them.
    pub fn own(self) -> Option<usize> {
        match self {
            FoundBy::Own(at) => Some(at),
            _ => None,
        }
    }

    /// An identifier that the client was given or invented, as opposed to its address.
    pub fn is_key(self) -> bool {
        matches!(self, FoundBy::Own(_) | FoundBy::Builtin(_) | FoundBy::Cookie)
    }

    /// It names a client rather than a user.
    pub fn is_client(self) -> bool {
        matches!(self, FoundBy::Builtin(entry) if entry.is_client())
    }
}

/// The name of what identified a session, as operators see it.
#[derive(Debug, Clone, Copy)]
pub enum Label<'k> {
    /// Of a key.
    Known(&'k str),
    /// Name of a cookie: its first bytes, in ASCII.
    Cookie([u8; MAX_LABEL_BYTES], u8),
}

/// Longest name of a cookie that is shown, bytes.
const MAX_LABEL_BYTES: usize = 48;

impl Label<'_> {
    /// Of a cookie that is no key.
    pub(super) fn cookie(name: &[u8]) -> Self {
        let mut bytes = [0; MAX_LABEL_BYTES];
        let mut len = 0;
        for (to, from) in bytes.iter_mut().zip(name) {
            *to = if from.is_ascii_graphic() { *from } else { b'?' };
            len += 1;
        }
        Self::Cookie(bytes, len)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(text) => text,
            Self::Cookie(bytes, len) => {
                let name = bytes.get(..usize::from(*len)).unwrap_or_default();
                std::str::from_utf8(name).unwrap_or_default()
            }
        }
    }
}
