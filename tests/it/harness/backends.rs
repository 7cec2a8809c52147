//! Upstreams that speak uwsgi, SCGI, FastCGI, memcached and gRPC.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Running upstreams; they end with this value.
pub(crate) struct Backends {
    child: Child,
    ports: serde_json::Value,
}

impl Backends {
    pub(crate) fn start() -> Self {
        let mut child = Command::new("python3")
            .args(["-c", include_str!("backends.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        Self { child, ports: serde_json::from_str(&line).expect("ports") }
    }

    /// Port of `uwsgi`, `scgi`, `fastcgi`, `memcached` or `grpc`.
    pub(crate) fn port(&self, protocol: &str) -> u64 {
        self.ports[protocol].as_u64().expect("a port")
    }
}

impl Drop for Backends {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
