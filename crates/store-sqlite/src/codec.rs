//! Encoding of stored values: identifiers as bytes, parameters and counts with `postcard`.

use std::borrow::Cow;

use api_sessions_protocol::{Param, ParamType};
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use serde::{Deserialize, Serialize};

use api_sessions_store::session_days::Kind;

/// Identifies a session or a request in memory and in cursors: the bytes of an id of 32 hexadecimal digits,
/// otherwise a hash.
pub(super) type Key = [u8; 16];

/// The key of a session or a request.
pub(super) fn session_key(id: &str) -> Key {
    unhex(id).unwrap_or_else(|| hash("session", id))
}

/// The key of a batch in a Bloom filter.
pub(super) fn batch_key(key: &str) -> Key {
    hash("batch", key)
}

fn hash(kind: &str, text: &str) -> Key {
    let mut hasher = blake3::Hasher::new();
    hasher.update(kind.as_bytes()).update(&[0]).update(text.as_bytes());
    let mut key = [0; 16];
    hasher.finalize_xof().fill(&mut key);
    key
}

/// The 16 bytes of 32 lower-case hexadecimal digits.
pub(super) fn unhex(text: &str) -> Option<Key> {
    fn digit(byte: u8) -> Option<u8> {
        match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        }
    }
    let digits: &[u8; 32] = text.as_bytes().try_into().ok()?;
    let mut raw = [0; 16];
    for (out, pair) in raw.iter_mut().zip(digits.chunks_exact(2)) {
        if let [high, low] = pair {
            *out = digit(*high)? << 4 | digit(*low)?;
        }
    }
    Some(raw)
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(raw: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or_default();
    raw.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The stored form of an id: a blob of 16 bytes if it is 32 hexadecimal digits, otherwise text.
pub(super) struct Id<'a>(pub(super) &'a str);

impl ToSql for Id<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match unhex(self.0) {
            Some(raw) => ToSqlOutput::Owned(Value::Blob(raw.to_vec())),
            None => ToSqlOutput::Borrowed(ValueRef::Text(self.0.as_bytes())),
        })
    }
}

/// Parses an [`Id`].
pub(super) fn id_text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Blob(raw) => hex(raw),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    }
}

/// The in-memory key of a request with this stored [`Id`].
pub(super) fn id_key(value: ValueRef<'_>) -> Key {
    match value {
        ValueRef::Blob(raw) if raw.len() == 16 => raw.try_into().unwrap_or_default(),
        other => session_key(&id_text(other)),
    }
}

/// A parameter of a request.
#[derive(Serialize, Deserialize)]
struct StoredParam<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    value: StoredValue<'a>,
    kind: ParamType,
    hashed: bool,
    truncated: bool,
}

#[derive(Serialize, Deserialize)]
enum StoredValue<'a> {
    /// 32 hexadecimal digits, as most hashes.
    Hash(Key),
    Text(#[serde(borrow)] Cow<'a, str>),
}

/// The parameters of a request as bytes.
pub(super) fn pack_params(params: &[Param<'_>]) -> Vec<u8> {
    let stored: Vec<StoredParam<'_>> = params
        .iter()
        .map(|param| StoredParam {
            name: Cow::Borrowed(&param.name),
            value: match unhex(&param.value) {
                Some(raw) => StoredValue::Hash(raw),
                None => StoredValue::Text(Cow::Borrowed(&param.value)),
            },
            kind: param.kind,
            hashed: param.hashed,
            truncated: param.truncated,
        })
        .collect();
    // Infallible: writes to memory.
    postcard::to_allocvec(&stored).unwrap_or_default()
}

/// Parses [`pack_params`]; `None`: the bytes are damaged.
pub(super) fn unpack_params(bytes: &[u8]) -> Option<Vec<Param<'static>>> {
    let (stored, rest): (Vec<StoredParam<'_>>, _) = postcard::take_from_bytes(bytes).ok()?;
    let param = |stored: StoredParam<'_>| Param {
        name: Cow::Owned(stored.name.into_owned()),
        value: Cow::Owned(match stored.value {
            StoredValue::Hash(raw) => hex(&raw),
            StoredValue::Text(text) => text.into_owned(),
        }),
        kind: stored.kind,
        hashed: stored.hashed,
        truncated: stored.truncated,
    };
    rest.is_empty().then(|| stored.into_iter().map(param).collect())
}

/// A value of a session: its kind and the number of its string (or a status), packed into one number ordered
/// by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub(super) struct Facet(u32);

/// In files the kind is in the low bits, so that small string numbers take few bytes.
impl From<Facet> for u32 {
    fn from(facet: Facet) -> u32 {
        facet.0.rotate_left(u32::BITS - Facet::STRING_BITS)
    }
}

impl From<u32> for Facet {
    fn from(stored: u32) -> Facet {
        Facet(stored.rotate_right(u32::BITS - Facet::STRING_BITS))
    }
}

impl Facet {
    const STRING_BITS: u32 = 28;

    pub(super) fn new(kind: Kind, string: u32) -> Facet {
        Facet((kind as u32) << Self::STRING_BITS | string)
    }

    /// As one number.
    pub(super) fn to_bits(self) -> u32 {
        self.0
    }

