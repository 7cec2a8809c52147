//! Keyed hashing of session keys and parameters (docs/identity.md).

use api_sessions_protocol::{SessionId, hex};

const SESSION_CONTEXT: &str = "api-sessions session id v1";
const PARAMETER_CONTEXT: &str = "api-sessions parameter v1";
const FACTS_CONTEXT: &str = "api-sessions key facts v1";

/// Namespace of a session's value: equal values yield equal ids only within a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// A value of any key.
    Value,
    /// Source IP, newline, `User-Agent`.
    IpUa,
    /// Source IP, newline, `User-Agent`, newline, stable JA4.
    IpUaJa4,
    /// Source IP.
    Ip,
}

impl Namespace {
    fn as_bytes(self) -> &'static [u8] {
        match self {
            Namespace::Value => b"value\0",
            Namespace::IpUa => b"ip+ua\0",
            Namespace::IpUaJa4 => b"ip+ua+ja4\0",
            Namespace::Ip => b"ip\0",
        }
    }
}

/// Hash of a parameter: 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterHash([u8; 32]);

impl ParameterHash {
    /// The digits.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// BLAKE3 in keyed mode, with a key per purpose derived from the secret once.
#[derive(Clone)]
pub struct Hasher {
    session: [u8; 32],
    parameter: [u8; 32],
    facts: [u64; 2],
}

/// Values up to this length in bytes, including the namespace, are hashed in one call from the stack.
const SHORT: usize = 256;

impl Hasher {
    /// Derives the keys. Nodes that share the secret produce the same ids.
    pub fn new(secret: &[u8]) -> Self {
        let key = |context| blake3::derive_key(context, secret);
        let facts = key(FACTS_CONTEXT);
        let word = |at: usize| {
            let word = facts.get(at..).and_then(|bytes| bytes.first_chunk());
            u64::from_le_bytes(word.copied().unwrap_or_default())
        };
        let facts = [word(0), word(8)];
        Self { session: key(SESSION_CONTEXT), parameter: key(PARAMETER_CONTEXT), facts }
    }

    /// The key of the fingerprints in key facts.
    pub fn facts_key(&self) -> [u64; 2] {
        self.facts
    }

    /// Id of the session that `value` identifies.
    pub fn session_id(&self, namespace: Namespace, value: &[u8]) -> SessionId {
        let namespace = namespace.as_bytes();
        let mut short = [0; SHORT];
        let len = namespace.len() + value.len();
        let hash = match short.get_mut(..len) {
            Some(short) => {
                let (first, second) = short.split_at_mut(namespace.len());
                first.copy_from_slice(namespace);
                second.copy_from_slice(value);
                blake3::keyed_hash(&self.session, short)
            }
            None => {
                let mut hasher = blake3::Hasher::new_keyed(&self.session);
                hasher.update(namespace).update(value).finalize()
            }
        };
        SessionId(first_half(&hash))
    }

    /// The exported form of a hashed parameter.
    pub fn parameter(&self, value: &[u8]) -> ParameterHash {
        ParameterHash(hex(&first_half(&blake3::keyed_hash(&self.parameter, value))))
    }
}

/// The first 16 bytes.
fn first_half(hash: &blake3::Hash) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(hash.as_bytes().split_at(16).0);
    half
}

/// The id of state that another node has just issued, at the address with the id `base`: two visitors of different
/// addresses may have equal state.
pub(super) fn state_id(
    id: &dyn Fn(Namespace, &[u8]) -> SessionId,
    value: &[u8],
    base: SessionId,
) -> SessionId {
    id(Namespace::Value, &[value, b"\n", base.to_hex().as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with the reference implementation's Python binding (`blake3` on PyPI).
    #[test]
    fn ids_are_those_of_the_contract() {
        let hasher = Hasher::new(&[b's'; 32]);
        for (namespace, value, id) in [
            (Namespace::Value, "alice-token", "f4eb067d0fdfdb58567e34a9ba198c9d"),
            (Namespace::IpUa, "192.0.2.1\ncurl/8.0", "5f340665313c137e1b1b2d280bd300b4"),
            (Namespace::Ip, "2001:db8:1:2::/64", "d2fca54db3329bb92d20d17d4818ffd0"),
        ] {
            assert_eq!(hasher.session_id(namespace, value.as_bytes()).to_string(), id, "{value}");
        }
        // Both ways of hashing agree.
        for len in [SHORT - 7, SHORT - 6, SHORT - 5, 1025] {
            let value = vec![b'v'; len];
            let mut whole = blake3::Hasher::new_keyed(&hasher.session);
            whole.update(b"value\0").update(&value);
            let id = SessionId(first_half(&whole.finalize()));
            assert_eq!(hasher.session_id(Namespace::Value, &value), id, "{len}");
        }
        assert_eq!(
            hasher.parameter(b"alice@example.com").as_str(),
            "8750a8a51af04e3181ebec8f70a1d042"
        );
    }

    #[test]
    fn ids_survive_text() {
        let id = SessionId([0x0f; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "0F", &"0F".repeat(16), &"g".repeat(32), &"0".repeat(33)] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
    }
}
