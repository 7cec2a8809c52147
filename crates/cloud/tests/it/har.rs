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
fn an_entry_without_a_readable_time_was_taken_as_the_first_of_all() {
    let (_, whole, _) = group(&har(&visit()), &[]).unwrap();
    let mut entries = visit();
    entries[3]["startedDateTime"] = json!("yesterday");
    let (_, out, messages) = group(&har(&entries), &[]).unwrap();
    assert!(out.contains("1 entry has no readable \"startedDateTime\""), "{out}");
    assert!(!out.contains("1970") && out.contains("1 session\n"), "{whole}\n{out}");
    assert_eq!(messages, "");
}

#[test]
fn a_key_that_finds_nothing_was_not_mentioned() {
    let (_, out, _) = group(&har(&visit()), &["--key", "request.cookie.nosuch"]).unwrap();
    assert!(out.contains("request.cookie.nosuch  in no request: a key of yours\n"), "{out}");
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

/// As Chromium 131 writes it: HTTP/2 with names in lower case, repeated headers in one value, members of its own.
const CHROMIUM: &str = r#"{
  "log": {
    "version": "1.2",
    "creator": {"name": "WebInspector", "version": "537.36"},
    "pages": [{"startedDateTime": "2026-11-26T10:00:00.001Z", "id": "page_1", "title": "https://shop.example/",
      "pageTimings": {"onContentLoad": 310.5, "onLoad": null}}],
    "entries": [
      {
        "_connectionId": "77", "_initiator": {"type": "other"}, "_priority": "VeryHigh", "_resourceType": "document",
        "cache": {}, "connection": "443", "pageref": "page_1",
        "request": {
          "method": "GET", "url": "https://shop.example/", "httpVersion": "http/2.0",
          "headers": [
            {"name": ":authority", "value": "shop.example"}, {"name": ":method", "value": "GET"},
            {"name": ":path", "value": "/"}, {"name": ":scheme", "value": "https"},
            {"name": "user-agent", "value": "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0.0.0 Safari/537.36"}
          ],
          "queryString": [], "cookies": [], "headersSize": -1, "bodySize": 0
        },
        "response": {
          "status": 200, "statusText": "", "httpVersion": "http/2.0",
          "headers": [
            {"name": "content-type", "value": "text/html; charset=utf-8"},
            {"name": "set-cookie", "value": "PHPSESSID=a3f9c1d27be8405f9d1c6b2e7a; path=/; HttpOnly\nlang=de; path=/"}
          ],
          "cookies": [
            {"name": "PHPSESSID", "value": "a3f9c1d27be8405f9d1c6b2e7a", "path": "/", "domain": "shop.example",
             "expires": "1969-12-31T23:59:59.000Z", "httpOnly": true, "secure": false},
            {"name": "lang", "value": "de", "path": "/"}
          ],
          "content": {"size": 15, "mimeType": "text/html", "compression": 0, "text": "<html>\u00e4</html>"},
          "redirectURL": "", "headersSize": -1, "bodySize": -1, "_transferSize": 410, "_error": null,
          "_fetchedViaServiceWorker": false
        },
        "serverIPAddress": "192.0.2.80", "startedDateTime": "2026-11-26T10:00:00.001Z", "time": 54.123000000416745,
        "timings": {"blocked": 1.2, "dns": -1, "ssl": -1, "connect": -1, "send": 0.1, "wait": 52.8, "receive": 0.1,
          "_blocked_queueing": 0.9, "_workerStart": -1}
      },
      {
        "_fromCache": "memory", "_initiator": {"type": "parser", "url": "https://shop.example/", "lineNumber": 3},
        "_priority": "High", "_resourceType": "script", "cache": {}, "pageref": "page_1",
        "request": {"method": "GET", "url": "https://shop.example/app.js", "httpVersion": "http/2.0", "headers": [],
          "queryString": [], "cookies": [], "headersSize": -1, "bodySize": 0},
        "response": {"status": 200, "statusText": "", "httpVersion": "http/2.0", "headers": [], "cookies": [],
          "content": {"size": 3, "mimeType": "application/javascript", "text": "MTIz", "encoding": "base64"},
          "redirectURL": "", "headersSize": -1, "bodySize": 0, "_transferSize": 0, "_error": null},
        "serverIPAddress": "", "startedDateTime": "2026-11-26T10:00:00.200Z", "time": 0.05, "timings": {}
      },
      {
        "_initiator": {"type": "script"}, "_resourceType": "ping", "cache": {}, "pageref": "page_1",
        "request": {"method": "POST", "url": "https://shop.example/ping", "httpVersion": "", "headers": [],
          "queryString": [], "cookies": [], "headersSize": -1, "bodySize": 2,
          "postData": {"mimeType": "application/json", "text": "{}"}},
        "response": {"status": 0, "statusText": "", "httpVersion": "", "headers": [], "cookies": [],
          "content": {"size": 0, "mimeType": "x-unknown"}, "redirectURL": "", "headersSize": -1, "bodySize": -1,
          "_transferSize": 0, "_error": "net::ERR_ABORTED"},
        "startedDateTime": "2026-11-26T10:00:00.300Z", "time": 3.1, "timings": {}
      },
      {
        "_resourceType": "websocket", "_webSocketMessages": [{"type": "send", "time": 1.5, "opcode": 1, "data": "hi"}],
        "cache": {}, "pageref": "page_1",
        "request": {"method": "GET", "url": "wss://shop.example/live", "httpVersion": "HTTP/1.1",
          "headers": [
            {"name": "Cookie", "value": "PHPSESSID=a3f9c1d27be8405f9d1c6b2e7a; lang=de"},
            {"name": "User-Agent", "value": "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0.0.0 Safari/537.36"}
          ],
          "queryString": [], "cookies": [], "headersSize": 512, "bodySize": 0},
        "response": {"status": 101, "statusText": "Switching Protocols", "httpVersion": "HTTP/1.1", "headers": [],
          "cookies": [], "content": {"size": 0, "mimeType": "x-unknown"}, "redirectURL": "", "headersSize": 129,
          "bodySize": 0, "_transferSize": 129, "_error": null},
        "startedDateTime": "2026-11-26T10:00:01.000Z", "time": 900.2, "timings": {}
      }
    ]
  }
}"#;

