//! Writing a record as its line of JSON: the same bytes as `serde_json`, which looks at each byte of a text
//! by itself, in a fifth of its time.

use api_sessions_wire::{FullRequest, Param, ParamType, Record};

/// Bytes that are looked at together; one vector register.
const BLOCK: usize = 32;

/// Appends a record, without a newline.
pub(super) fn write(record: &Record<'_>, out: &mut Vec<u8>) {
    text(br#"{"id":"#, &record.id, out);
    number(br#","ts":"#, record.ts, out);
    text(br#","node":"#, &record.node, out);
    text(br#","session":"#, &record.session, out);
    text(br#","key":"#, &record.key, out);
    text(br#","source":"#, record.source.as_str(), out);
    optional(br#","app":"#, record.app.as_deref(), out);
    text(br#","ip":"#, &record.ip, out);
    optional(br#","ua":"#, record.ua.as_deref(), out);
    optional(br#","host":"#, record.host.as_deref(), out);
    text(br#","method":"#, &record.method, out);
    text(br#","path":"#, &record.path, out);
    optional(br#","proto":"#, record.proto.as_deref(), out);
    optional(br#","scheme":"#, record.scheme.as_deref(), out);
    number(br#","status":"#, record.status.into(), out);
    number(br#","time_ms":"#, record.time_ms, out);
    if let Some(upstream_ms) = record.upstream_ms {
        number(br#","upstream_ms":"#, upstream_ms, out);
    }
    number(br#","request_bytes":"#, record.request_bytes, out);
    number(br#","response_bytes":"#, record.response_bytes, out);
    optional(br#","user":"#, record.user.as_deref(), out);
    optional(br#","role":"#, record.role.as_deref(), out);
    if !record.params.is_empty() {
        list(br#","params":["#, &record.params, out, write_param);
    }
    if !record.attacks.is_empty() {
        list(br#","attacks":["#, &record.attacks, out, |kind, out| string(kind, out));
    }
    flag(br#","denied":"#, record.denied, out);
    if let Some(request) = &record.request {
        out.extend_from_slice(br#","request":"#);
        write_full(request, out);
    }
    out.push(b'}');
}

fn write_param(param: &Param<'_>, out: &mut Vec<u8>) {
    text(br#"{"name":"#, &param.name, out);
    text(br#","value":"#, &param.value, out);
    out.extend_from_slice(match param.kind {
        ParamType::Session => br#","type":"session""#,
        ParamType::Context => br#","type":"context""#,
        ParamType::User => br#","type":"user""#,
        ParamType::Role => br#","type":"role""#,
    });
    flag(br#","hashed":"#, param.hashed, out);
    if param.truncated {
        flag(br#","truncated":"#, true, out);
    }
    out.push(b'}');
}

fn write_full(request: &FullRequest<'_>, out: &mut Vec<u8>) {
    text(br#"{"line":"#, &request.line, out);
    list(br#","headers":["#, &request.headers, out, |(name, value), out| {
        out.push(b'[');
        string(name, out);
        out.push(b',');
        string(value, out);
        out.push(b']');
    });
    optional(br#","body":"#, request.body.as_deref(), out);
    optional(br#","body_base64":"#, request.body_base64.as_deref(), out);
    flag(br#","truncated":"#, request.truncated, out);
    out.push(b'}');
}

/// A member: what stands before its value, as it is written, then the value.
#[inline]
fn text(before: &[u8], value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(before);
    string(value, out);
}

#[inline]
fn optional(before: &[u8], value: Option<&str>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        text(before, value, out);
    }
}

#[inline]
fn number(before: &[u8], value: u64, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(before);
    out.extend_from_slice(digits.format(value).as_bytes());
}

#[inline]
fn flag(before: &[u8], value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(before);
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// `before` ends with the opening bracket.
fn list<T>(before: &[u8], items: &[T], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    out.extend_from_slice(before);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

#[inline]
fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// A string with its quotes (RFC 8259, 7).
#[inline]
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if any_escaped(text.as_bytes()) {
        escape(text.as_bytes(), out);
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

/// Blocks first, then words, of which the last lies over the one before where the text does not end with
/// a word; a text shorter than that byte by byte. None has a branch in it, so that it is one comparison of
/// vectors.
#[inline]
fn any_escaped(text: &[u8]) -> bool {
    let any = |bytes: &[u8]| bytes.iter().fold(false, |any, byte| any | is_escaped(*byte));
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    if blocks.iter().any(|block| any(block)) {
        return true;
    }
    let Some(last) = text.last_chunk::<8>() else { return any(text) };
    let words = rest.as_chunks::<8>().0;
    words.iter().any(|word| any_in_word(u64::from_ne_bytes(*word)))
        || any_in_word(u64::from_ne_bytes(*last))
}

/// Of eight bytes at once (the usual trick: a borrow reaches the top bit of a byte that is too small).
/// May say yes for a byte beyond ASCII beside one that is escaped, never no for one that is.
#[inline]
fn any_in_word(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let less = |word: u64, than: u64| word.wrapping_sub(ONES * than) & !word & TOPS;
    let is = |byte: u8| less(word ^ (ONES * u64::from(byte)), 1);
    (less(word, 0x20) | is(b'"') | is(b'\\')) != 0
}

#[cold]
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..0x20 => {
                let digit = |half: u8| b"0123456789abcdef".get(usize::from(half)).copied();
                out.extend_from_slice(b"\\u00");
                out.extend(digit(byte >> 4));
                out.extend(digit(byte & 15));
            }
            _ => out.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use api_sessions_wire::Source;
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = std::borrow::Cow<'static, str>> {
        prop_oneof!["[a-z/]{0,80}", "[\\x00-\\x7f]{0,80}", any::<String>(),].prop_map(Into::into)
    }

    fn param() -> impl Strategy<Value = Param<'static>> {
        let kind = prop_oneof![
            Just(ParamType::Session),
            Just(ParamType::Context),
            Just(ParamType::User),
            Just(ParamType::Role)
        ];
        (text(), text(), kind, any::<bool>(), any::<bool>()).prop_map(
            |(name, value, kind, hashed, truncated)| Param { name, value, kind, hashed, truncated },
        )
    }

    fn full() -> impl Strategy<Value = FullRequest<'static>> {
        let headers = proptest::collection::vec((text(), text()), 0..4);
        (text(), headers, proptest::option::of(text()), proptest::option::of(text()), any::<bool>())
            .prop_map(|(line, headers, body, body_base64, truncated)| FullRequest {
                line,
                headers,
                body,
                body_base64,
                truncated,
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_line_is_what_serde_would_write(
            texts in proptest::collection::vec(text(), 6),
            options in proptest::collection::vec(proptest::option::of(text()), 7),
            numbers in proptest::collection::vec(any::<u64>(), 4),
            (status, upstream_ms, denied) in (any::<u16>(), proptest::option::of(any::<u64>()), any::<bool>()),
            source in prop_oneof![Just(Source::Key), Just(Source::Builtin), Just(Source::IpUa), Just(Source::Ip)],
            params in proptest::collection::vec(param(), 0..4),
            attacks in proptest::collection::vec(text(), 0..3),
            request in proptest::option::of(full()),
        ) {
            let record = Record {
                id: texts[0].clone(), ts: numbers[0], node: texts[1].clone(), session: texts[2].clone(),
                key: texts[3].clone(), source, app: options[0].clone(), ip: texts[4].clone(),
                ua: options[1].clone(), host: options[2].clone(), method: texts[5].clone(),
                path: texts[0].clone(), proto: options[3].clone(), scheme: options[4].clone(), status,
                time_ms: numbers[1], upstream_ms, request_bytes: numbers[2], response_bytes: numbers[3],
                user: options[5].clone(), role: options[6].clone(), params, attacks, denied, request,
            };
            let mut line = Vec::new();
            write(&record, &mut line);
            prop_assert_eq!(String::from_utf8(line).unwrap(), serde_json::to_string(&record).unwrap());
        }
    }
}
