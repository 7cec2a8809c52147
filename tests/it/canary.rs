//! What is to be hidden is nowhere in clear: unique secrets in every source and encoding, benign and
//! malicious, and then a search of all that left the process.

use std::fs;
use std::path::Path;

use crate::harness::{Nginx, eventually, get, raw};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Where a secret is hidden: point and directive, and how a request carries it.
const SOURCES: &[(&str, &str)] = &[
    ("context_param request.header.X-Secret hash", "header"),
    ("session_key request.cookie.sid", "cookie"),
    ("session_key request.query.token export=off", "query"),
    ("api_sessions_mask request.body.form.password", "form"),
    ("api_sessions_mask request.body.json.card.number", "json"),
    ("context_param request.body.multipart.pin hash", "multipart"),
    ("context_param request.header.Authorization.jwt.payload.email hash", "jwt"),
    ("context_param request.header.Authorization.basic.user hash", "basic"),
    ("api_sessions_mask request.path[1]", "path"),
    ("session_key $cookie_one:$cookie_two", "composite"),
];

/// Live credentials that nobody asked to hide: how the target and the headers of an attack carry them. The
/// session is another's: of a key above, or of an earlier entry of the built-in set.
const LIVE: &[(&str, &str)] = &[
    ("/x", "Cookie: PHPSESSID=LIVE; theme=dark"),
    ("/x", "Cookie: sid=another-session; connect.sid=s%3ALIVE.signature"),
    ("/x", "Cookie: laravel_session=LIVE; CFID=LIVE; CFTOKEN=LIVE"),
    ("/x", "Cookie: next-auth.session-token.0=\"LIVE\""),
    ("/x", "Cookie: token=eyJhbGciOiJub25lIn0.eyJpc3MiOiJpIn0.LIVE"),
    ("/x?next=eyJhbGciOiJub25lIn0.eyJpc3MiOiJpIn0.LIVE", "A: b"),
    ("/x?access_token=LIVE", "X-Session-Id: another-session"),
    ("/x?back=%2Fy%3Fsid%3DLIVE", "A: b"),
    ("/shop;jsessionid=LIVE/x", "A: b"),
    ("/shop%3BJSESSIONID=LIVE/x", "A: b"),
    ("/x", "Referer: https://e.example/?a=1&access_token=LIVE"),
    ("/x", "Authorization: Bearer LIVE"),
    ("/x", "Proxy-Authorization: Basic LIVE"),
    ("/x", "X-Anything: bearer LIVE"),
    ("/x", "X-Auth-Token: LIVE"),
    ("/x", "X-Api-Key: LIVE"),
    ("/x", "Set-Cookie: a=LIVE"),
    ("/x", "X-Functions-Key: LIVE"),
    ("/x", "Ocp-Apim-Subscription-Key: LIVE"),
    ("/x", "X-MS-CLIENT-PRINCIPAL: LIVE"),
    ("/x", "X-Whatever: LIVE"),
    (
        "/x",
        "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.LIVE, base64.binary.k8s.io",
    ),
    ("/x", "Cookie: ocqx5m6nx2xn=LIVE; theme=dark"),
    ("/x", "Cookie: CASTGC=\"LIVE\"; _t=LIVE; access=LIVE"),
    ("/x?password=LIVE", "A: b"),
    ("/x?user%5Bpassword%5D=LIVE&a=1", "A: b"),
    ("/x?api%255Fkey=LIVE", "A: b"),
    ("/x?code=LIVE&state=LIVE", "A: b"),
    ("/x?X-Amz-Signature=LIVE", "A: b"),
    ("/x?next=%2Fcb%3Fcode%3DLIVE", "A: b"),
    ("/x?next=https%3A%2F%2Fu%3ALIVE%40h%2F", "A: b"),
    ("/x", "Referer: https://e.example/cb?code=LIVE&page=2"),
    ("/x", "X-Original-URL: /cb?reset_token=LIVE"),
    ("/bot123456789:AAEhBOweik6ad9rLIVE/getMe", "A: b"),
    ("/files/LIVE0k29fL1mQ7z/x", "A: b"),
];

