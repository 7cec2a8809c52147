//! What identified a session: the kind of key, and its name.

use api_sessions_extract::builtin::Entry;
use api_sessions_protocol::Source;

use crate::limits::MAX_LABEL_BYTES;

/// The kind of key that identified a session.
#[derive(Debug, Clone, Copy)]
pub enum FoundBy {
    /// A key of the operator, by index.
    Own(usize),
    /// An entry of the built-in set.
    Builtin(&'static Entry),
    /// A cookie issued to the session, with any name.
    Cookie,
    /// Address, `User-Agent` and JA4.
    IpUaJa4,
    /// Address and `User-Agent`.
    IpUa,
    /// The address alone.
    Ip,
}

impl FoundBy {
    /// The kind of key, as exported.
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

    /// Its index among the operator's keys, if it is one of them.
    pub fn own(self) -> Option<usize> {
        match self {
            FoundBy::Own(at) => Some(at),
            _ => None,
        }
    }

    /// Whether it is an identifier that the client was given or generated, rather than its address.
    pub fn is_key(self) -> bool {
        matches!(self, FoundBy::Own(_) | FoundBy::Builtin(_) | FoundBy::Cookie)
    }

    /// Whether it identifies a client rather than a user.
    pub fn is_client(self) -> bool {
        matches!(self, FoundBy::Builtin(entry) if entry.is_client())
    }
}

/// The name of what identified a session, as shown to operators.
#[derive(Debug, Clone, Copy)]
pub enum Label<'k> {
    /// Name of a key.
    Known(&'k str),
    /// Name of a cookie: its first [`MAX_LABEL_BYTES`] bytes in printable ASCII, and their number.
    Cookie([u8; MAX_LABEL_BYTES], u8),
}

impl Label<'_> {
    /// The label of a cookie that is not a key. Non-printable bytes become `?`.
    pub(super) fn cookie(name: &[u8]) -> Self {
        let mut bytes = [0; MAX_LABEL_BYTES];
        let mut len = 0;
        for (to, from) in bytes.iter_mut().zip(name) {
            *to = if from.is_ascii_graphic() { *from } else { b'?' };
            len += 1;
        }
        Self::Cookie(bytes, len)
    }

    /// The name as text.
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
