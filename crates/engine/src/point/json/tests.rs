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
    assert_eq!(found(r#"{"a":12"#, &["a"]), None);
    assert_eq!(found(r#"{"a":"12"#, &["a"]), None);
    assert_eq!(found(r#"{"a":12,"b"#, &["a"]).as_deref(), Some("12"));
}

#[test]
fn deep_nesting_is_not_followed() {
    let deep = format!("{{\"x\":{}1{},\"a\":1}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(found(&deep, &["a"]), None);
    let shallow = format!("{{\"x\":{}1{},\"a\":1}}", "[".repeat(100), "]".repeat(100));
    assert_eq!(found(&shallow, &["a"]).as_deref(), Some("1"));
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

/// Every path to a leaf, with the text a point would yield.
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
    // The application sees no `b` either.
    assert_eq!(read(r#"{"a":{"b":1},"a":{}}"#, &["a", "b"]), None);
    // Cut: what was seen.
    assert_eq!(read(r#"{"a":1,"b":[1,2"#, &["a"]).as_deref(), Some("1"));
}
