use super::*;

fn secrets(values: &[&str]) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.clear();
    values.iter().for_each(|value| secrets.add(value.as_bytes()));
    secrets
}

#[test]
fn a_hidden_value_is_found_as_it_is_and_encoded() {
    let mut secrets = secrets(&["s3cret/value", "42"]);
    for text in
        ["s3cret/value", "x s3cret/value y", "s3cret%2Fvalue", "s3cret%2fvalue", "42", "%342"]
    {
        assert!(secrets.shown_in(text.as_bytes()), "{text}");
    }
    for text in ["", "s3cret", "142", "value"] {
        assert!(!secrets.shown_in(text.as_bytes()), "{text}");
    }
}

#[test]
fn a_value_is_found_however_far_into_a_text_it_stands() {
    let mut secrets = secrets(&["s3cret/value"]);
    let text = format!("{}%20s3cret%2Fvalue%20{}", "x".repeat(10_000), "y".repeat(10));
    assert!(secrets.shown_in(text.as_bytes()));
}

#[test]
fn a_value_of_any_length_is_found_in_base64_at_any_alignment() {
    use ::base64::Engine;
    use ::base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    for len in [4, 5, 6, 7, 32, 600] {
        let value = "~?k7".chars().cycle().take(len).collect::<String>();
        let mut secrets = secrets(&["another value", &value]);
        for before in ["", "a", "ab"] {
            let text = format!("{before}{value}zz");
            for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
                assert!(secrets.shown_in(encoded.as_bytes()), "{len} {before}");
            }
        }
        assert!(!secrets.shown_in(STANDARD.encode("x".repeat(900)).as_bytes()), "{len}");
    }
}

#[test]
fn characters_beyond_the_first_plane_are_found_in_json() {
    assert!(secrets(&["key-😀"]).shown_in(br#"{"a":"\u006bey-\ud83d\ude00"}"#));
}

#[test]
fn bodies_are_searched_in_utf16_in_lines_and_at_their_cut() {
    let mut secrets = secrets(&["s3cret/value"]);
    let wide: Vec<u8> = "a s3cret/value".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(secrets.credential_in_body(&wide, true));
    assert!(secrets.credential_in_body(b"czNjcm\r\nV0L3ZhbHVl", true));
    for cut in ["x=s3cret/valu", "x=s3cr", "x=%73%33cret", r#"{"x":"s3cret\/va"#] {
        assert!(secrets.credential_in_body(cut.as_bytes(), false), "{cut}");
        assert!(!secrets.credential_in_body(cut.as_bytes(), true), "{cut}");
    }
    for cut in
        ["x=%73%33cre%7", "s3cre%", r"s3cre\u007", r"s3cre\", "s3c&#x72;&#x65;&#", "s3cre%u00"]
    {
        assert!(secrets.credential_in_body(cut.as_bytes(), false), "{cut}");
        assert!(!secrets.credential_in_body(cut.as_bytes(), true), "{cut}");
    }
    assert!(!secrets.credential_in_body(b"no secret", false));
}

#[test]
fn a_value_is_found_in_references_of_html_and_javascript() {
    let mut secrets = secrets(&["s3cret/v&\"l<ue", "key-\u{1F600}"]);
    for text in [
        "s3cret/v&amp;&quot;l&lt;ue",
        "x=&#115;3cret&#47;v&&#x22l&ltue",
        "%u0073%u0033cret/v&\"l<ue",
        "s3cret%252Fv%26amp;%22l%26lt%3Bue",
        "a&#107;ey-&#128512;",
        "%u006bey-%ud83d%ude00",
        "ke&#121;-%F0%9F%98%80",
    ] {
        assert!(secrets.shown_in(text.as_bytes()), "{text}");
    }
    for text in ["s3cret/v&amp;amp;\"l<ue", "key-&#128513;", "a=1&b=2"] {
        assert!(!secrets.shown_in(text.as_bytes()), "{text}");
    }
}
