use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;
use crate::utf16;
use api_sessions_extract::testing::FakeExchange;
use api_sessions_extract::{NoVariables, Point, Scratch};

const CANARY: &str = "Canary/7f3a+\u{e9}\"x";

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn json(text: &str) -> String {
    text.chars().map(|c| format!("\\u{:04x}", c as u32)).collect()
}

fn html(text: &str) -> String {
    text.chars().map(|c| format!("&#{};", c as u32)).collect()
}

fn javascript(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("%u{unit:04x}")).collect()
}

fn full(point: &str, exchange: &FakeExchange) -> String {
    let point = Point::parse(point, &mut NoVariables).unwrap();
    let mut secrets = Secrets::default();
    let mut scratch = Scratch::default();
    if let Some(value) = point.read(exchange, &mut scratch) {
        secrets.add(value);
    }
    secrets.add(CANARY.as_bytes());
    serde_json::to_string(&shown(&[&point], &[], FullContent::Redacted, exchange, &mut secrets))
        .unwrap()
}

pub(super) fn shown<'x>(
    hidden: &[&Point],
    shown: &[&Point],
    content: FullContent,
    exchange: &'x FakeExchange,
    secrets: &mut Secrets,
) -> FullRequest<'x> {
    let hasher = Hasher::new(&[1; 32]);
    let hidden = Places::new(hidden.iter().copied());
    let shown = Places::new(shown.iter().copied());
    let rule =
        Rule { content, proto: b"HTTP/1.1", hasher: &hasher, hidden: &hidden, shown: &shown };
    full_request(exchange, &rule, secrets)
}

/// Whether the canary can be read from a text in any encoding.
fn leaks(text: &str) -> bool {
    let mut forms =
        vec![CANARY.to_owned(), percent(CANARY), percent(CANARY).to_lowercase(), json(CANARY)];
    forms.extend([html(CANARY), javascript(CANARY), CANARY.replace('"', "&quot;")]);
    for before in ["", "a", "ab"] {
        for engine in [&STANDARD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(format!("{before}{CANARY}zz"));
            forms.push(encoded[4..encoded.len() - 4].to_owned());
        }
    }
    let full: FullRequest<'_> = serde_json::from_str(text).unwrap();
    let headers = full.headers.iter().flat_map(|(name, value)| [name, value]);
    let texts: Vec<&str> =
        headers.chain([&full.line]).chain(&full.body).map(|text| text.as_ref()).collect();
    forms.iter().any(|form| texts.iter().any(|text| text.contains(form.as_str())))
}

#[test]
fn the_search_of_this_test_finds_what_is_there() {
    for form in [CANARY.to_owned(), percent(CANARY), STANDARD.encode(format!("abc{CANARY}defg"))] {
        let request = FullRequest { line: form.into(), ..FullRequest::default() };
        assert!(leaks(&serde_json::to_string(&request).unwrap()));
    }
}

#[test]
fn a_canary_in_any_place_and_encoding_is_hidden() {
    let b64 = |before: &str| STANDARD.encode(format!("{before}{CANARY}behind"));
    let jwt = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(format!("{{\"sub\":\"{CANARY}\"}}")));
    let forms = [
        CANARY.to_owned(),
        percent(CANARY),
        percent(&percent(CANARY)),
        b64(""),
        b64("x"),
        b64("xy"),
        jwt,
        html(CANARY),
        javascript(CANARY),
        CANARY.replace('"', "&quot;"),
    ];
    for form in &forms {
        let encoded = percent(form);
        let target = format!("/a/{encoded}/b?q={encoded}&x=1&{encoded}=name");
        let exchange = FakeExchange::get(&target)
            .header("Referer", format!("https://example.com/?{form}"))
            .header("Cookie", format!("a={encoded}; b=2"))
            .header("Authorization", format!("Bearer {form}"))
            .header("X-Other", "shown")
            .body("text/plain", format!("body {form} end"));
        let shown = full("request.query.none", &exchange);
        assert!(!leaks(&shown), "{form}: {shown}");
        assert!(
            shown.contains("shown") && shown.contains("x=1") && shown.contains("b=2"),
            "{shown}"
        );
    }
    let escaped =
        FakeExchange::get("/").body("application/json", format!("{{\"v\":\"{}\"}}", json(CANARY)));
    assert!(!leaks(&full("request.query.none", &escaped)));
}

