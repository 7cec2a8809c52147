//! The fingerprints of real clients, against the bytes that they sent.

use std::process::Command;

use crate::harness::{eventually, get};

use super::clients::{curl, curl_by_address, python, s_client};
use super::oracle::{self, Ja4};
use super::relay::{Pass, Relay};
use super::server::{Server, member, shown};

/// What the server shows of the client that `ask` is, which must be what it sent.
#[track_caller]
fn agreed(relay: &Relay, ask: impl FnOnce(u16) -> String) -> (Ja4, String) {
    let answer = ask(relay.port);
    let expected = oracle::ja4(&relay.last());
    assert_eq!(shown(&answer), expected, "{answer}");
    (expected, answer)
}

#[test]
fn curl_is_what_it_sends() {
    let server = Server::start("", "");
    let relay = Relay::to(server.port, Pass::AsSent);
    let (h2, answer) = agreed(&relay, |port| curl(port, &["--http2"]));
    assert!(h2.ja4.contains("h2_") && answer.ends_with("HTTP/2.0"), "{answer}");
    let (h1, _) = agreed(&relay, |port| curl(port, &["--http1.1"]));
    assert!(h1.ja4.contains("h1_"));
    assert_ne!(h1.ja4, h2.ja4);
    assert_eq!(h1.stable, h2.stable);
    let (none, _) = agreed(&relay, |port| curl(port, &["--no-alpn"]));
    assert_eq!((&none.ja4[8..10], &none.stable), ("00", &h1.stable));
    let (tls12, _) = agreed(&relay, |port| curl(port, &["--tls-max", "1.2"]));
    assert!(tls12.ja4.starts_with("t12d"), "{}", tls12.ja4);
    // An IP is no name: nothing is sent.
    let (ip, _) = agreed(&relay, curl_by_address);
    assert!(ip.ja4.starts_with("t13i"), "{}", ip.ja4);
}

#[test]
fn a_map_that_falls_back_to_the_own_handshake_lost_the_stable_form() {
    let map = "map $http_cf_ja4 $ja4 { '' $api_session_ja4; default $http_cf_ja4; }";
    let server = Server::start(&format!("{map} api_sessions_ja4 $ja4;"), "");
    let relay = Relay::to(server.port, Pass::AsSent);
    let (h2, _) = agreed(&relay, |port| curl(port, &["--http2"]));
    let (h1, _) = agreed(&relay, |port| curl(port, &["--http1.1"]));
    assert_eq!(h1.stable, h2.stable);
    let answer = curl(server.port, &["--header", "CF-JA4: of a CDN"]);
    assert!(answer.contains("ja4=of a CDN stable=of a CDN "), "{answer}");
}