/// As Firefox 132 writes it: local time, one header for each cookie, names as they came.
const FIREFOX: &str = r#"{"log":{"version":"1.2","creator":{"name":"Firefox","version":"132.0"},
"browser":{"name":"Firefox","version":"132.0"},
"pages":[{"id":"page_1","pageTimings":{"onContentLoad":-1,"onLoad":-1},"startedDateTime":"2026-11-26T11:00:00.001+01:00","title":"Shop"}],
"entries":[
{"startedDateTime":"2026-11-26T11:00:00.001+01:00",
 "request":{"bodySize":0,"method":"GET","url":"https://shop.example/","httpVersion":"HTTP/2",
  "headers":[{"name":"Host","value":"shop.example"},{"name":"User-Agent","value":"Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"}],
  "cookies":[],"queryString":[],"headersSize":440},
 "response":{"status":200,"statusText":"OK","httpVersion":"HTTP/2",
  "headers":[{"name":"content-type","value":"text/html; charset=utf-8"},
   {"name":"set-cookie","value":"PHPSESSID=a3f9c1d27be8405f9d1c6b2e7a; path=/; HttpOnly"},{"name":"set-cookie","value":"lang=de; path=/"}],
  "cookies":[{"name":"PHPSESSID","value":"a3f9c1d27be8405f9d1c6b2e7a"},{"name":"lang","value":"de"}],
  "content":{"mimeType":"text/html; charset=utf-8","size":15,"text":"<html>\u00e4</html>"},"redirectURL":"","headersSize":210,"bodySize":225},
 "cache":{},"timings":{"blocked":0,"dns":0,"connect":0,"ssl":0,"send":0,"wait":52,"receive":0},"time":52,
 "_securityState":"secure","serverIPAddress":"192.0.2.80","connection":"443","pageref":"page_1"},
{"startedDateTime":"2026-11-26T11:00:00.300+01:00",
 "request":{"bodySize":2,"method":"POST","url":"https://shop.example/ping","httpVersion":"","headers":[],"cookies":[],"queryString":[],"headersSize":0,
  "postData":{"mimeType":"application/json","params":[],"text":"{}"}},
 "response":{"status":0,"statusText":"","httpVersion":"","headers":[],"cookies":[],"content":{"mimeType":"text/plain","size":0,"comment":"Response bodies are not included."},"redirectURL":"","headersSize":-1,"bodySize":-1},
 "cache":{},"timings":{},"time":0,"_securityState":"insecure","pageref":"page_1"},
{"startedDateTime":"2026-11-26T11:00:01.000+01:00",
 "request":{"bodySize":0,"method":"GET","url":"https://shop.example/account","httpVersion":"HTTP/2",
  "headers":[{"name":"User-Agent","value":"Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"},
   {"name":"Cookie","value":"PHPSESSID=a3f9c1d27be8405f9d1c6b2e7a; lang=de"}],
  "cookies":[{"name":"PHPSESSID","value":"a3f9c1d27be8405f9d1c6b2e7a"},{"name":"lang","value":"de"}],"queryString":[],"headersSize":510},
 "response":{"status":200,"statusText":"OK","httpVersion":"HTTP/2","headers":[],"cookies":[],"content":{"mimeType":"image/png","size":4,"encoding":"base64","text":"iVBORw=="},"redirectURL":"","headersSize":90,"bodySize":94},
 "cache":{},"timings":{"blocked":0,"dns":0,"ssl":0,"connect":0,"send":0,"wait":31,"receive":0},"time":31,
 "_securityState":"secure","serverIPAddress":"192.0.2.80","connection":"443","pageref":"page_1"}
]}}"#;

