//! `try --har`: what browsers export, whole and damaged.

use std::io::Write;
use std::path::Path;

use api_sessions_cloud::cli::{Cli, Command};
use api_sessions_cloud::har;
use clap::Parser;
use serde_json::{Value, json};

const OLD: &str = "PHPSESSID=a3f9c1d27be8405f9d1c6b2e7a";
const NEW: &str = "PHPSESSID=7d20be914cfa83e6115b0a9fd4";

/// An entry of `https://shop.example`, `ms` after the first.
fn entry(ms: u32, method: &str, path: &str, cookie: &str, set_cookie: &str) -> Value {
    let mut sent = vec![json!({"name": "User-Agent", "value": "Mozilla/5.0 (X11) Firefox/132.0"})];
    if !cookie.is_empty() {
        sent.push(json!({"name": "Cookie", "value": cookie}));
    }
    let mut got = vec![json!({"name": "Content-Type", "value": "text/html"})];
    if !set_cookie.is_empty() {
        got.push(json!({"name": "Set-Cookie", "value": set_cookie}));
    }
    json!({
        "startedDateTime": format!("2026-11-26T10:00:{:02}.{:03}Z", ms / 1000, ms % 1000),
        "time": 100,
        "request": {"method": method, "url": format!("https://shop.example{path}"), "headers": sent},
        "response": {"status": 200, "headers": got, "content": {"size": 0, "mimeType": "text/html"}},
    })
}

/// A visit that is given a new cookie at login, while another request is under way.
fn visit() -> Vec<Value> {
    vec![
        entry(0, "GET", "/", "", &format!("{OLD}; path=/\nlang=de; path=/")),
        entry(1000, "GET", "/login", OLD, ""),
        entry(2000, "POST", "/login", OLD, &format!("{NEW}; path=/")),
        entry(2050, "GET", "/poll", OLD, ""),
        entry(2500, "GET", "/account", NEW, ""),
    ]
}

fn har(entries: &[Value]) -> Vec<u8> {
    serde_json::to_vec(&json!({"log": {"version": "1.2", "pages": null, "entries": entries}}))
        .unwrap()
}

/// Whether the file was read to its end, what was printed, and the problems.
fn group(file: &[u8], options: &[&str]) -> Result<(bool, String, String), String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("visit.har");
    std::fs::File::create(&path).unwrap().write_all(file).unwrap();
    let in_dir = |text: &str| text.replace(&format!("{}/", dir.path().display()), "");
    let arguments = ["api-sessions-cloud", "try", "--har"].into_iter();
    let arguments = arguments.chain([path.to_str().unwrap()]).chain(options.iter().copied());
    let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let Some(Command::Try(what)) = cli.command else { panic!("another command") };
    let (mut out, mut messages) = (Vec::new(), Vec::new());
    let is_whole =
        har::run(what, &mut out, &mut messages).map_err(|error| in_dir(&error.to_string()))?;
    let text = |bytes| in_dir(&String::from_utf8(bytes).unwrap());
    Ok((is_whole, text(out), text(messages)))
}

#[test]
fn a_new_cookie_at_login_does_not_split_the_visit() {
    let mut entries = visit();
    entries.push(json!({
        "request": {"method": "GET", "url": "https://cdn.example/x.js"}, "response": {"status": 200},
    }));
    entries.push(json!({
        "_fromCache": "disk",
        "request": {"method": "GET", "url": "https://shop.example/app.css"},
        "response": {"status": 200},
    }));
    entries.push(json!({
        "request": {"method": "GET", "url": "https://shop.example/blocked"},
        "response": {"status": 0},
    }));
    entries.push(json!({
        "request": {"method": "GET", "url": "data:text/plain,x"}, "response": {"status": 200},
    }));
    let (is_whole, out, messages) = group(&har(&entries), &[]).unwrap();
    assert_eq!((is_whole, &*messages), (true, ""));
    insta::assert_snapshot!("har_login", out);
    // The values are credentials.
    assert!(!out.contains("a3f9c1d2") && !out.contains("7d20be91"));
}