/// As [`LIVE`], in bodies: the type, and what carries it.
const BODIES: &[(&str, &str)] = &[
    ("application/json", r#"{"a":{"password":"LIVE"},"q":"attack"}"#),
    ("application/json", r#"{"\u0070assword":"LIVE","password":"LIVE"}"#),
    ("application/json", r#"{"payload":"{\"client_secret\":\"LIVE\"}"}"#),
    ("application/json", r#"[{"name":"otp","value":"LIVE"}]"#),
    ("text/plain", r#"{"token":"LIVE"}"#),
    ("", r#"{"credentials":{"x":["LIVE"]}}"#),
    ("application/x-www-form-urlencoded", "a=1&client_secret=LIVE&b=2"),
    ("application/x-www-form-urlencoded", "payload=%7B%22pin%22%3A+%22LIVE%22%7D"),
    ("application/x-www-form-urlencoded", "SAMLResponse=LIVE&RelayState=x"),
    (
        "multipart/form-data; boundary=b",
        "--b\r\nContent-Disposition: form-data; name=\"user[pass]\"\r\n\r\nLIVE\r\n--b--\r\n",
    ),
    ("text/xml", "<a><wsse:Password Type=\"LIVE\">LIVE</wsse:Password><b apiKey='LIVE'/></a>"),
    ("application/soap+xml", "<a><password><![CDATA[LIVE]]></password></a>"),
    ("text/plain", "curl -H 'Authorization: Bearer LIVE' https://u:LIVE@h/"),
    ("application/graphql", "mutation { login(password: \"LIVE\") { id } }"),
    ("application/x-protobuf", "\u{1}LIVE"),
    ("application/json", r#"{"broken": LIVE"#),
];

/// What stands behind a secret in the same value, for the detectors to show: in a target, in a header and in a body.
const ATTACKS: [&str; 3] =
    ["%27%20UNION%20SELECT%20a%20FROM%20b--", "' UNION SELECT a FROM b--", "' OR '1'='1"];

/// How the secret stands somewhere else in the same request.
const ELSEWHERE: &[&str] =
    &["as it is", "percent", "base64", "json", "html", "javascript", "nowhere"];

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("\\u{byte:04x}")).collect()
}

fn referred(text: &str) -> String {
    text.bytes().map(|byte| format!("&#{byte};")).collect()
}

/// A request with the secret in its source, and in another place in another form.
fn request(source: &str, elsewhere: &str, secret: &str, attack: &str) -> Vec<u8> {
    let other = match elsewhere {
        "as it is" => secret.to_owned(),
        "percent" => percent(secret),
        "base64" => STANDARD.encode(format!("user={secret};x")),
        "json" => format!("{{\"a\":\"{}\"}}", escaped(secret)),
        "html" => referred(secret),
        "javascript" => escaped(secret).replace('\\', "%"),
        _ => "nothing".to_owned(),
    };
    let (mut path, mut query) =
        ("/plain".to_owned(), format!("q={}&ref={}", attack, percent(&other)));
    let mut headers = format!(
        "User-Agent: agent {other}\r\nReferer: https://e.example/?back={}\r\nX-Other: {other}\r\n",
        percent(&other)
    );
    let (mut content_type, mut body) = ("text/plain", format!("note {other} end"));
    match source {
        "header" => headers += &format!("X-Secret: {secret}\r\n"),
        "cookie" => headers += &format!("Cookie: a=b; sid={secret}; c=d\r\n"),
        "composite" => headers += &format!("Cookie: ONE={secret}; two={secret}2\r\n"),
        "query" => query += &format!("&token={secret}"),
        "form" => {
            (content_type, body) = (
                "application/x-www-form-urlencoded",
                format!("user=x&password={}&note={}", percent(secret), percent(&other)),
            )
        }
        "json" => {
            (content_type, body) = (
                "application/json",
                format!(
                    "{{\"card\":{{\"number\":\"{}\"}},\"note\":\"{}\"}}",
                    escaped(secret),
                    other.replace('"', "'")
                ),
            )
        }
        "multipart" => {
            (content_type, body) = (
                "multipart/form-data; boundary=b",
                format!(
                    "--b\r\nContent-Disposition: form-data; name=\"pin\"\r\n\r\n{secret}\r\n--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n{other}\r\n--b--\r\n"
                ),
            )
        }
        "jwt" => {
            headers += &format!(
                "Authorization: Bearer eyJhbGciOiJub25lIn0.{}.c2ln\r\n",
                URL_SAFE_NO_PAD.encode(format!("{{\"email\":\"{secret}\"}}"))
            )
        }
        "basic" => {
            headers +=
                &format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{secret}:pass")))
        }
        "path" => path = format!("/p/{secret}/x"),
        _ => unreachable!(),
    }
    format!(
        "POST {path}?{query} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The forms in which a secret could leave.
fn forms(secret: &str) -> Vec<String> {
    let mut forms =
        vec![secret.to_owned(), percent(secret), percent(secret).to_uppercase(), escaped(secret)];
    forms.extend([referred(secret), escaped(secret).replace('\\', "%")]);
    for shift in 0..3 {
        // Without the characters that share bits with what stands around.
        let encoded = STANDARD.encode([&vec![b'x'; shift], secret.as_bytes()].concat());
        let whole = encoded.trim_end_matches('=');
        let core = &whole[[0, 2, 3][shift]..whole.len() - 1];
        forms.push(core.to_owned());
        forms.push(core.replace('+', "-").replace('/', "_"));
    }
    forms
}

fn files(directory: &Path, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn no_secret_is_in_batches_spool_log_or_status() {
    let directives: String =
        SOURCES.iter().map(|(directive, _)| format!("{directive};\n")).collect();
    // Nobody listens: all records go to the spool, which is what a batch is made of.
    let nginx = Nginx::builder()
        .workers(1)
        .http(&format!(
            "
                access_log off;
                map $arg_q $bad {{ default 0; attack 1; }}
                api_sessions_attack marked $bad;
                api_sessions_detect on;
                api_sessions on;
                api_sessions_export http://127.0.0.1:1 node=n flush=10ms spool=DIR/spool:64m;
                {directives}
                context_param request.query.ref name=ref;
                context_param request.header.X-Other name=other;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ proxy_pass http://127.0.0.1:PORT/up; }}
                    location /up {{
                        api_sessions off;
                        return 200 up;
                    }}
                    location /status {{
                        api_sessions off;
                        api_sessions_status;
                    }}
                }}
            "
        ))
        .start();
    let mut secrets = Vec::new();
    for (number, (_, source)) in SOURCES.iter().enumerate() {
        for (way, elsewhere) in ELSEWHERE.iter().enumerate() {
            for attack in ["fine", "attack", "1%27%20OR%20%27{}%27%20=%20%27{}"] {
                let secret = format!("Zk{number}q{way}n{}Canary7351", attack.len());
                // The value stands in the attack too.
                let attack = attack.replace("{}", &secret);
                let answer = raw(nginx.port, &request(source, elsewhere, &secret, &attack));
                assert!(
                    answer.starts_with(b"HTTP/1.1 200"),
                    "{}",
                    String::from_utf8_lossy(&answer)
                );
                secrets.push((secret, format!("{source}, elsewhere {elsewhere}, {attack}")));
            }
        }
    }
    for (number, (target, header)) in LIVE.iter().enumerate() {
        for attack in [["", ""], [ATTACKS[0], ATTACKS[1]]] {
            let secret = format!("Lv{number}q{}Canary7351Live", attack[0].len());
            let target = target.replace("LIVE", &format!("{secret}{}", attack[0]));
            let q = if target.contains('?') { "&q=attack" } else { "?q=attack" };
            let header = header.replace("LIVE", &format!("{secret}{}", attack[1]));
            let request = format!(
                "GET {target}{q} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{header}\r\n\r\n"
            );
            let answer = raw(nginx.port, request.as_bytes());
            assert!(answer.starts_with(b"HTTP/1.1 200"), "{target} {header}");
            secrets.push((secret, format!("live, {target} {header}")));
        }
    }
    for (number, (kind, body)) in BODIES.iter().enumerate() {
        for (encoded, attack) in [(false, ""), (true, ""), (false, ATTACKS[2]), (true, ATTACKS[2])]
        {
            let secret = format!("Bd{number}q{}{}Canary7351", u8::from(encoded), attack.len());
            let body = body.replace("LIVE", &format!("{secret}{attack}"));
            let (kind, body) = match encoded {
                true => ("application/json", format!("{{\"blob\":\"{}\"}}", STANDARD.encode(body))),
                false => (*kind, body),
            };
            let request = format!(
                "POST /x?q=attack HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let answer = raw(nginx.port, request.as_bytes());
            assert!(answer.starts_with(b"HTTP/1.1 200"), "{kind} {body}");
            secrets.push((secret, format!("body {number}, {kind} {body}")));
        }
    }
    let count = secrets.len() as u64;
    let status = eventually("all are spooled", || {
        let status = get(nginx.port, "/status", &[]);
        (status.json()["export"]["records_spooled_total"] == count).then_some(status)
    });
    let mut left = vec![("status".to_owned(), status.body.into_bytes())];
    let directory = nginx.finish();
    let log = fs::read_to_string(directory.path().join("error.log")).unwrap();
    // NGINX's own lines quote requests; ours must not.
    let ours: String = log.lines().filter(|line| line.contains("api_sessions")).collect();
    left.push(("error log".to_owned(), ours.into_bytes()));
    files(&directory.path().join("spool"), &mut left);
    let spooled: usize = left.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(spooled > 50_000, "the search has something to search: {spooled}");
    let evidence = |bytes: &[u8]| bytes.windows(12).filter(|it| it == b"\"evidence\":[").count();
    let found: usize = left.iter().map(|(_, bytes)| evidence(bytes)).sum();
    assert!(found > 100, "{found} records have evidence");
    let mut hits = Vec::new();
    for (secret, what) in &secrets {
        for form in forms(secret) {
            let form = form.as_bytes();
            for (place, bytes) in &left {
                if let Some(at) = bytes.windows(form.len()).position(|window| window == form) {
                    let around = String::from_utf8_lossy(
                        &bytes[at.saturating_sub(60)..(at + form.len() + 20).min(bytes.len())],
                    )
                    .into_owned();
                    hits.push(format!("{what}: in {place}: …{around}…"));
                }
            }
        }
    }
    assert!(hits.is_empty(), "{} hits:\n{}", hits.len(), hits.join("\n"));
}
