//! YAML as a tree of strings, lists and objects: all that a comparison reads of a document.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, StrInput};
use serde_json::{Map, Value};

use crate::limits::{MAX_YAML_DEPTH, MAX_YAML_VALUES};

/// The first document of a text. Scalars are strings, whatever their type; keys that are none are left out.
///
/// # Errors
/// Says what is wrong.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut reader =
        Reader { events: Parser::new_from_str(text), anchors: HashMap::new(), values: 0 };
    loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd => return Ok(Value::Null),
            event => return reader.value(event, 0),
        }
    }
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    /// Values with an anchor, and their sizes.
    anchors: HashMap<usize, (Value, usize)>,
    /// Values made so far.
    values: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Event<'t>, String> {
        let next = self.events.next().ok_or("it ends too early")?;
        next.map(|(event, _)| event).map_err(|error| error.to_string())
    }

    /// The value that begins with `event`.
    fn value(&mut self, event: Event<'t>, depth: usize) -> Result<Value, String> {
        if depth > MAX_YAML_DEPTH {
            return Err(format!("it is nested more than {MAX_YAML_DEPTH} deep"));
        }
        let before = self.values;
        self.count(1)?;
        let (value, anchor) = match event {
            Event::Scalar(text, _, anchor, _) => (Value::String(text.into_owned()), anchor),
            Event::SequenceStart(anchor, _) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break (Value::Array(list), anchor),
                        event => list.push(self.value(event, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, _) => {
                let mut members = Map::new();
                loop {
                    let key = match self.next()? {
                        Event::MappingEnd => break (Value::Object(members), anchor),
                        event => self.value(event, depth + 1)?,
                    };
                    let event = self.next()?;
                    let value = self.value(event, depth + 1)?;
                    if let Value::String(key) = key {
                        members.insert(key, value);
                    }
                }
            }
            Event::Alias(anchor) => {
                let named = self.anchors.get(&anchor).cloned();
                let (value, size) = named.ok_or("an alias stands for what contains it")?;
                self.count(size)?;
                (value, 0)
            }
            _ => return Err("it ends too early".to_owned()),
        };
        if anchor > 0 {
            let size = self.values - before;
            self.count(size)?;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        Ok(value)
    }

    fn count(&mut self, values: usize) -> Result<(), String> {
        self.values += values;
        match self.values > MAX_YAML_VALUES {
            true => Err(format!("it has more than {MAX_YAML_VALUES} values, aliases included")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_a_tree_of_strings() {
        let text = "# comment\n---\nopenapi: 3.1.0\nservers:\n- url: &here /v1\n  again: *here\n\
                    paths:\n  /a: {get: {responses: {200: }}}\n? [a]\n: b\n--- \nnext: document\n";
        let expected = json!({
            "openapi": "3.1.0", "servers": [{"url": "/v1", "again": "/v1"}],
            "paths": {"/a": {"get": {"responses": {"200": "~"}}}}
        });
        let mut found = parse(text).unwrap();
        // How nothing is written is of no account.
        found["paths"]["/a"]["get"]["responses"]["200"] = "~".into();
        assert_eq!(found, expected);
        assert_eq!(parse("").unwrap(), Value::Null);
    }

    #[test]
    fn aliases_and_nesting_have_bounds() {
        let mut bomb = "a0: &a0 [x]\n".to_owned();
        for n in 1..30 {
            let last = format!("*a{}", n - 1);
            bomb += &format!("a{n}: &a{n} [{}]\n", [&*last; 10].join(", "));
        }
        assert!(parse(&bomb).unwrap_err().contains("aliases"));
        assert!(parse(&"- ".repeat(1000)).unwrap_err().contains("deep"));
        assert!(parse(&"[".repeat(100_000)).is_err());
        for wrong in ["a: &a [*a]", "a: *b", "a: [", "\"", "a: b: c", "\t- x: -\ty"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
