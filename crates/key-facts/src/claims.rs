//! Claims of bearer tokens as candidates. Signatures are not checked.

use api_sessions_extract::{decode_base64, jwt_part, strip_scheme};
use serde_json::value::RawValue;

use super::excluded_names::is_never;
use super::place::Place;
use super::sample::Lowest;
use crate::limits::{MAX_CANDIDATE_NAME_BYTES, MAX_CLAIMS, MIN_CANDIDATE_VALUE_BYTES};

/// Tokens of an application. Requests with a token are counted for all clients; claims are read for the
/// sampled clients only (those with the lowest fingerprints), and once for each new token of a client.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    sampled: Lowest<Token>,
    buffer: Vec<u8>,
    /// Number of requests with a token.
    pub(crate) all: u64,
    /// Number of those whose client is sampled.
    pub(crate) read: u64,
}

#[derive(Debug, Default)]
struct Token {
    fingerprint: u32,
    claims: Vec<Claim>,
}

/// A claim that may be an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) name: Box<str>,
    /// Fingerprint of its value.
    pub(crate) value: u32,
}

impl Tokens {
    /// Claims of the token in a client's `Authorization`; empty unless the client is sampled.
    pub(crate) fn read(
        &mut self,
        client: u32,
        header: &[u8],
        fingerprint: impl Fn(&[u8]) -> u32,
    ) -> &[Claim] {
        let Some(token) = strip_scheme(header, b"bearer").filter(|it| it.starts_with(b"eyJ"))
        else {
            return &[];
        };
        self.all += 1;
        let Some(known) = self.sampled.entry(client, |_| true) else { return &[] };
        self.read += 1;
        let new = fingerprint(token);
        if known.fingerprint != new {
            known.fingerprint = new;
            known.claims.clear();
            if let Some(document) =
                jwt_part(token, 1).and_then(|part| decode_base64(part, &mut self.buffer))
            {
                each(document, |name, value| {
                    known.claims.push(Claim { name: name.into(), value: fingerprint(value) });
                    known.claims.len() < MAX_CLAIMS
                });
            }
        }
        &known.claims
    }

    /// Scales a count of sampled clients to all clients.
    pub(crate) fn scaled(&self, count: u64) -> u64 {
        match self.read {
            0 => count,
            read => u64::try_from(u128::from(count) * u128::from(self.all) / u128::from(read))
                .unwrap_or(u64::MAX),
        }
    }

    /// Ends the window; the next one samples other clients.
    pub(crate) fn end(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        *self = Self { buffer, ..Self::default() };
    }
}

/// Calls `take` with the top-level members that are long texts or numbers and may be keys, until it returns
/// false.
fn each(document: &[u8], mut take: impl FnMut(&str, &[u8]) -> bool) {
    let Ok(members) = serde_json::from_slice::<Members<'_>>(document) else { return };
    for (name, value) in members.0 {
        let text = value.get().as_bytes();
        let value = match text {
            // A text with escapes is no identifier.
            [b'"', inner @ .., b'"']
                if inner.len() >= MIN_CANDIDATE_VALUE_BYTES && !inner.contains(&b'\\') =>
            {
                inner
            }
            digits if digits.iter().all(u8::is_ascii_digit) => digits,
            _ => continue,
        };
        let is_it = name.len() <= MAX_CANDIDATE_NAME_BYTES && !is_never(Place::Claim, name);
        if is_it && !take(name, value) {
            return;
        }
    }
}

/// Members in the order of the document, with raw values.
struct Members<'d>(Vec<(&'d str, &'d RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(
                self,
                mut map: M,
            ) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;

    fn header(payload: &str) -> Vec<u8> {
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload);
        format!("Bearer eyJhbGciOiJIUzI1NiJ9.{payload}.c2ln").into_bytes()
    }

    /// Names and values of the claims that are measured.
    fn claims(tokens: &mut Tokens, client: u32, header: &[u8]) -> Vec<(String, u32)> {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
        let found = tokens.read(client, header, length);
        found.iter().map(|claim| (claim.name.to_string(), claim.value)).collect()
    }

    #[test]
    fn long_texts_and_numbers_are_claims_and_nothing_else_is() {
        let payload = r#"{"short":"abc","account":1234567,"device":"0123456789abcdef","f":1.5,"b":true,
            "list":["0123456789abcdef"],"object":{"x":"0123456789abcdef"},"escaped":"0123456789abcdef\n"}"#;
        let expected = [("account".to_owned(), 7), ("device".to_owned(), 16)];
        assert_eq!(claims(&mut Tokens::default(), 1, &header(payload)), expected);
        for none in
            ["Bearer eyJ.eyJ.x", "Bearer eyJhbGciOiJIUzI1NiJ9", "Basic eyJ.a.b", "eyJ.a.b", ""]
        {
            assert!(claims(&mut Tokens::default(), 1, none.as_bytes()).is_empty(), "{none}");
        }
        let many: Vec<String> = (0..50).map(|n| format!("\"c{n}\":{n}")).collect();
        let many = header(&format!("{{{}}}", many.join(",")));
        assert_eq!(claims(&mut Tokens::default(), 1, &many).len(), MAX_CLAIMS);
    }

    #[test]
    fn sampled_clients_stand_for_all() {
        let mut tokens = Tokens::default();
        let header = header(r#"{"account":1}"#);
        let mut read = 0;
        for client in (1..=1000).rev().chain(1..=1000) {
            read += claims(&mut tokens, client, &header).len() as u64;
        }
        assert_eq!((tokens.all, tokens.read), (2000, read));
        assert_eq!(tokens.scaled(read), 2000);
        assert!(tokens.sampled.iter().all(|(client, _)| client <= 64));
        tokens.end();
        assert_eq!((tokens.scaled(3), tokens.sampled.len()), (3, 0));
    }

    #[test]
    fn a_new_token_of_a_client_is_read_and_the_same_one_is_not() {
        let mut tokens = Tokens::default();
        assert_eq!(claims(&mut tokens, 1, &header(r#"{"account":1}"#)).len(), 1);
        assert_eq!(
            claims(&mut tokens, 1, &header(r#"{"a":"0123456789abcdef0"}"#)),
            [("a".to_owned(), 17)]
        );
    }
}