#[test]
fn the_place_that_a_hidden_point_reads_goes_however_short_the_value() {
    let exchange = FakeExchange::get("/u/7/x?pin=42&page=1")
        .header("Cookie", "k=1; other=kept")
        .header("X-Pin", "9")
        .body("application/json", r#"{"pin":3,"note":"kept"}"#);
    for (point, gone, kept) in [
        ("request.query.pin", "pin=42", "page=1"),
        ("request.cookie.k", "k=1", "other=kept"),
        ("request.header.x-pin", "\"9\"", "page=1"),
        ("request.path[1]", "/7/", "/u/"),
        ("request.body.json.pin", "\\\"pin\\\":3", "kept\\\""),
    ] {
        let shown = full(point, &exchange);
        assert!(
            !shown.contains(gone) && shown.contains(kept) && shown.contains("[hidden]"),
            "{point}: {shown}"
        );
    }
}

#[test]
fn a_target_in_absolute_form_is_shown_without_its_credentials() {
    for (origin, shown) in [
        ("http://h.example:81", "GET http://h.example:81/a HTTP/1.1"),
        ("http://anna:pa@ss@h.example", "GET http://[hidden]@h.example/a HTTP/1.1"),
        ("ftp://anna@h", "GET ftp://[hidden]@h/a HTTP/1.1"),
    ] {
        let exchange = FakeExchange { origin: origin.into(), ..FakeExchange::get("/a") };
        let full = full("request.query.none", &exchange);
        let full: FullRequest<'_> = serde_json::from_str(&full).unwrap();
        assert_eq!(full.line, shown);
    }
    let exchange = FakeExchange { origin: "http://h.example".into(), ..FakeExchange::get("/a") };
    assert!(!full("request.host", &exchange).contains("h.example"));
}

#[test]
fn what_is_not_to_be_hidden_is_shown_as_it_was_sent() {
    let exchange = FakeExchange::get("/search?q=%27%20OR%201=1--")
        .header("Host", "example.com")
        .body("application/octet-stream", b"\xff\x00binary");
    let shown = full("request.query.none", &exchange);
    let full: FullRequest<'_> = serde_json::from_str(&shown).unwrap();
    assert_eq!(full.line, "GET /search?q=%27%20OR%201=1-- HTTP/1.1");
    assert_eq!(full.headers, [("Host".into(), "example.com".into())]);
    assert_eq!(STANDARD.decode(full.body_base64.unwrap().as_bytes()).unwrap(), b"\xff\x00binary");
    assert!(full.body.is_none() && !full.truncated);
}

#[test]
fn a_form_was_shown_with_half_of_a_hidden_value_at_its_cut_or_with_one_in_lines_of_base64() {
    let form = "application/x-www-form-urlencoded";
    let encoded = STANDARD.encode(CANARY);
    let in_lines = format!("a=1&z={}\r\n{}", &encoded[..8], &encoded[8..]);
    for (body, cut) in
        [(format!("x={}&z=Canary/7", percent(CANARY)), true), ("z=%43anary%2f7".into(), true)]
    {
        let exchange =
            FakeExchange { request_body_cut: cut, ..FakeExchange::get("/").body(form, &body) };
        let shown = full("request.query.none", &exchange);
        assert!(shown.contains("\"body\":\"[hidden]\""), "{body}: {shown}");
    }
    let exchange = FakeExchange::get("/").body(form, &in_lines);
    let shown = full("request.query.none", &exchange);
    assert!(!leaks(&shown.replace("\\r\\n", "")) && shown.contains("a=1&z="), "{shown}");
    let exchange = FakeExchange {
        request_body_cut: true,
        ..FakeExchange::get("/").body(form, format!("x={}&z=Can", percent(CANARY)))
    };
    assert!(full("request.query.none", &exchange).contains("x=[hidden]&z=Can"));
}

#[test]
fn a_query_lost_its_empty_arguments_and_got_values_that_were_not_sent() {
    for (query, expected) in [
        ("&&a&&b=&c==1&", "&&a&&b=&c==1&"),
        ("pin=42&&a&pin&=x&pin=", "pin=[hidden]&&a&pin&=x&pin=[hidden]"),
        ("&", "&"),
    ] {
        let shown = full("request.query.pin", &FakeExchange::get(&format!("/x?{query}")));
        let full: FullRequest<'_> = serde_json::from_str(&shown).unwrap();
        assert_eq!(full.line, format!("GET /x?{expected} HTTP/1.1"));
    }
}

#[test]
fn a_token_was_shown_as_a_method_or_the_name_of_an_argument_a_cookie_or_a_header() {
    let token = "eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln";
    let mut exchange = FakeExchange::get(&format!("/x?{token}&b=1&{}=2", percent(token)))
        .header("Cookie", format!("{token}=1; b=2"))
        .header(token, "x")
        .body("application/x-www-form-urlencoded", format!("{token}=1&b=3"));
    exchange.method = token.into();
    let shown = full("request.query.none", &exchange);
    assert!(!shown.contains(token) && !shown.contains(&percent(token)), "{shown}");
    let hash = Hasher::new(&[1; 32]).parameter(token.as_bytes());
    let hash = format!("[hash:{}]", hash.as_str());
    for kept in [format!("{hash}&b=1&{hash}=2"), format!("{hash}=1; b=2"), format!("{hash}=1&b=3")]
    {
        assert!(shown.contains(&kept), "{kept}: {shown}");
    }
}

#[test]
fn a_token_that_was_encoded_without_quotes_in_a_cut_body_was_shown() {
    const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJpIiwic2lkIjoicyJ9.bGl2ZQ";
    let body = format!("{{\"y\":12,\"x\":{}lue", percent(TOKEN));
    let exchange = FakeExchange::post("/").body("application/json", body);
    let text = full("request.header.X", &FakeExchange { request_body_cut: true, ..exchange });
    assert!(!text.contains(&percent(TOKEN)) && text.contains("\\\"y\\\":12"), "{text}");
}

#[test]
fn secrets_in_utf16_and_utf32_were_shown() {
    let shown_of = |content, exchange: &FakeExchange| {
        let full = shown(&[], &[], content, exchange, &mut Secrets::default());
        let narrow: Vec<u8> = full.body.as_deref().unwrap_or_default().bytes().collect();
        let line = full.line.into_owned();
        let why = full.hidden.map(|why| why.to_string());
        (String::from_utf8_lossy(&narrow).replace('\0', ""), line, why)
    };
    for (content_type, text) in [
        ("application/x-www-form-urlencoded; charset=utf-16", "name=anna&password=hunter2hunter2"),
        ("application/x-www-form-urlencoded", "a=1&access_token=hunter2hunter2"),
        ("application/json; charset=utf-16", r#"{"password":"hunter2hunter2"}"#),
        ("text/plain", r#"{"access_token":"hunter2hunter2","name":"anna"}"#),
        ("application/xml", "<?xml version='1.0'?><password>hunter2hunter2</password>"),
        ("", "password=hunter2hunter2"),
        ("application/octet-stream", "see https://anna:hunter2hunter2@example.com/"),
    ] {
        for bytes in utf16::tests::encoded(text) {
            let exchange = FakeExchange::post("/").body(content_type, &bytes);
            let (body, _, why) = shown_of(FullContent::Redacted, &exchange);
            assert!(!body.contains("hunter2"), "{content_type} {text}: {body}");
            assert_eq!((body.as_str(), why.as_deref()), ("[hidden]", Some("unparsed")), "{text}");
            // A credential with a known name.
            if text.contains("access_token=") {
                let (body, ..) = shown_of(FullContent::All, &exchange);
                assert!(!body.contains("hunter2"), "{content_type} {text}: {body}");
            }
        }
    }
    for bytes in utf16::tests::encoded(r#"{"password":"hunter2hunter2"}"#) {
        let mut part = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n".to_vec();
        part.extend_from_slice(&bytes);
        part.extend_from_slice(
            b"\r\n--b\r\nContent-Disposition: form-data; name=n\r\n\r\nanna\r\n--b--",
        );
        let encoded: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
        let exchange = FakeExchange::post(&format!("/?a={encoded}&b={}", STANDARD.encode(&bytes)))
            .body("multipart/form-data; boundary=b", &part);
        let (body, line, _) = shown_of(FullContent::Redacted, &exchange);
        assert!(!body.contains("hunter2") && body.contains("anna"), "{body}");
        assert!(!line.contains("%68") && !line.contains(&STANDARD.encode(&bytes)), "{line}");
    }
}