#[test]
fn what_chromium_and_firefox_export_is_one_visit() {
    for (name, file, left_out) in [
        ("chromium", CHROMIUM, &["1 answered from the browser's cache", "1 without an answer"][..]),
        ("firefox", FIREFOX, &["1 without an answer"]),
    ] {
        let (is_whole, out, messages) = group(file.as_bytes(), &[]).unwrap();
        assert!(is_whole && messages.is_empty(), "{name}: {messages}");
        assert!(out.contains("PHPSESSID"), "{name}: {out}");
        for text in left_out {
            assert!(out.contains(text), "{name}: {text} in {out}");
        }
        assert!(out.contains("2026-11-26T10:00:00"), "{name}, in UTC: {out}");
        let sessions = out.lines().filter(|line| line.trim_start().starts_with("found by")).count();
        assert_eq!(sessions, 1, "{name}: {out}");
    }
}

/// Memory is less than the file: `API_SESSIONS_FULL=1` for one of 200 MB.
#[test]
fn a_large_file_is_streamed_with_progress() {
    let is_full = std::env::var_os("API_SESSIONS_FULL").is_some();
    let bytes = if is_full { 200 << 20 } else { 40 << 20 };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.har");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let mut one = entry(0, "GET", "/page", OLD, "");
    one["response"]["content"]["text"] = json!("x".repeat(1 << 20));
    let one = one.to_string();
    file.write_all(b"{\"log\": {\"entries\": [").unwrap();
    for at in 0..bytes / one.len() {
        file.write_all(if at > 0 { b"," } else { b"" }).unwrap();
        file.write_all(one.as_bytes()).unwrap();
    }
    file.write_all(b"]}}").unwrap();
    file.into_inner().unwrap();
    // Data of the process, in KiB.
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -d 36864 && exec \"$0\" try --har \"$1\""])
        .arg(env!("CARGO_BIN_EXE_api-sessions-cloud"))
        .arg(&path)
        .output()
        .unwrap();
    let (out, messages) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{messages}");
    let count = bytes / one.len();
    assert!(out.contains(&format!("{count} of {count} entries")), "{out}");
    let told = messages.lines().filter(|line| line.ends_with("% read")).count();
    assert_eq!(told, 10, "{messages}");
}