#[test]
fn own_keys_come_first_and_the_built_in_set_can_be_left_out() {
    let file = har(&[
        entry(0, "GET", "/?tenant=1", OLD, ""),
        entry(1000, "GET", "/?tenant=2", OLD, ""),
        entry(2000, "GET", "/", OLD, ""),
    ]);
    let (_, out, _) = group(&file, &["--key", "request.query.tenant", "--no-builtin"]).unwrap();
    assert!(out.contains("\n3 sessions\n"), "{out}");
    assert!(
        out.contains("  request.query.tenant  2 requests in 2 sessions: a key of yours"),
        "{out}"
    );
    assert!(out.contains("  ip_ua  1 request in 1 session"), "{out}");
    let (_, out, _) = group(&file, &["--key", "request.query.tenant"]).unwrap();
    assert!(out.contains("\n3 sessions\n") && out.contains("found by PHPSESSID"), "{out}");
    let error = group(&file, &["--key", "request.nothing"]).unwrap_err();
    assert!(error.contains("\"nothing\" is not known; \"header\", "), "{error}");
    let error = group(&file, &["--key", "$cookie_a"]).unwrap_err();
    assert!(error.contains("NGINX variables are not accepted here"), "{error}");
}

#[test]
fn an_export_without_credentials_is_told() {
    let file = har(&[entry(0, "GET", "/", "", "")]);
    let (_, out, _) = group(&file, &[]).unwrap();
    assert!(out.contains("browsers leave them out of an export unless asked"), "{out}");
    let (_, out, _) = group(&har(&visit()), &[]).unwrap();
    assert!(!out.contains("browsers leave them out"), "{out}");
}

#[test]
fn damage_is_told_with_its_place() {
    let mut entries = visit();
    entries.insert(2, json!({"request": {"method": "GET"}, "response": {}}));
    entries.insert(3, json!(7));
    let (is_whole, out, messages) = group(&har(&entries), &[]).unwrap();
    assert!(is_whole && out.starts_with("visit.har: 5 of 7 entries"), "{out}");
    assert_eq!(
        messages,
        "visit.har: entry 3 is left out: missing field `url` at line 1 column 27 of it\n\
         visit.har: entry 4 is left out: invalid type: integer `7`, expected an object with \"request\" and \"response\" at line 1 column 1 of it\n"
    );

    let file = har(&visit());
    let cut = file.windows(8).position(|bytes| bytes == b"/account").unwrap();
    let (is_whole, out, messages) = group(&file[..cut], &[]).unwrap();
    assert!(!is_whole && out.starts_with("visit.har: 4 of 4 entries"), "{out}");
    assert!(
        messages.contains("EOF while parsing") && messages.contains("line 1 column"),
        "{messages}"
    );
    assert!(messages.ends_with("; the 4 entries before that are shown\n"), "{messages}");

    for (file, message) in [
        (&b"GET / HTTP/1.1"[..], "visit.har: expected value at line 1 column 1"),
        (b"", "visit.har: EOF while parsing a value at line 1 column 0"),
        (b"{\"log\": {}}", "visit.har: no HAR file: \"entries\" is missing at line 1 column 10"),
        (
            b"[]",
            "visit.har: invalid type: sequence, expected a HAR file: an object with \"log\" at line 1 column 1",
        ),
    ] {
        assert_eq!(group(file, &[]).unwrap_err(), message);
    }
    let nowhere = har::Try {
        har: Path::new("/nowhere/visit.har").to_owned(),
        keys: Vec::new(),
        no_builtin: false,
        hosts: Vec::new(),
    };
    let error = har::run(nowhere, &mut Vec::new(), &mut Vec::new()).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/visit.har: No such file"), "{error}");
}

#[test]
fn a_byte_order_mark_and_any_cut_are_read() {
    let file = har(&visit());
    let marked = [b"\xef\xbb\xbf".as_slice(), &file].concat();
    assert_eq!(group(&marked, &[]).unwrap(), group(&file, &[]).unwrap());
    for len in (0..file.len()).step_by(61) {
        assert!(!group(&file[..len], &[]).is_ok_and(|(is_whole, ..)| is_whole), "{len}");
    }
}
