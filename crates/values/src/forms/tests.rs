use proptest::prelude::*;

use super::*;

fn all(value: &[u8], place: Place) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    each(value, Mask::of(value), place, &mut Buffers::default(), &mut |text, mask, _| {
        assert_eq!(mask, Mask::of(text));
        forms.push(text.to_vec());
    });
    forms
}

#[test]
fn encodings_come_off_one_after_the_other() {
    for encoded in [
        "%3Cscript%3E",
        "%253Cscript%253E",
        "&lt;script&gt;",
        "&#60script&#x3e",
        "\\u003cscript\\u003e",
        "\\x3cscript\\x3e",
        "%u003cscript%u003e",
        "+ADw-script+AD4-",
        "PHNjcmlwdD4=",
        "PHNjcmlwdD4",
        "%26lt%3Bscript%26gt%3B",
        "JTNDc2NyaXB0JTNF",
        "<\0script>",
    ] {
        let forms = all(encoded.as_bytes(), Place::Cookie);
        assert!(forms.contains(&b"<script>".to_vec()), "{encoded}: {forms:?}");
    }
    let forms = all("\u{ff1c}script\u{ff1e}".as_bytes(), Place::Text);
    assert!(forms.contains(&b"<script>".to_vec()));
    assert!(all(b"'al'+'ert'", Place::Text).contains(&b"'alert'".to_vec()));
    assert!(all(b"..%c0%af..", Place::Argument).contains(&b"../..".to_vec()));
}

#[test]
fn what_is_plain_has_one_form() {
    for plain in ["", "abc", "a b", "1.5", "/a/b-c", "x=y"] {
        assert_eq!(all(plain.as_bytes(), Place::Text).len(), 1, "{plain}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_percent_encoded_value_is_decoded_as_by_the_point_language(value in "[a-zA-Z0-9%+<>'&;=/ -]{0,60}") {
        // The point language does not decode `%u`.
        prop_assume!(!value.contains("%u") && !value.contains("%U"));
        let mut buffer = Vec::new();
        let expected = api_sessions_extract::percent::decode(value.as_bytes(), true, &mut buffer);
        let forms = all(value.as_bytes(), Place::Argument);
        prop_assert_eq!(Some(forms[0].as_slice()), expected);
    }

    #[test]
    fn base64_is_decoded_as_by_the_library(text in "[ -~]{12,60}") {
        use ::base64::Engine;
        let encoded = ::base64::engine::general_purpose::STANDARD.encode(&text);
        prop_assert!(all(encoded.as_bytes(), Place::Text).contains(&text.into_bytes()));
    }

    #[test]
    fn no_bytes_panic_and_forms_are_few(value in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(all(&value, Place::Argument).len() <= MAX_FORMS);
    }
}
