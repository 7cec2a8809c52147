//! What rules deny survives, and is taken off.

use super::{LOGIN, server};
use crate::harness::{Nginx, eventually, get, request};

#[test]
fn a_denial_by_a_rule_was_lost_when_nginx_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret"), [7; 32]).unwrap();
    let stuffing =
        "session_rule stuffing on=POST:/try over=2/1h per=ip then=deny_ip:1h mode=enforce;";
    let conf = format!(
        "api_sessions_secret DIR/secret; api_sessions_export http://127.0.0.1:9 spool=DIR/spool; {}",
        server(&format!("{LOGIN} {stuffing}"))
    );
    let start = |directory| Nginx::builder().directory(directory).http(&conf).start();
    let nginx = start(directory);
    for _ in 0..10 {
        request(nginx.port, "POST", "/login", &[("S", "bad"), ("Answer", "401")], "");
    }
    for _ in 0..3 {
        request(nginx.port, "POST", "/try", &[("X-Forwarded-For", "2001:db8::1")], "");
    }
    // Not the copy of the list, which is made once a minute.
    eventually("both are written down", || {
        let text = std::fs::read_to_string(nginx.path("spool/denylist.journal")).ok()?;
        (text.contains("rule login") && text.contains("rule stuffing")).then_some(())
    });
    let nginx = start(nginx.kill_all());
    assert_eq!(get(nginx.port, "/", &[("S", "bad")]).status, 403);
    let neighbour = [("S", "other"), ("X-Forwarded-For", "2001:db8::2")];
    assert_eq!(get(nginx.port, "/", &neighbour).status, 403, "of the same /64");
    assert_eq!(get(nginx.port, "/", &[("S", "good")]).status, 200);
}