    /// Parses [`Facet::to_bits`].
    pub(super) fn from_bits(bits: u32) -> Facet {
        Facet(bits)
    }

    /// The number of its kind ([`Kind`]).
    pub(super) fn kind(self) -> u8 {
        (self.0 >> Self::STRING_BITS) as u8
    }

    /// The number of its string; for a status, the status itself.
    pub(super) fn string(self) -> u32 {
        self.0 & ((1 << Self::STRING_BITS) - 1)
    }
}

/// How often a session has each value, sorted by value.
pub(super) type Counts = Vec<(Facet, u32)>;

/// Counts as bytes.
pub(super) fn pack_counts(counts: &Counts) -> Vec<u8> {
    postcard::to_allocvec(counts).unwrap_or_default()
}

/// Parses [`pack_counts`]; `None`: the bytes are damaged.
pub(super) fn unpack_counts(bytes: &[u8]) -> Option<Counts> {
    let (counts, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(counts)
}

/// Encodes the positions of a session's requests, in order: times (ms since the day began) and rows, each as
/// the difference from the previous one.
pub(super) fn pack_places(places: &[(u32, u32)]) -> Vec<u8> {
    let mut last = (0u32, 0u32);
    let mut difference = |place: (u32, u32)| {
        let (time, row) = std::mem::replace(&mut last, place);
        (place.0.wrapping_sub(time), place.1.wrapping_sub(row) as i32)
    };
    let differences: Vec<(u32, i32)> = places.iter().map(|place| difference(*place)).collect();
    postcard::to_allocvec(&differences).unwrap_or_default()
}

/// Parses [`pack_places`]; `None`: the bytes are damaged.
pub(super) fn unpack_places(bytes: &[u8]) -> Option<Vec<(u32, u32)>> {
    let (mut places, rest): (Vec<(u32, i32)>, _) = postcard::take_from_bytes(bytes).ok()?;
    let mut last = (0u32, 0u32);
    let mut sum = |(time, row): (u32, i32)| {
        last = (last.0.wrapping_add(time), last.1.wrapping_add_signed(row));
        last
    };
    rest.is_empty().then(|| places.drain(..).map(&mut sum).collect())
}

/// Encodes ascending session numbers as differences.
pub(super) fn pack_ids(ids: impl Iterator<Item = u32>) -> Vec<u8> {
    let (mut bytes, mut last) = (Vec::new(), 0);
    for id in ids {
        // A `u32` takes at most five bytes.
        bytes.extend_from_slice(postcard::to_slice(&(id - last), &mut [0; 5]).unwrap_or_default());
        last = id;
    }
    bytes
}

/// Parses [`pack_ids`]; yields `None` and ends where the bytes are damaged.
pub(super) fn unpack_ids(mut bytes: &[u8]) -> impl Iterator<Item = Option<u32>> {
    let mut last = 0u32;
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let next = postcard::take_from_bytes::<u32>(bytes).ok();
        let next = next.and_then(|(more, rest)| Some((last.checked_add(more)?, rest)));
        (last, bytes) = next.unwrap_or((last, &[]));
        Some(next.map(|(id, _)| id))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parameters_survive(
            texts in prop::collection::vec(("(.{0,9}|[0-9a-f]{32})", "(.{0,40}|[0-9a-f]{32})"), 0..4),
            flag: bool,
        ) {
            let params: Vec<Param<'_>> = texts
                .into_iter()
                .map(|(name, value)| Param {
                    name: name.into(),
                    value: value.into(),
                    kind: if flag { ParamType::Role } else { ParamType::Session },
                    hashed: flag,
                    truncated: !flag,
                })
                .collect();
            let bytes = pack_params(&params);
            prop_assert_eq!(unpack_params(&bytes), Some(params));
            // Truncated anywhere, they are damaged.
            for end in 0..bytes.len() {
                prop_assert!(unpack_params(&bytes[..end]).is_none());
            }
        }

        #[test]
        fn damaged_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(counts) = unpack_counts(&bytes) {
                prop_assert_eq!(unpack_counts(&pack_counts(&counts)), Some(counts));
            }
            if let Some(params) = unpack_params(&bytes) {
                prop_assert_eq!(unpack_params(&pack_params(&params)), Some(params));
            }
        }

        #[test]
        fn places_survive(mut places in prop::collection::vec(any::<(u32, u32)>(), 0..9)) {
            places.sort_unstable();
            let bytes = pack_places(&places);
            prop_assert_eq!(unpack_places(&bytes), Some(places));
            for end in 0..bytes.len() {
                prop_assert!(unpack_places(&bytes[..end]).is_none());
            }
        }

        #[test]
        fn ids_survive(text in "[0-9a-f]{32}|.{0,40}") {
            let stored = Id(&text);
            let back = match stored.to_sql().unwrap() {
                ToSqlOutput::Owned(Value::Blob(raw)) => {
                    prop_assert_eq!(raw.as_slice(), session_key(&text));
                    id_text(ValueRef::Blob(&raw))
                }
                ToSqlOutput::Borrowed(value) => id_text(value),
                _ => String::new(),
            };
            prop_assert_eq!(back, text);
        }
    }
}
