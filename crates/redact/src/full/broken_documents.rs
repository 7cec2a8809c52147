//! A secret in a document that an attack broke, in further documents around it, is hidden.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::precise::{body_with, percent};

/// Documents around a secret: the part before it and the part after it.
const DOCUMENTS: &[(&str, &str)] = &[
    ("<a><wsse:Password Type=\"x\">", "</wsse:Password><b>1</b></a>"),
    ("<a><b apiKey='", "' c='1'/><d>1</d></a>"),
    ("<field name=\"password\">", "</field>"),
    ("<a><password><![CDATA[", "]]></password></a>"),
    ("{\"a\": {\"password\": \"", "\", \"b\": 1}}"),
    ("[{\"name\": \"otp\", \"value\": \"", "\"}]"),
    ("https://user:", "@host/x?page=2"),
    ("see postgres://user:", "@host/x"),
    ("a=1&client_secret=", "&b=2"),
    ("curl -H 'Authorization: Bearer ", "' http://host/"),
    ("{\"credentials\": {\"x\": [\"", "\"]}}"),
    ("<a pin = \"", "\"/>"),
    ("{'password': '", "'}"),
    ("login(user: \"bob\", password: \"", "\")"),
];
/// Text that breaks a document.
const BREAKS: &[&str] = &[
    "'",
    "\"",
    "' OR '1'='1",
    "<",
    "<script>",
    "</a>",
    "&",
    "]]>",
    "{{7*7}}",
    " UNION SELECT ",
    "\\",
    "'}\"",
];

/// Embeds a text in another one.
fn wrapped(text: &str, how: u8) -> String {
    match how {
        0 => format!("{{\"blob\": \"{}\"}}", STANDARD.encode(text)),
        1 => format!("{{\"text\": {}}}", serde_json::to_string(text).unwrap()),
        2 => format!("<x><y>{}</y></x>", text.replace('&', "&amp;").replace('<', "&lt;")),
        3 => format!("q=1&x={}", percent(text, false)),
        4 => STANDARD.encode(text).trim_end_matches('=').to_owned(),
        5 => {
            format!("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n{text}\r\n--b--\r\n")
        }
        7 => format!("note data:application/json;base64,{} end", STANDARD.encode(text)),
        6 => format!("{{\"blob\": {}}}", serde_json::to_string(&in_lines(text)).unwrap()),
        _ => format!("<x><![CDATA[{text}]]></x>"),
    }
}

/// Base64 in lines, as in mails.
fn in_lines(text: &str) -> String {
    let encoded = STANDARD.encode(text).into_bytes();
    let lines: Vec<_> = encoded.chunks(24).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\r\n")
}

/// Whether a text, decoded up to `depth` times, contains another.
fn reads(text: &[u8], wanted: &str, depth: u8) -> bool {
    let is_in = |text: &[u8]| memchr::memmem::find(text, wanted.as_bytes()).is_some();
    if is_in(text) || depth == 0 {
        return is_in(text);
    }
    let joined: Vec<u8> =
        String::from_utf8_lossy(text).replace("\\r\\n", "").replace("\r\n", "").into_bytes();
    let mut buffer = Vec::new();
    let percent = api_sessions_extract::percent::decode_whole(text, true, &mut buffer);
    if percent.is_some_and(|percent| percent != text && reads(percent, wanted, depth - 1)) {
        return true;
    }
    joined.split(|byte| !byte.is_ascii_alphanumeric() && !b"+/".contains(byte)).any(|run| {
        run.len() >= 16
            && (0..4).any(|cut| {
                let run = &run[..run.len() - cut.min(run.len())];
                let run = &run[..run.len() - run.len() % 4];
                STANDARD.decode(run).is_ok_and(|text| reads(&text, wanted, depth - 1))
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn an_attack_that_broke_a_document_left_its_secret_in_clear(
        document in proptest::sample::select(DOCUMENTS),
        breaks in proptest::sample::select(BREAKS),
        place in 0..3_u8,
        wraps in proptest::collection::vec(0..9_u8, 0..3),
        kind in 0..7_usize,
    ) {
        const KINDS: [&str; 7] = [
            "application/json", "application/x-www-form-urlencoded", "text/xml", "text/plain", "",
            "multipart/form-data; boundary=b", "text/html",
        ];
        let (before, behind) = document;
        let secret = "Zk7qCanary51";
        // If the break comes before the secret in a plain text, nothing indicates what the secret belongs to.
        let is_text = before.starts_with("curl")
            || before.starts_with("login")
            || wraps.iter().any(|how| matches!(how, 5 | 7));
        let mut sent = match place {
            // The break begins another argument.
            1 if before.starts_with("a=1") && breaks == "&" => format!("{before}{secret}{behind}"),
            1 if is_text => format!("{before}{secret}{behind}"),
            0 => format!("{before}{secret}{breaks}{behind}"),
            1 => format!("{before}{breaks}{secret}{behind}"),
            _ => format!("{before}{secret}{behind}{breaks}"),
        };
        for how in &wraps {
            sent = wrapped(&sent, *how);
        }
        let (shown, why) = body_with([&[], &[]], KINDS[kind], sent.as_bytes(), false);
        prop_assert!(!reads(shown.as_bytes(), secret, 4), "{:?} {} -> {}", KINDS[kind], sent, shown);
        prop_assert!(why.as_deref().is_none_or(|why| why == "unparsed"), "{:?}", why);
    }
}

#[test]
fn the_name_of_an_escaped_element_was_hidden_in_place_of_its_text() {
    for escaped in ["&lt;", "&#60;", "&#x3C;", "%3C", "\\u003c"] {
        let text =
            format!("{escaped}wsse:Password Type=\"x\">Zk7qCanary51'{escaped}/wsse:Password>");
        let (shown, _) = body_with([&[], &[]], "text/plain", text.as_bytes(), false);
        assert!(!shown.contains("Canary"), "{shown}");
    }
}

#[test]
fn a_document_in_a_value_that_does_not_parse_goes_as_a_whole_and_says_so() {
    let broken = "<a><password>x7</password><b c='1' OR '1'='1'/></a>";
    let blob =
        |text: &str| format!("{{\"user\": \"bob\", \"blob\": \"{}\"}}", STANDARD.encode(text));
    let (shown, why) = body_with([&[], &[]], "application/json", blob(broken).as_bytes(), false);
    assert!(shown.starts_with("{\"user\": \"bob\", \"blob\": \""), "{shown}");
    assert!(!reads(shown.as_bytes(), "x7", 1) && !reads(shown.as_bytes(), "OR", 1), "{shown}");
    assert_eq!(why.as_deref(), Some("unparsed"));
    // Text that names no secret stays unchanged.
    for fine in [
        "<img src=x onerror=alert(document.cookie)>",
        "{{7*7}}",
        "<a b='1' OR '1'='1'>",
        "[link](x)",
    ] {
        let sent = format!("{{\"a\": {}}}", serde_json::to_string(fine).unwrap());
        assert_eq!(body_with([&[], &[]], "application/json", sent.as_bytes(), false), (sent, None));
    }
}
