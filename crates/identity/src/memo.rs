//! Memo of the last hashed value: a session is resolved when the request arrives and again when it finishes, nearly
//! always from the same value.

use std::cell::Cell;

use super::hash::{Hasher, Namespace};
use crate::limits::MAX_MEMO_BYTES;
use api_sessions_protocol::SessionId;

/// Remembers one id, only for one request: another location may have another secret.
#[derive(Default)]
pub struct IdMemo(Cell<Option<Known>>);

#[derive(Clone, Copy)]
struct Known {
    namespace: Namespace,
    len: usize,
    value: [u8; MAX_MEMO_BYTES],
    id: SessionId,
}

impl IdMemo {
    /// Writes the value of `id` into `out` and returns true, if it is the remembered one.
    pub fn recall(&self, id: SessionId, out: &mut Vec<u8>) -> bool {
        let known = self.0.get().filter(|known| known.id == id);
        let Some(value) = known.as_ref().and_then(|known| known.value.get(..known.len)) else {
            return false;
        };
        out.clear();
        out.extend_from_slice(value);
        true
    }

    /// The same as [`Hasher::session_id`].
    #[inline]
    pub fn session_id(&self, hasher: &Hasher, namespace: Namespace, value: &[u8]) -> SessionId {
        if let Some(known) = self.0.get()
            && known.namespace == namespace
            && known.value.get(..known.len) == Some(value)
        {
            return known.id;
        }
        let id = hasher.session_id(namespace, value);
        let mut known = Known { namespace, len: value.len(), value: [0; MAX_MEMO_BYTES], id };
        if let Some(room) = known.value.get_mut(..value.len()) {
            room.copy_from_slice(value);
            self.0.set(Some(known));
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_gives_another_id_than_the_hasher() {
        let (hasher, memo) = (Hasher::new(&[7; 32]), IdMemo::default());
        let long = [b'l'; MAX_MEMO_BYTES + 1];
        let values: &[&[u8]] =
            &[b"a", b"a", b"ab", b"a\0", b"", &long, &long[1..], &long, &long[1..], b"a"];
        for namespace in [Namespace::Value, Namespace::Ip, Namespace::IpUa, Namespace::IpUaJa4] {
            for value in values {
                let id = memo.session_id(&hasher, namespace, value);
                assert_eq!(id, hasher.session_id(namespace, value), "{value:?}");
                let mut recalled = Vec::new();
                assert!(!memo.recall(id, &mut recalled) || recalled == *value);
            }
        }
    }
}
