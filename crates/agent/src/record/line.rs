//! Writes a record as a line of JSON: the same bytes as `serde_json`, which checks each byte of a text separately, in a
//! fifth of the time.

use api_sessions_protocol::{
    Evidence, FullRequest, LinkReason, ParamType, RuleHit, SessionId, Source,
};

use api_sessions_identity::ParameterHash;
use api_sessions_redact::cut;

/// Bytes that are checked together; one vector register.
const BLOCK: usize = 32;
/// Longest clear-text value in a record that would be too long otherwise, bytes.
const SHORT_VALUE_BYTES: usize = 16;

/// The content of [`api_sessions_protocol::Record`], in the bytes of the request. Invalid UTF-8 becomes U+FFFD when it
/// is written.
pub(super) struct Line<'l> {
    pub(super) id: &'l [u8],
    pub(super) ts: u64,
    pub(super) node: &'l [u8],
    /// Hexadecimal digits.
    pub(super) session: &'l [u8; 32],
    pub(super) key: &'l [u8],
    pub(super) source: Source,
    pub(super) app: Option<&'l [u8]>,
    pub(super) ip: &'l [u8],
    pub(super) ua: Option<&'l [u8]>,
    pub(super) host: Option<&'l [u8]>,
    pub(super) method: Option<&'l [u8]>,
    pub(super) path: Option<&'l [u8]>,
    pub(super) proto: Option<&'l [u8]>,
    pub(super) scheme: Option<&'static str>,
    pub(super) ja4: Option<&'l [u8]>,
    pub(super) ja4_stable: Option<&'l [u8]>,
    pub(super) status: u16,
    pub(super) time_ms: u64,
    pub(super) upstream_ms: Option<u64>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) user: Option<Value<'l>>,
    pub(super) role: Option<Value<'l>>,
    pub(super) attacks: &'l [&'l str],
    pub(super) rules: &'l [RuleHit<'l>],
    pub(super) evidence: Vec<Evidence<'l>>,
    pub(super) links: &'l [(SessionId, LinkReason)],
    pub(super) previous: Option<SessionId>,
    pub(super) denied: bool,
    pub(super) request: Option<FullRequest<'l>>,
}

/// A parameter as it is shown.
pub(super) struct Shown<'p> {
    pub(super) name: &'p [u8],
    pub(super) value: Value<'p>,
    pub(super) kind: ParamType,
    pub(super) hashed: bool,
    pub(super) truncated: bool,
}

impl Shown<'_> {
    /// Keeps only the first bytes of a value in clear text.
    pub(super) fn cut_short(self) -> Self {
        let truncated = matches!(self.value, Value::Text(text) if text.len() > SHORT_VALUE_BYTES);
        let value = match self.value {
            Value::Text(text) => Value::Text(cut(text, SHORT_VALUE_BYTES)),
            hash => hash,
        };
        Self { value, truncated: self.truncated | truncated, ..self }
    }
}

/// Value of a parameter.
pub(super) enum Value<'v> {
    Text(&'v [u8]),
    Hash(ParameterHash),
}

impl Value<'_> {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Value::Text(text) => text,
            Value::Hash(hash) => hash.as_bytes(),
        }
    }
}

