//! A document as serde_json has it, with every member as it is written: what the JSON reader is compared to.

use std::fmt;

use api_sessions_extract::json::Step;
use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

pub enum Node<'d> {
    Object(Vec<(Option<String>, Node<'d>)>),
    Array(Vec<Node<'d>>),
    /// Text of the source.
    Scalar(&'d str),
}

/// `None` for what is no JSON in UTF-8.
pub fn parse(document: &[u8]) -> Option<Node<'_>> {
    let text = std::str::from_utf8(document).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    Some(node(text))
}

/// Of a document that is JSON, how deep its objects and arrays nest; an empty one inside counts as none, as
/// nothing is entered to read it.
pub fn depth(document: &[u8]) -> u32 {
    let (mut depth, mut deepest, mut quoted, mut at) = (0_u32, 0, false, 0);
    while let Some(byte) = document.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                let next = document[at + 1..].iter().find(|byte| !byte.is_ascii_whitespace());
                depth += 1;
                if !matches!(next, Some(b'}' | b']')) {
                    deepest = deepest.max(depth);
                }
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

fn node(text: &str) -> Node<'_> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    match text.as_bytes().first() {
        Some(b'{') => Node::Object(
            serde_json::Deserializer::from_str(text)
                .deserialize_map(Members)
                .expect("an object")
                .into_iter()
                .map(|(name, value)| (serde_json::from_str(name.get()).ok(), node(value.get())))
                .collect(),
        ),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).expect("an array");
            Node::Array(items.into_iter().map(|item| node(item.get())).collect())
        }
        _ => Node::Scalar(text),
    }
}

impl<'d> Node<'d> {
    /// What a point yields.
    pub fn text(&self) -> Option<Vec<u8>> {
        match self {
            Node::Scalar("null") => None,
            Node::Scalar(text) if text.starts_with('"') => {
                serde_json::from_str::<String>(text).ok().map(String::into_bytes)
            }
            Node::Scalar(text) => Some(text.as_bytes().to_vec()),
            _ => None,
        }
    }

    /// A name that is no text may be one that is asked for, as far as a cut document can tell.
    pub fn has_repeated_names(&self) -> bool {
        let Node::Object(members) = self else { return false };
        members
            .iter()
            .enumerate()
            .any(|(at, (name, _))| members[..at].iter().any(|(other, _)| other == name))
    }

    /// Steps to its members and elements; of members of one name, to the last.
    pub fn children(&self) -> Vec<(Step, &Node<'d>)> {
        match self {
            Node::Scalar(_) => Vec::new(),
            Node::Array(items) => items
                .iter()
                .enumerate()
                .map(|(at, item)| (Step::Element(at as u32), item))
                .collect(),
            Node::Object(members) => members
                .iter()
                .enumerate()
                .filter(|(at, (name, _))| members[at + 1..].iter().all(|(other, _)| other != name))
                .filter_map(|(_, (name, value))| {
                    Some((Step::Member(name.as_deref()?.as_bytes().into()), value))
                })
                .collect(),
        }
    }
}

/// Every member, also such as are written twice.
struct Members;

impl<'d> Visitor<'d> for Members {
    type Value = Vec<(&'d RawValue, &'d RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
