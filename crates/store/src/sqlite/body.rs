//! A request as bytes: numbers as varints, repeated strings by their number in the day's
//! dictionary, identifiers of 32 hex digits as 16 bytes.

use std::borrow::Cow;

use api_sessions_protocol::{Param, ParamType, Record, Source};

use crate::{NewRequest, StoredRequest};

/// Version of this layout, the first byte.
const LAYOUT: u8 = 2;

/// Gives a string its number.
pub(super) trait Intern {
    /// What can go wrong with it.
    type Error;
    /// The number of `text`.
    fn intern(&mut self, text: &str) -> Result<i64, Self::Error>;
}

/// Finds the string of a number.
pub(super) trait Resolve {
    /// The string; `None`: there is none, the file is damaged.
    fn resolve(&mut self, id: i64) -> Option<String>;
}

/// Numbers of a request's strings; 0: it has none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Words {
    pub(super) key: i64,
    pub(super) ip: i64,
    pub(super) method: i64,
    pub(super) endpoint: i64,
    pub(super) app: i64,
    pub(super) ua: i64,
    pub(super) ja4: i64,
    pub(super) host: i64,
    pub(super) role: i64,
    pub(super) user: i64,
}

/// Writes `request` into `out`; gives the numbers of its strings, so that they are looked up once.
pub(super) fn encode<I: Intern>(
    request: &NewRequest,
    strings: &mut I,
    out: &mut Vec<u8>,
) -> Result<Words, I::Error> {
    let record = &request.record;
    let mut words = Words::default();
    out.push(LAYOUT);
    let literal_path = record.path != request.endpoint;
    out.push(
        u8::from(record.denied)
            | u8::from(record.request.is_some()) << 1
            | u8::from(literal_path) << 2
            | u8::from(record.upstream_ms.is_some()) << 3
            | (record.source as u8) << 4,
    );
    text(out, &record.id);
    number(out, as_u64(strings.intern(&record.node)?));
    for (word, id) in [
        (&record.key, &mut words.key),
        (&record.ip, &mut words.ip),
        (&record.method, &mut words.method),
    ] {
        *id = strings.intern(word)?;
        number(out, as_u64(*id));
    }
    words.endpoint = strings.intern(&request.endpoint)?;
    number(out, as_u64(words.endpoint));
    if literal_path {
        text(out, &record.path);
    }
    let (mut proto, mut scheme) = (0, 0);
    for (word, id) in [
        (&record.app, &mut words.app),
        (&record.ua, &mut words.ua),
        (&record.ja4, &mut words.ja4),
        (&record.host, &mut words.host),
        (&record.proto, &mut proto),
        (&record.scheme, &mut scheme),
        (&record.role, &mut words.role),
        (&record.user, &mut words.user),
    ] {
        if let Some(word) = word {
            *id = strings.intern(word)?;
        }
        number(out, as_u64(*id));
    }
    for n in [u64::from(record.status), record.time_ms, record.request_bytes, record.response_bytes]
    {
        number(out, n);
    }
    if let Some(ms) = record.upstream_ms {
        number(out, ms);
    }
    number(out, record.attacks.len() as u64);
    for attack in &record.attacks {
        number(out, as_u64(strings.intern(attack)?));
    }
    number(out, record.params.len() as u64);
    for param in &record.params {
        out.push(u8::from(param.hashed) | u8::from(param.truncated) << 1 | (param.kind as u8) << 2);
        number(out, as_u64(strings.intern(&param.name)?));
        text(out, &param.value);
    }
    Ok(words)
}

/// Reads what [`encode`] wrote, without `session`, `ts` and the full content, which are kept
/// elsewhere. `None`: the bytes are damaged.
pub(super) fn decode<R: Resolve>(bytes: &[u8], strings: &mut R) -> Option<StoredRequest> {
    let input = &mut { bytes };
    // The first layout has no JA4.
    let layout = byte(input)?;
    if !(1..=LAYOUT).contains(&layout) {
        return None;
    }
    let flags = byte(input)?;
    let mut record = Record {
        denied: flags & 1 != 0,
        source: match flags >> 4 {
            0 => Source::Key,
            1 => Source::Builtin,
            2 => Source::IpUa,
            4 => Source::IpUaJa4,
            5 => Source::Link,
            6 => Source::Client,
            _ => Source::Ip,
        },
        id: read_text(input)?,
        ..Record::default()
    };
    record.node = word(input, strings)?;
    record.key = word(input, strings)?;
    record.ip = word(input, strings)?;
    record.method = word(input, strings)?;
    let endpoint = word(input, strings)?.into_owned();
    record.path = if flags & 4 != 0 { read_text(input)? } else { Cow::Owned(endpoint.clone()) };
    record.app = optional_word(input, strings)?;
    record.ua = optional_word(input, strings)?;
    if layout > 1 {
        record.ja4 = optional_word(input, strings)?;
    }
    record.host = optional_word(input, strings)?;
    record.proto = optional_word(input, strings)?;
    record.scheme = optional_word(input, strings)?;
    record.role = optional_word(input, strings)?;
    record.user = optional_word(input, strings)?;
    record.status = u16::try_from(read_number(input)?).ok()?;
    record.time_ms = read_number(input)?;
    record.request_bytes = read_number(input)?;
    record.response_bytes = read_number(input)?;
    if flags & 8 != 0 {
        record.upstream_ms = Some(read_number(input)?);
    }
    for _ in 0..read_number(input)? {
        record.attacks.push(word(input, strings)?);
    }
    for _ in 0..read_number(input)? {
        let flags = byte(input)?;
        record.params.push(Param {
            hashed: flags & 1 != 0,
            truncated: flags & 2 != 0,
            kind: match flags >> 2 {
                0 => ParamType::Session,
                1 => ParamType::Context,
                2 => ParamType::User,
                _ => ParamType::Role,
            },
            name: word(input, strings)?,
            value: read_text(input)?,
        });
    }
    Some(StoredRequest { record, endpoint, has_content: flags & 2 != 0 })
}

