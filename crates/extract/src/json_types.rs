//! Bodies that are read as JSON: `api_sessions_json_types`.

use super::json_encoding::begins_as_json;
use super::media_type::{MediaType, essence};

/// Types that are read as JSON in addition to `…/json` and `…+json`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum JsonTypes {
    /// None.
    #[default]
    Json,
    /// These, in lower case.
    Also(Box<[Box<[u8]>]>),
    /// Every type, if the body begins as JSON.
    Any,
}

/// A stream of messages that are not JSON; it may never end.
const GRPC: &[u8] = b"application/grpc";

impl JsonTypes {
    /// Parses the words of the directive. The error says what is accepted.
    pub fn parse(words: &[&str]) -> Result<Self, String> {
        match words {
            [] => return Err("a media type or \"any\" is missing".to_owned()),
            ["any"] => return Ok(Self::Any),
            _ => {}
        }
        let mut types: Vec<Box<[u8]>> = Vec::with_capacity(words.len());
        for word in words {
            if *word == "any" {
                return Err("\"any\" is accepted alone, without types".to_owned());
            }
            if !is_media_type(word) {
                return Err(format!(
                    "invalid type \"{word}\": a media type without parameters, as \"text/plain\", or \"any\" is accepted"
                ));
            }
            let name: Box<[u8]> = word.to_ascii_lowercase().into_bytes().into();
            if types.contains(&name) {
                return Err(format!("type \"{word}\" is duplicate"));
            }
            types.push(name);
        }
        Ok(Self::Also(types.into()))
    }

    /// Whether a body with this `Content-Type` may be JSON, before any of its bytes have been seen.
    pub fn may_be_json(&self, content_type: &[u8]) -> bool {
        match MediaType::of(content_type) {
            MediaType::Json | MediaType::Unstated => true,
            MediaType::Form | MediaType::Multipart | MediaType::Other => self.lists(content_type),
        }
    }

    /// As [`Self::may_be_json`], for a response: one without a `Content-Type` is JSON only where every type may be.
    pub fn may_be_json_response(&self, content_type: &[u8]) -> bool {
        match content_type.is_empty() {
            true => *self == Self::Any,
            false => self.may_be_json(content_type),
        }
    }

    /// Whether a body that begins with `start` is read as JSON. Form and multipart bodies have readers of their own: if
    /// their types are listed, the first character decides.
    pub fn is_json(&self, content_type: &[u8], start: &[u8]) -> bool {
        match MediaType::of(content_type) {
            MediaType::Json | MediaType::Unstated => true,
            MediaType::Form | MediaType::Multipart => {
                self.lists(content_type) && begins_as_json(start)
            }
            MediaType::Other => {
                self.lists(content_type) && (*self != Self::Any || begins_as_json(start))
            }
        }
    }

    fn lists(&self, content_type: &[u8]) -> bool {
        let essence = essence(content_type);
        match self {
            Self::Json => false,
            Self::Also(types) => types.iter().any(|known| known.eq_ignore_ascii_case(essence)),
            Self::Any => {
                !essence.get(..GRPC.len()).is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
            }
        }
    }
}

/// Whether a text is `type/subtype`, both of them tokens (RFC 9110, 8.3.1).
fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
        !part.is_empty() && part.bytes().all(is_char)
    };
    text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &[u8] = br#"{"a":1}"#;

    #[test]
    fn json_types_are_always_read_others_where_they_are_listed() {
        let listed = JsonTypes::parse(&[
            "text/PLAIN",
            "application/x-amz-json-1.1",
            "application/x-www-form-urlencoded",
        ]);
        let listed = listed.unwrap();
        for (content_type, start, by_default, by_list, by_any) in [
            ("application/json", &b""[..], true, true, true),
            ("Application/Problem+JSON; charset=utf-8", b"", true, true, true),
            ("", b"", true, true, true),
            ("text/plain;charset=UTF-8", OBJECT, false, true, true),
            ("text/plain", b"text", false, true, false),
            ("application/x-amz-json-1.1", OBJECT, false, true, true),
            ("text/html", b"\xef\xbb\xbf \r\n[1]", false, false, true),
            ("text/html", b"<p>", false, false, false),
            ("text/html", b"{\0\"\0", false, false, true),
            ("text/html", b"\xfe\xff\0[", false, false, true),
            ("application/json-seq", b"\x1e{", false, false, true),
            ("application/x-www-form-urlencoded", OBJECT, false, true, true),
            ("application/x-www-form-urlencoded", b"a={1}", false, false, false),
            ("multipart/form-data; boundary=x", b"--x", false, false, false),
            ("application/grpc+proto", OBJECT, false, false, false),
        ] {
            for (types, expected) in
                [(&JsonTypes::Json, by_default), (&listed, by_list), (&JsonTypes::Any, by_any)]
            {
                let content_type = content_type.as_bytes();
                assert_eq!(
                    types.is_json(content_type, start),
                    expected,
                    "{types:?} {content_type:?}"
                );
                assert!(!expected || types.may_be_json(content_type));
            }
        }
    }

    #[test]
    fn words_that_are_no_types_are_refused() {
        for words in [
            &[][..],
            &["json"],
            &["text/"],
            &["text/plain", "any"],
            &["text/plain", "Text/Plain"],
            &["text/*"],
            &["a/b/c"],
            &["text/plain;charset=x"],
        ] {
            assert!(JsonTypes::parse(words).is_err(), "{words:?}");
        }
    }
}