/// Appends a record, without a newline.
pub(super) fn write<'p>(
    line: &Line<'_>,
    params: impl Iterator<Item = Shown<'p>>,
    out: &mut Vec<u8>,
) {
    text(br#"{"id":"#, line.id, out);
    number(br#","ts":"#, line.ts, out);
    text(br#","node":"#, line.node, out);
    unescaped(br#","session":""#, line.session, out);
    text(br#","key":"#, line.key, out);
    unescaped(br#","source":""#, line.source.as_str().as_bytes(), out);
    optional(br#","app":"#, line.app, out);
    text(br#","ip":"#, line.ip, out);
    optional(br#","ua":"#, line.ua, out);
    optional(br#","host":"#, line.host, out);
    optional(br#","method":"#, line.method, out);
    optional(br#","path":"#, line.path, out);
    optional(br#","proto":"#, line.proto, out);
    if let Some(scheme) = line.scheme {
        unescaped(br#","scheme":""#, scheme.as_bytes(), out);
    }
    optional(br#","ja4":"#, line.ja4, out);
    optional(br#","ja4_stable":"#, line.ja4_stable, out);
    number(br#","status":"#, line.status.into(), out);
    number(br#","time_ms":"#, line.time_ms, out);
    if let Some(upstream_ms) = line.upstream_ms {
        number(br#","upstream_ms":"#, upstream_ms, out);
    }
    number(br#","request_bytes":"#, line.request_bytes, out);
    number(br#","response_bytes":"#, line.response_bytes, out);
    optional(br#","user":"#, line.user.as_ref().map(Value::as_bytes), out);
    optional(br#","role":"#, line.role.as_ref().map(Value::as_bytes), out);
    list(br#","params":["#, params, out, |param, out| write_param(&param, out));
    list(br#","attacks":["#, line.attacks.iter(), out, |kind, out| string(kind.as_bytes(), out));
    list(br#","rules":["#, line.rules.iter(), out, write_rule);
    list(br#","evidence":["#, line.evidence.iter(), out, write_evidence);
    list(br#","links":["#, line.links.iter(), out, write_link);
    if let Some(previous) = line.previous {
        unescaped(br#","previous":""#, &previous.to_hex(), out);
    }
    flag(br#","denied":"#, line.denied, out);
    if let Some(request) = &line.request {
        out.extend_from_slice(br#","request":"#);
        write_full(request, out);
    }
    out.push(b'}');
}

fn write_param(param: &Shown<'_>, out: &mut Vec<u8>) {
    text(br#"{"name":"#, param.name, out);
    match &param.value {
        Value::Text(value) => text(br#","value":"#, value, out),
        Value::Hash(hash) => unescaped(br#","value":""#, hash.as_bytes(), out),
    }
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

fn write_rule(rule: &RuleHit<'_>, out: &mut Vec<u8>) {
    text(br#"{"name":"#, rule.name.as_bytes(), out);
    number(br#","count":"#, rule.count, out);
    text(br#","then":"#, rule.then.as_bytes(), out);
    flag(br#","enforced":"#, rule.enforced, out);
    out.push(b'}');
}

fn write_evidence(evidence: &Evidence<'_>, out: &mut Vec<u8>) {
    text(br#"{"type":"#, evidence.kind.as_bytes(), out);
    text(br#","place":"#, evidence.place.as_bytes(), out);
    optional(br#","name":"#, evidence.name.as_deref().map(str::as_bytes), out);
    text(br#","match":"#, evidence.matched.as_bytes(), out);
    out.push(b'}');
}

fn write_link((session, reason): &(SessionId, LinkReason), out: &mut Vec<u8>) {
    unescaped(br#"{"session":""#, &session.to_hex(), out);
    unescaped(br#","reason":""#, reason.as_str().as_bytes(), out);
    out.push(b'}');
}

fn write_full(request: &FullRequest<'_>, out: &mut Vec<u8>) {
    text(br#"{"line":"#, request.line.as_bytes(), out);
    // An empty list is written, too.
    out.extend_from_slice(br#","headers":["#);
    for (at, (name, value)) in request.headers.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"[" } else { b",[" });
        string(name.as_bytes(), out);
        out.push(b',');
        string(value.as_bytes(), out);
        out.push(b']');
    }
    out.push(b']');
    optional(br#","body":"#, request.body.as_deref().map(str::as_bytes), out);
    optional(br#","body_base64":"#, request.body_base64.as_deref().map(str::as_bytes), out);
    optional(br#","hidden":"#, request.hidden.as_deref().map(str::as_bytes), out);
    flag(br#","truncated":"#, request.truncated, out);
    out.push(b'}');
}

/// A member: `before`, which is the raw JSON in front of its value, then the value.
#[inline]
fn text(before: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(before);
    string(value, out);
}

/// As [`text`], for digits and fixed words, which never need escaping. `before` ends with the opening quote.
#[inline]
fn unescaped(before: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(before);
    out.extend_from_slice(value);
    out.push(b'"');
}

#[inline]
fn optional(before: &[u8], value: Option<&[u8]>, out: &mut Vec<u8>) {
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

/// A member that is omitted if there are no items. `before` ends with the opening bracket.
fn list<T>(
    before: &[u8],
    mut items: impl Iterator<Item = T>,
    out: &mut Vec<u8>,
    write: impl Fn(T, &mut Vec<u8>),
) {
    let Some(first) = items.next() else { return };
    out.extend_from_slice(before);
    write(first, out);
    for item in items {
        out.push(b',');
        write(item, out);
    }
    out.push(b']');
}

/// Whether a byte is ASCII that JSON does not escape. Other bytes only take the slow path; not all of them are escaped.
#[inline]
fn is_plain(byte: u8) -> bool {
    (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\'
}

/// A string with its quotes (RFC 8259, 7).
#[inline]
fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    if all_plain(text) {
        out.extend_from_slice(text);
    } else {
        escape(&String::from_utf8_lossy(text), out);
    }
    out.push(b'"');
}

/// Checks blocks first, then words; the last word overlaps the one before if the text does not end on a word boundary.
/// A shorter text is checked byte by byte. No check contains a branch, so that each compiles to vector comparisons.
#[inline]
fn all_plain(text: &[u8]) -> bool {
    let all = |bytes: &[u8]| bytes.iter().fold(true, |all, byte| all & is_plain(*byte));
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    if !blocks.iter().all(|block| all(block)) {
        return false;
    }
    let Some(last) = text.last_chunk::<8>() else { return all(text) };
    let words = rest.as_chunks::<8>().0;
    words.iter().all(|word| plain_word(u64::from_ne_bytes(*word)))
        && plain_word(u64::from_ne_bytes(*last))
}

/// Checks eight bytes at once by the well-known trick: the subtraction sets the top bit of a byte that is too small. A
/// borrow may also set that of the next byte, which does not change the result.
#[inline]
fn plain_word(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let less = |word: u64, than: u64| word.wrapping_sub(ONES * than) & !word;
    let is = |byte: u8| less(word ^ (ONES * u64::from(byte)), 1);
    (less(word, 0x20) | is(b'"') | is(b'\\') | word) & TOPS == 0
}

#[cold]
fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
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
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use api_sessions_protocol::{Param, Record, SessionLink};
    use proptest::prelude::*;

    use super::*;
    use api_sessions_protocol::hex;

    fn text() -> impl Strategy<Value = std::borrow::Cow<'static, str>> {
        prop_oneof!["[a-z/]{0,80}", "[\\x00-\\x7f]{0,80}", any::<String>(),].prop_map(Into::into)
    }

    fn some_text(text: &str) -> Option<&[u8]> {
        (!text.is_empty()).then_some(text.as_bytes())
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

    fn rule() -> impl Strategy<Value = RuleHit<'static>> {
        (text(), any::<u64>(), text(), any::<bool>())
            .prop_map(|(name, count, then, enforced)| RuleHit { name, count, then, enforced })
    }

    fn evidence() -> impl Strategy<Value = Evidence<'static>> {
        (text(), text(), proptest::option::of(text()), text())
            .prop_map(|(kind, place, name, matched)| Evidence { kind, place, name, matched })
    }

    fn link() -> impl Strategy<Value = (SessionId, LinkReason)> {
        use LinkReason::{Demoted, Issued, Login, Rotated, Token};
        let reason =
            prop_oneof![Just(Issued), Just(Rotated), Just(Login), Just(Token), Just(Demoted)];
        (any::<[u8; 16]>(), reason).prop_map(|(id, reason)| (SessionId(id), reason))
    }

    fn text_of(id: SessionId) -> Cow<'static, str> {
        String::from_utf8(id.to_hex().to_vec()).unwrap().into()
    }

    fn shown_link((id, reason): &(SessionId, LinkReason)) -> SessionLink<'static> {
        SessionLink { session: text_of(*id), reason: reason.as_str().into() }
    }

    fn full() -> impl Strategy<Value = FullRequest<'static>> {
        let headers = proptest::collection::vec((text(), text()), 0..4);
        let option = || proptest::option::of(text());
        (text(), headers, option(), option(), option(), any::<bool>()).prop_map(
            |(line, headers, body, body_base64, hidden, truncated)| FullRequest {
                line,
                headers,
                body,
                body_base64,
                hidden,
                truncated,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_line_is_what_serde_would_write(
            texts in proptest::collection::vec(text(), 6),
            options in proptest::collection::vec(proptest::option::of(text()), 8),
            numbers in proptest::collection::vec(any::<u64>(), 4),
            (status, upstream_ms, denied) in (any::<u16>(), proptest::option::of(any::<u64>()), any::<bool>()),
            source in prop_oneof![Just(Source::Key), Just(Source::Builtin), Just(Source::IpUa), Just(Source::Ip), Just(Source::IpUaJa4), Just(Source::Link), Just(Source::Client)],
            params in proptest::collection::vec(param(), 0..4),
            attacks in proptest::collection::vec(text(), 0..3),
            rules in proptest::collection::vec(rule(), 0..3),
            evidence in proptest::collection::vec(evidence(), 0..3),
            (links, previous) in (proptest::collection::vec(link(), 0..3), proptest::option::of(any::<[u8; 16]>())),
            request in proptest::option::of(full()),
            (session, scheme) in (any::<[u8; 16]>(), prop_oneof![Just("http"), Just("https")]),
        ) {
            let session = hex(&session);
            let record = Record {
                id: texts[0].clone(), ts: numbers[0], node: texts[1].clone(), session: String::from_utf8(session.to_vec()).unwrap().into(),
                key: texts[3].clone(), source, app: options[0].clone(), ip: texts[4].clone(),
                ua: options[1].clone(), host: options[2].clone(), method: texts[5].clone(),
                path: texts[0].clone(), proto: options[3].clone(), scheme: Some(scheme.into()), ja4: options[4].clone(), ja4_stable: options[7].clone(), status,
                time_ms: numbers[1], upstream_ms, request_bytes: numbers[2], response_bytes: numbers[3],
                user: options[5].clone(), role: options[6].clone(), params, attacks, rules, evidence,
                links: links.iter().map(shown_link).collect(),
                previous: previous.map(|id| text_of(SessionId(id))), denied, request,
                // Added by the cloud.
                country: None, asn: None, organisation: None,
            };
            let mut line = Vec::new();
            let some = |text: &'_ Option<std::borrow::Cow<'static, str>>| text.clone();
            let optional = options.iter().map(some).collect::<Vec<_>>();
            let bytes = |at: usize| optional[at].as_deref().map(str::as_bytes);
            let kinds: Vec<&str> = record.attacks.iter().map(|kind| &**kind).collect();
            let fields = Line {
                id: record.id.as_bytes(), ts: record.ts, node: record.node.as_bytes(),
                session: &session, key: record.key.as_bytes(), source: record.source,
                app: bytes(0), ip: record.ip.as_bytes(), ua: bytes(1), host: bytes(2),
                method: some_text(&record.method), path: some_text(&record.path), proto: bytes(3),
                scheme: Some(scheme), ja4: bytes(4), ja4_stable: bytes(7), status: record.status, time_ms: record.time_ms,
                upstream_ms: record.upstream_ms, request_bytes: record.request_bytes,
                response_bytes: record.response_bytes, user: bytes(5).map(Value::Text),
                role: bytes(6).map(Value::Text), attacks: &kinds, rules: &record.rules, evidence: record.evidence.clone(),
                links: &links, previous: previous.map(SessionId), denied: record.denied,
                request: record.request.clone(),
            };
            let params = record.params.iter().map(|param| Shown {
                name: param.name.as_bytes(), value: Value::Text(param.value.as_bytes()), kind: param.kind,
                hashed: param.hashed, truncated: param.truncated,
            });
            write(&fields, params, &mut line);
            prop_assert_eq!(String::from_utf8(line).unwrap(), serde_json::to_string(&record).unwrap());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn bytes_that_are_not_utf8_break_no_string(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut line = Vec::new();
            string(&bytes, &mut line);
            let read: String = serde_json::from_slice(&line).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
        }
    }
}
