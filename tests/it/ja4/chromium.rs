//! One browser, one visit: its page, what the page fetches, its WebSocket, and a visit after that.

use std::fs;
use std::process::Command;

use crate::harness::{eventually, skip};

use super::oracle;
use super::relay::{Pass, Relay};
use super::server::Server;

/// Fetches from three names of one server, opens a WebSocket, and says in its title when all have ended, however they
/// ended.
const PAGE: &str = r#"<!DOCTYPE html><title>wait</title><script>
const port = location.port, all = [];
for (const name of ["a", "b", "c"]) {
  all.push(fetch(`https://${name}.localhost:${port}/fetch`, { mode: "no-cors" }).catch(() => {}));
}
all.push(new Promise((done) => {
  const socket = new WebSocket(`wss://localhost:${port}/socket`);
  socket.onclose = done;
}));
Promise.all(all).then(() => { document.title = "done"; });
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

fn visit(profile: &str, port: u16) {
    let mut chromium = Command::new("chromium");
    chromium.args([
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--ignore-certificate-errors",
        "--virtual-time-budget=10000",
        "--dump-dom",
    ]);
    chromium.arg(format!("--user-data-dir={profile}"));
    chromium.arg(format!("https://localhost:{port}/page/"));
    let output = chromium.output().unwrap();
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.contains("<title>done"), "{page}\n{}", String::from_utf8_lossy(&output.stderr));
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
        for _ in 0..2 {
            visit(profile.path().to_str().unwrap(), relay.port);
        }
        let lines = eventually("its requests", || {
            let lines = lines(&server);
            let count = |uri: &str| lines.iter().filter(|line| line.uri == uri).count();
            (count("/fetch") >= 6 && count("/socket") >= 2).then_some(lines)
        });
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
