//! One browser, one visit: its page, what the page fetches, its WebSocket, and a visit after that.

use std::fs;
use std::process::{Command, Stdio};

use crate::harness::{eventually, skip};

use super::oracle;
use super::relay::{Pass, Relay};
use super::server::Server;

/// Fetches from three names of one server, and opens a WebSocket to the fourth.
const PAGE: &str = r#"<!DOCTYPE html><title>page</title><script>
for (const name of ["a", "b", "c"]) {
  fetch(`https://${name}.localhost:${location.port}/fetch`, { mode: "no-cors" }).catch(() => {});
}
new WebSocket(`wss://localhost:${location.port}/socket`);
</script>"#;

struct Line {
    ja4: String,
    stable: String,
    uri: String,
    protocol: String,
    is_resumed: bool,
}

fn lines(server: &Server) -> Vec<Line> {
    let log = fs::read_to_string(server.nginx.path("ja4.log")).unwrap_or_default();
    let lines = log.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        Line {
            ja4: words[0].to_owned(),
            stable: words[1].to_owned(),
            uri: words[2].to_owned(),
            protocol: words[3].to_owned(),
            is_resumed: words[4] == "r",
        }
    });
    lines.collect()
}

/// Opens the page, and closes the browser once the server has seen `visits` times what the page asks for.
#[track_caller]
fn visit(server: &Server, profile: &str, port: u16, visits: usize) {
    let mut chromium = Command::new("chromium");
    chromium.args([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--ignore-certificate-errors",
        // Without, it ends with the page, before its WebSocket.
        "--remote-debugging-port=0",
    ]);
    chromium.arg(format!("--user-data-dir={profile}"));
    chromium.arg(format!("https://localhost:{port}/page/"));
    chromium.stdout(Stdio::null()).stderr(Stdio::null());
    let mut chromium = chromium.spawn().unwrap();
    eventually("the page and what it asks for", || {
        let lines = lines(server);
        let count = |uri: &str| lines.iter().filter(|line| line.uri == uri).count();
        (count("/fetch") >= 3 * visits && count("/socket") >= visits).then_some(())
    });
    chromium.kill().unwrap();
    chromium.wait().unwrap();
}

#[test]
fn one_visit_of_a_browser_has_one_stable_form() {
    if Command::new("chromium").arg("--version").output().is_err() {
        return skip("there is no chromium");
    }
    for http2 in [true, false] {
        let server = Server::start("", "");
        if !http2 {
            server.nginx.reload(" ssl http2", " ssl");
        }
        fs::create_dir(server.nginx.path("page")).unwrap();
        fs::write(server.nginx.path("page/index.html"), PAGE).unwrap();
        let relay = Relay::to(server.port, Pass::AsSent);
        let profile = tempfile::tempdir().unwrap();
        for visits in 1..=2 {
            visit(&server, profile.path().to_str().unwrap(), relay.port, visits);
        }
        let lines = lines(&server);
        let of_wire: Vec<_> = relay.sent().iter().map(|sent| oracle::ja4(sent)).collect();
        for line in &lines {
            let is_it = |wire: &&oracle::Ja4| wire.ja4 == line.ja4;
            let wire = of_wire.iter().find(is_it).expect("it was on the wire");
            assert_eq!(wire.stable, line.stable);
            assert_eq!(line.stable, lines[0].stable, "{} {}", line.ja4, lines[0].ja4);
        }
        let mut plain: Vec<&str> = lines.iter().map(|line| line.ja4.as_str()).collect();
        plain.sort_unstable();
        plain.dedup();
        assert!(plain.len() >= 2, "the plain form changes within a visit: {plain:?}");
        let page = lines.iter().find(|line| line.uri.starts_with("/page")).unwrap();
        assert_eq!(page.protocol, if http2 { "HTTP/2.0" } else { "HTTP/1.1" });
        assert!(lines.iter().any(|line| line.uri == "/socket" && line.protocol == "HTTP/1.1"));
        assert!(lines.iter().any(|line| line.is_resumed), "some session was resumed");
    }
}
