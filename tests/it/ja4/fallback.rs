//! Sessions of clients without a key, with the fingerprint that a CDN passes on.

use crate::harness::{Nginx, get};

const SHOW: &str = "add_header X-Session $api_session_id; add_header X-Source $api_session_source;
    add_header X-Ja4 $api_session_ja4;";

/// Session, source and fingerprint.
fn show(nginx: &Nginx, target: &str, agent: &str, ja4: &str) -> [String; 3] {
    let answer = get(nginx.port, target, &[("User-Agent", agent), ("CF-JA4", ja4)]);
    ["X-Session", "X-Source", "X-Ja4"]
        .map(|name| answer.header(name).unwrap_or_default().to_owned())
}

#[test]
fn a_fingerprint_tells_clients_of_one_address_and_user_agent_apart() {
    let secret = [b'k'; 40];
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret"), secret).unwrap();
    let nginx = Nginx::builder()
        .directory(directory)
        .http(&format!(
            "
                api_sessions on;
                api_sessions_secret DIR/secret;
                api_sessions_ja4 $http_cf_ja4;
                api_sessions_fallback ip_ua_ja4;
                {SHOW}
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ return 204; }}
                    location /ua {{ api_sessions_fallback ip_ua; return 204; }}
                    location /ip {{ api_sessions_fallback ip; return 204; }}
                    location /own {{ api_sessions_ja4 off; return 204; }}
                    location /key {{ session_key request.tls.ja4 name=tls; return 204; }}
                    location /key2 {{ session_key $api_session_ja4_stable; return 204; }}
                }}
            "
        ))
        .start();
    let key = blake3::derive_key("api-sessions session id v1", &secret);
    let id = |value: &str| blake3::keyed_hash(&key, value.as_bytes()).to_hex()[..32].to_owned();
    for (target, agent, ja4, source, value) in [
        ("/", "a", "one", "ip_ua_ja4", "ip+ua+ja4\x00127.0.0.1\na\none"),
        ("/", "a", " two ", "ip_ua_ja4", "ip+ua+ja4\x00127.0.0.1\na\ntwo"),
        ("/", "b", "one", "ip_ua_ja4", "ip+ua+ja4\x00127.0.0.1\nb\none"),
        ("/", "", "one", "ip_ua_ja4", "ip+ua+ja4\x00127.0.0.1\n\none"),
        ("/", "a", "", "ip_ua", "ip+ua\x00127.0.0.1\na"),
        ("/", "", "", "ip", "ip\x00127.0.0.1"),
        ("/ua", "a", "one", "ip_ua", "ip+ua\x00127.0.0.1\na"),
        ("/ip", "a", "one", "ip", "ip\x00127.0.0.1"),
        ("/own", "a", "one", "ip_ua", "ip+ua\x00127.0.0.1\na"),
        ("/key", "a", "one", "key", "value\0one"),
        ("/key2", "a", "one", "key", "value\0one"),
    ] {
        let [session, found, shown] = show(&nginx, target, agent, ja4);
        assert_eq!((found.as_str(), session), (source, id(value)), "{target} {agent} {ja4}");
        assert_eq!(shown, if target == "/own" { "" } else { ja4.trim() });
    }
    let long = "f".repeat(1000);
    assert_eq!(show(&nginx, "/", "a", &long)[2], long[..128]);
}

#[test]
fn a_map_that_falls_back_to_the_own_handshake_has_an_end() {
    let nginx = Nginx::builder()
        .http(&format!(
            r#"
                map $http_cf_ja4 $ja4 {{ "" $api_session_ja4; default $http_cf_ja4; }}
                api_sessions on;
                api_sessions_ja4 $ja4;
                {SHOW}
                server {{ listen 127.0.0.1:PORT; return 204; }}
            "#
        ))
        .start();
    assert_eq!(show(&nginx, "/", "a", "cdn")[2], "cdn");
    assert_eq!(show(&nginx, "/", "a", "")[2], "");
}
