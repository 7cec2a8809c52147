use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn path(steps: &[&str]) -> Path {
    steps
        .iter()
        .map(|step| match step.parse() {
            Ok(index) => Step::Element(index),
            Err(_) => Step::Member(step.as_bytes().into()),
        })
        .collect()
}

fn found(document: &str, steps: &[&str]) -> Option<String> {
    let mut buffer = Vec::new();
    find(document.as_bytes(), &path(steps), &mut buffer)
        .map(|value| String::from_utf8_lossy(value).into_owned())
}

fn found_in_part(document: &str, steps: &[&str]) -> Option<String> {
    let mut buffer = Vec::new();
    find_in_part(document.as_bytes(), &path(steps), &mut buffer)
        .map(|value| String::from_utf8_lossy(value).into_owned())
}

#[test]
fn values_are_found_by_their_path() {
    let document = r#" { "a" : {"b":[1, {"c":"x"}, true]}, "n":-1.5e3, "e":"q\"\u00e9\ud83d\ude00", "z":null } "#;
    assert_eq!(found(document, &["a", "b", "0"]).as_deref(), Some("1"));
    assert_eq!(found(document, &["a", "b", "1", "c"]).as_deref(), Some("x"));
    assert_eq!(found(document, &["a", "b", "2"]).as_deref(), Some("true"));
    assert_eq!(found(document, &["n"]).as_deref(), Some("-1.5e3"));
    assert_eq!(found(document, &["e"]).as_deref(), Some("q\"é😀"));
    for absent in [&["z"][..], &["a"], &["a", "b"], &["a", "b", "3"], &["x"], &["a", "x"]] {
        assert_eq!(found(document, absent), None, "{absent:?}");
    }
}