/// Row numbers are never negative.
fn as_u64(id: i64) -> u64 {
    id.unsigned_abs()
}

/// A varint: seven bits a byte, lowest first.
pub(super) fn number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads [`number`].
pub(super) fn read_number(input: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let next = byte(input)?;
        n |= u64::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// Length times two, plus one for hex digits that are kept as half as many bytes; then the bytes.
fn text(out: &mut Vec<u8>, text: &str) {
    match unhex(text) {
        Some(raw) => {
            number(out, 16 << 1 | 1);
            out.extend_from_slice(&raw);
        }
        None => {
            number(out, (text.len() as u64) << 1);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn read_text(input: &mut &[u8]) -> Option<Cow<'static, str>> {
    let n = read_number(input)?;
    let (raw, rest) = input.split_at_checked(usize::try_from(n >> 1).ok()?)?;
    *input = rest;
    Some(Cow::Owned(if n & 1 == 1 { hex(raw) } else { String::from_utf8(raw.to_vec()).ok()? }))
}

fn word<R: Resolve>(input: &mut &[u8], strings: &mut R) -> Option<Cow<'static, str>> {
    strings.resolve(i64::try_from(read_number(input)?).ok()?).map(Cow::Owned)
}

fn optional_word<R: Resolve>(
    input: &mut &[u8],
    strings: &mut R,
) -> Option<Option<Cow<'static, str>>> {
    match read_number(input)? {
        0 => Some(None),
        id => strings.resolve(i64::try_from(id).ok()?).map(|text| Some(Cow::Owned(text))),
    }
}

pub(super) fn byte(input: &mut &[u8]) -> Option<u8> {
    let (first, rest) = input.split_first()?;
    *input = rest;
    Some(*first)
}

/// The 16 bytes of 32 lower-case hex digits.
pub(super) fn unhex(text: &str) -> Option<[u8; 16]> {
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

/// Lower-case hex digits.
pub(super) fn hex(raw: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n & 15)]);
    raw.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Strings(Vec<String>);

    impl Intern for Strings {
        type Error = Infallible;
        fn intern(&mut self, text: &str) -> Result<i64, Infallible> {
            self.0.push(text.to_owned());
            Ok(self.0.len() as i64)
        }
    }

    impl Resolve for Strings {
        fn resolve(&mut self, id: i64) -> Option<String> {
            self.0.get(usize::try_from(id).ok()?.checked_sub(1)?).cloned()
        }
    }

    fn request(words: &[String], n: u64, flag: bool) -> NewRequest {
        let word = |n: usize| Cow::Owned(words[n % words.len()].clone());
        NewRequest {
            record: Record {
                id: word(0),
                node: word(1),
                key: word(2),
                source: if flag { Source::IpUa } else { Source::Key },
                app: flag.then(|| word(3)),
                ip: word(4),
                ua: flag.then(|| word(5)),
                host: Some(word(6)),
                method: word(7),
                path: word(8),
                user: (!flag).then(|| word(9)),
                status: (n % 600) as u16,
                time_ms: n,
                upstream_ms: flag.then_some(n / 2),
                params: vec![
                    Param {
                        name: word(1),
                        value: word(3),
                        kind: if flag { ParamType::Role } else { ParamType::Session },
                        hashed: flag,
                        truncated: !flag,
                    };
                    (n % 3) as usize
                ],
                attacks: vec![word(2); (n % 2) as usize],
                denied: flag,
                ..Record::default()
            },
            endpoint: if flag { words[8 % words.len()].clone() } else { "/e".into() },
            line: 0,
        }
    }

    proptest! {
        #[test]
        fn a_request_survives(
            words in prop::collection::vec("(.{0,40}|[0-9a-f]{32}|[0-9a-f]{31})", 1..12),
            n: u64,
            flag: bool,
        ) {
            let request = request(&words, n, flag);
            let (mut strings, mut bytes) = (Strings::default(), Vec::new());
            encode(&request, &mut strings, &mut bytes).unwrap();
            let back = decode(&bytes, &mut strings).unwrap();
            prop_assert_eq!(&back.record, &request.record);
            prop_assert_eq!(&back.endpoint, &request.endpoint);
            // Cut anywhere it is damaged, not a panic.
            for end in 0..bytes.len() {
                prop_assert!(decode(&bytes[..end], &mut strings).is_none());
            }
        }

        #[test]
        fn damaged_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, &mut Strings(vec!["x".into(); 128]));
        }
    }
}