#[test]
fn openssl_is_what_it_sends_whatever_it_is_told_to_send() {
    let server = Server::start("", "");
    let relay = Relay::to(server.port, Pass::AsSent);
    let serverinfo: Vec<String> = (60_000..60_100).map(|kind: u32| kind.to_string()).collect();
    let serverinfo = serverinfo.join(",");
    for words in [
        &[][..],
        &["-tls1_2"],
        &["-tls1_3"],
        &["-noservername"],
        &["-servername", "www.example.com"],
        &["-servername", "unknown.example.org"],
        &["-alpn", "http/1.1"],
        &["-alpn", "h,http/1.1"],
        &["-alpn", "\u{e9}t\u{e9},http/1.1"],
        &["-cipher", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256", "-tls1_2"],
        &["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
        &["-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"],
        &["-sigalgs", "ECDSA+SHA256:RSA-PSS+SHA256"],
        &["-status"],
        &["-no_ticket", "-tls1_2"],
        &["-serverinfo", &serverinfo],
    ] {
        agreed(&relay, |port| s_client(port, words));
    }
    let (hundred, _) = agreed(&relay, |port| s_client(port, &["-serverinfo", &serverinfo]));
    assert_eq!(&hundred.ja4[6..8], "99");
}

#[test]
fn a_client_hello_in_many_fragments_is_one() {
    let server = Server::start("", "");
    let whole = Relay::to(server.port, Pass::AsSent);
    let (expected, _) = agreed(&whole, |port| curl(port, &[]));
    for size in [1, 7, 100] {
        let relay = Relay::to(server.port, Pass::InRecordsOf(size));
        assert_eq!(agreed(&relay, |port| curl(port, &[])).0, expected, "records of {size} bytes");
    }
}

#[test]
fn the_first_hello_counts_where_the_server_asks_for_another() {
    let server = Server::start("ssl_ecdh_curve secp384r1;", "");
    let relay = Relay::to(server.port, Pass::AsSent);
    let (once, _) = agreed(&relay, |port| s_client(port, &["-tls1_3", "-groups", "P-384:X25519"]));
    let (twice, _) = agreed(&relay, |port| s_client(port, &["-tls1_3", "-groups", "X25519:P-384"]));
    assert_eq!(oracle::hellos(&relay.last()), 2, "a HelloRetryRequest was answered");
    assert_eq!(once, twice);
}

#[test]
fn a_resumed_session_and_early_data_keep_the_stable_form() {
    let server = Server::start("", "");
    let relay = Relay::to(server.port, Pass::AsSent);
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let session = file("session");
    let name = ["-servername", "default.example.com"];
    for version in ["-tls1_3", "-tls1_2"] {
        let first = [&name[..], &[version, "-sess_out", &session]].concat();
        let again = [&name[..], &[version, "-sess_in", &session]].concat();
        let (first, _) = agreed(&relay, |port| s_client(port, &first));
        let (again, answer) = agreed(&relay, |port| s_client(port, &again));
        assert_eq!(member(&answer, "reused"), "r");
        assert_eq!(again.stable, first.stable, "{version}");
        assert_eq!(again.ja4 == first.ja4, version == "-tls1_2", "TLS 1.3 adds pre_shared_key");
    }
    let first = [&name[..], &["-tls1_3", "-sess_out", &session]].concat();
    let (first, _) = agreed(&relay, |port| s_client(port, &first));
    std::fs::write(file("early"), "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n").unwrap();
    let (early, early_file) = (file("early"), &session);
    let words = [&name[..], &["-tls1_3", "-sess_in", early_file, "-early_data", &early]].concat();
    // NGINX sees a finished handshake where the client's Finished arrives before it has read all of the
    // early data, which is a matter of scheduling.
    let (early, _) = (0..20)
        .map(|_| agreed(&relay, |port| s_client(port, &words)))
        .find(|(_, answer)| member(answer, "early") == "1")
        .expect("a request that is answered before the handshake is over");
    assert!(early.raw.contains("0029,002a"), "{}", early.raw);
    assert_eq!(early.stable, first.stable);
}

#[test]
fn python_is_what_it_sends() {
    let server = Server::start("", "");
    let relay = Relay::to(server.port, Pass::AsSent);
    agreed(&relay, |port| python(port, "ask(context)"));
    agreed(&relay, |port| python(port, "context.set_alpn_protocols(['http/1.1'])\nask(context)"));
    agreed(&relay, |port| {
        python(port, "context.maximum_version = ssl.TLSVersion.TLSv1_2\nask(context)")
    });
    let both = python(relay.port, "ask(context, ask(context))");
    let [.., first, again] = &relay.sent()[..] else { panic!("two connections") };
    let (first, again) = (oracle::ja4(first), oracle::ja4(again));
    assert_eq!(first.stable, again.stable);
    for (line, expected) in both.lines().zip([first, again]) {
        assert_eq!(shown(line), expected);
    }
}

#[test]
fn sni_leads_to_another_server_that_shows_the_same() {
    let server = Server::start(
        "",
        "ssl_certificate DIR/$ssl_server_name.pem; ssl_certificate_key DIR/c.key;",
    );
    std::fs::copy(server.nginx.path("c.pem"), server.nginx.path("www.example.com.pem")).unwrap();
    let relay = Relay::to(server.port, Pass::AsSent);
    let (named, answer) =
        agreed(&relay, |port| s_client(port, &["-servername", "www.example.com"]));
    assert_eq!(member(&answer, "server"), "www.example.com");
    let (other, answer) = agreed(&relay, |port| s_client(port, &["-servername", "x.example.com"]));
    assert_eq!(member(&answer, "server"), "www.example.com", "by its Host");
    assert_eq!(named, other);
}

#[test]
fn a_server_that_rejects_handshakes_still_does() {
    let server = Server::start("", "ssl_reject_handshake on;");
    let url = format!("https://www.example.com:{}/", server.port);
    let resolve = format!("www.example.com:{}:127.0.0.1", server.port);
    let words = ["-sSk", "--max-time", "20", "--resolve", &resolve, &url];
    let output = Command::new("curl").args(words).output().unwrap();
    assert_eq!(output.status.code(), Some(35), "{output:?}");
    let relay = Relay::to(server.port, Pass::AsSent);
    agreed(&relay, |port| s_client(port, &["-servername", "default.example.com"]));
}

#[test]
fn a_reload_keeps_the_fingerprints_of_old_and_new_connections() {
    let server = Server::start("", "");
    let relay = Relay::to(server.port, Pass::AsSent);
    let (before, _) = agreed(&relay, |port| curl(port, &[]));
    for _ in 0..3 {
        server.nginx.reload("ja4=", "ja4=");
        assert_eq!(agreed(&relay, |port| curl(port, &[])).0, before);
    }
}

#[test]
fn without_tls_there_is_none() {
    let server = Server::start("", "");
    let answer = get(server.nginx.port, "/", &[]).body;
    for name in ["ja4", "stable", "raw"] {
        assert_eq!(member(&answer, name), "");
    }
}

#[test]
fn a_client_with_the_user_agent_of_another_has_its_own_session() {
    let server = Server::start("api_sessions_fallback ip_ua_ja4;", "");
    let session = |answer: &str| {
        assert_eq!(member(answer, "source"), "ip_ua_ja4", "{answer}");
        member(answer, "session").to_owned()
    };
    let user = session(&curl(server.port, &["-A", "browser", "--http2"]));
    assert_eq!(session(&curl(server.port, &["-A", "browser", "--http1.1"])), user);
    assert_ne!(session(&curl(server.port, &["-A", "other", "--http2"])), user);
    assert_ne!(session(&curl(server.port, &["-A", "browser", "--tls-max", "1.2"])), user);
    let plain = get(server.nginx.port, "/", &[("User-Agent", "browser")]).body;
    assert_eq!(member(&plain, "source"), "ip_ua");
}

/// One client of several protocols is one subject, which the plain form is not.
#[test]
fn a_rule_counts_a_client_by_the_stable_form() {
    let server = Server::start(
        "session_rule many over=1/1h per=ja4; log_format rules '$api_session_ja4 $api_session_rule'; access_log DIR/rules.log rules;",
        "",
    );
    curl(server.port, &["--http2"]);
    curl(server.port, &["--http1.1"]);
    curl(server.port, &["--tls-max", "1.2"]);
    let lines = eventually("the log", || {
        Some(server.nginx.lines("rules.log")).filter(|lines| lines.len() == 3)
    });
    let rules: Vec<_> = lines.iter().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(rules, ["-", "many", "-"], "{lines:?}");
}