#[test]
fn escaped_member_names_are_compared_unescaped() {
    assert_eq!(found(r#"{"\u0061b":1}"#, &["ab"]).as_deref(), Some("1"));
    assert_eq!(found(r#"{"a\\":1}"#, &["a\\"]).as_deref(), Some("1"));
}

#[test]
fn a_number_at_the_cut_may_go_on_and_is_not_a_value() {
    assert_eq!(found_in_part(r#"{"a":12"#, &["a"]), None);
    assert_eq!(found_in_part(r#"{"a":"12"#, &["a"]), None);
    assert_eq!(found_in_part(r#"{"a":12,"b"#, &["a"]).as_deref(), Some("12"));
}

#[test]
fn deep_nesting_is_not_followed() {
    let deep = format!("{{\"x\":{}1{},\"a\":1}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(found(&deep, &["a"]), None);
    let shallow = format!("{{\"x\":{}1{},\"a\":1}}", "[".repeat(100), "]".repeat(100));
    assert_eq!(found(&shallow, &["a"]).as_deref(), Some("1"));
}

/// Documents that no application parses.
const BROKEN: &[&str] = &[
    r#"{"a":1-2}"#,
    r#"{"a":01}"#,
    r#"{"a":1.2.3}"#,
    r#"{"a":1.}"#,
    r#"{"a":.5}"#,
    r#"{"a":+1}"#,
    r#"{"a":1e}"#,
    r#"{"a":-}"#,
    r#"{"a":tru}"#,
    r#"{"a":truee}"#,
    "{\"a\":\"x\ny\"}",
    "{\"a\":\"x\u{1}\"}",
    "{\"a\":\u{c}1}",
    r#"{"a":"\x"}"#,
    r#"{"a":"\u12g4"}"#,
    r#"{'a':1}"#,
    r#"{a:1}"#,
    r#"{"a" 1}"#,
];

/// Documents that are invalid, but not where the value is.
const BROKEN_ELSEWHERE: &[&str] = &[
    r#"{"a":1,"a"}"#,
    r#"{"b":bogus,"a":"x"}"#,
    r#"{"a":"x"} trailing"#,
    r#"{"a":"x"}}"#,
    r#"{"a":"x",}"#,
    r#"{"a":"x","b":[1,]}"#,
    r#"{"a":"x","b":{]}"#,
    r#"{"a":"x","b":[1}"#,
    r#"{"a":"x","b":"\x"}"#,
    r#"{"a":"x""#,
    "{\"a\":\"x\",\"b\":\"\t\"}",
];

#[test]
fn invalid_json_yielded_values() {
    for document in BROKEN.iter().chain(BROKEN_ELSEWHERE) {
        assert_eq!(found(document, &["a"]), None, "{document}");
        assert!(serde_json::from_str::<Value>(document).is_err(), "{document}");
    }
    let not_utf8 = b"{\"a\":\"x\",\"b\":\"\xff\"}";
    assert_eq!(find(not_utf8, &path(&["a"]), &mut Vec::new()), None);
}

#[test]
fn of_a_document_that_was_cut_a_broken_value_is_none_either() {
    for document in BROKEN {
        assert_eq!(found_in_part(document, &["a"]), None, "{document}");
    }
    assert_eq!(found_in_part(r#"{"b":bogus,"a":"x""#, &["a"]), None);
    assert_eq!(found_in_part(r#"{"a":"x","b":bogus,"c"#, &["a"]).as_deref(), Some("x"));
}

#[test]
fn everything_that_the_grammar_has_is_read() {
    for number in ["0", "-0", "10", "0.5", "-1.25", "1e5", "1E+05", "2.5e-3", "1e999"] {
        assert_eq!(found(&format!("{{\"a\":{number}}}"), &["a"]).as_deref(), Some(number));
    }
    let document = "\u{feff} \t\r\n[ {} , [] , { \"a\" : \"\\u00e9\\/\" } , null , [ [ ] ] ] \n";
    assert_eq!(found(document, &["2", "a"]).as_deref(), Some("é/"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map("[a-e\"\\\\é]{0,3}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every path to a leaf, and the text that a point would yield.
fn leaves(value: &Value, at: &mut Vec<Step>, out: &mut Vec<(Path, Option<String>)>) {
    let scalar = match value {
        Value::Null => None,
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                at.push(Step::Element(index as u32));
                leaves(item, at, out);
                at.pop();
            }
            None
        }
        Value::Object(members) => {
            for (name, item) in members {
                at.push(Step::Member(name.as_bytes().into()));
                leaves(item, at, out);
                at.pop();
            }
            None
        }
    };
    if !at.is_empty() {
        out.push((at.clone().into(), scalar));
    }
}

proptest! {
    #[test]
    fn agrees_with_serde_json(value in any_json(), pretty in any::<bool>()) {
        let document = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        let mut all = Vec::new();
        leaves(&value, &mut Vec::new(), &mut all);
        for (path, expected) in all {
            let mut buffer = Vec::new();
            let found = find(document.as_bytes(), &path, &mut buffer).map(<[u8]>::to_vec);
            prop_assert_eq!(found, expected.map(String::into_bytes), "{:?} in {}", path, document);
        }
    }

    /// A document with one byte changed, inserted or removed is read as serde_json reads it, or not at all.
    #[test]
    fn of_a_damaged_document_nothing_is_read_that_serde_json_does_not_read(
        value in any_json(),
        at in any::<prop::sample::Index>(),
        byte in prop::sample::select(&b"{}[]\",:.-+eE01tn \n\x01\\u\xc3"[..]),
        how in 0..3,
    ) {
        let mut document = serde_json::json!({ "a": "x", "b": value }).to_string().into_bytes();
        let at = at.index(document.len());
        match how {
            0 => document[at] = byte,
            1 => document.insert(at, byte),
            _ => drop(document.remove(at)),
        }
        let mut buffer = Vec::new();
        let value = find(&document, &path(&["a"]), &mut buffer).map(<[u8]>::to_vec);
        // Lone surrogates and numbers out of range are JSON: serde_json's `IgnoredAny` accepts them, but its `Value`
        // does not.
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&document).is_ok()
            && std::str::from_utf8(&document).is_ok();
        prop_assert!(is_json || value.is_none(), "{}", String::from_utf8_lossy(&document));
        if let Ok(parsed) = serde_json::from_slice::<Value>(&document) {
            let text = parsed["a"].as_str().filter(|_| parsed.is_object());
            if !parsed["a"].is_number() {
                let expected = match &parsed["a"] {
                    Value::Bool(flag) => Some(flag.to_string()),
                    _ => text.map(str::to_owned),
                };
                prop_assert_eq!(value, expected.map(String::into_bytes));
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut buffer = Vec::new();
        let _ = find(&bytes, &path(&["a", "0"]), &mut buffer);
    }
}

#[test]
fn of_a_member_that_is_written_twice_the_last_counts_as_for_applications() {
    let read = |document: &str, path: &[&str]| {
        let path: Vec<Step> =
            path.iter().map(|name| Step::Member(name.as_bytes().into())).collect();
        let mut buffer = Vec::new();
        find(document.as_bytes(), &path, &mut buffer)
            .map(|v| String::from_utf8(v.to_vec()).unwrap())
    };
    assert_eq!(read(r#"{"a":1,"b":2,"a":3}"#, &["a"]).as_deref(), Some("3"));
    assert_eq!(read(r#"{"a":{"b":1},"a":{"b":2}}"#, &["a", "b"]).as_deref(), Some("2"));
    // The application finds no `b`, either.
    assert_eq!(read(r#"{"a":{"b":1},"a":{}}"#, &["a", "b"]), None);
    // Cut: what is complete is found.
    assert_eq!(found_in_part(r#"{"a":1,"b":[1,2"#, &["a"]).as_deref(), Some("1"));
}

#[test]
fn strings_come_with_the_names_that_hold_them() {
    let document = br#"{"a":"1","t":{"b":"2","c":[{"d":"3"},"4"],"e":5},"f":["6"],"g":{"t":["7",8,"9"]},"h":"\u0041"}"#;
    let found = |document: &[u8]| {
        let mut found = Vec::new();
        strings_under(document, &mut Vec::new(), &|name| name == b"t", |_, value, is_under| {
            let value = String::from_utf8_lossy(value);
            found.push(format!("{value}{}", if is_under { "+" } else { "-" }));
        });
        found.join(" ")
    };
    assert_eq!(found(document), "1- 2+ 3+ 4+ 6- 7+ 9+ A-");
    // Documents that are cut, invalid, or nested too deep.
    for end in 0..document.len() {
        assert!("1- 2+ 3+ 4+ 6- 7+ 9+ A-".starts_with(&found(&document[..end])), "{end}");
    }
    assert_eq!(found(b"]]}}\"t\":\"x\"}"), "x+");
    assert_eq!(found(&[b'['; 10_000]), "");
}
