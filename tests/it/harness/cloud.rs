//! A real cloud with a store of its own.

use std::fs;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{Answer, built, eventually, free_port, request};

/// A running `api-sessions-cloud`.
pub(crate) struct Cloud {
    child: Option<Child>,
    directory: TempDir,
    pub(crate) port: u16,
}

impl Cloud {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let mut cloud = Self {
            child: None,
            directory: tempfile::tempdir().expect("a directory"),
            port: free_port(),
        };
        cloud.run();
        cloud
    }

    /// Starts again, with the same store and address.
    #[track_caller]
    pub(crate) fn run(&mut self) {
        let child = Command::new(built("API_SESSIONS_CLOUD"))
            .args(["--listen", &format!("127.0.0.1:{}", self.port), "--data"])
            .arg(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the cloud starts");
        let child = self.child.insert(child);
        eventually("the cloud listens", || {
            let ended = child.try_wait().expect("a status");
            assert!(ended.is_none(), "the cloud ended with {ended:?}");
            std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    /// Ends it, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn ingest_token_file(&self) -> String {
        self.directory.path().join("ingest.token").display().to_string()
    }

    /// Words of an `api_sessions_export` that sends here at once.
    pub(crate) fn export(&self) -> String {
        format!("{} token_file={} node=test flush=50ms", self.url(), self.ingest_token_file())
    }

    pub(crate) fn admin_token(&self) -> String {
        let path = self.directory.path().join("admin.token");
        fs::read_to_string(path).expect("a token").trim().to_owned()
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        let token = format!("Bearer {}", self.admin_token());
        request(self.port, "GET", path, &[("Authorization", &token)], "")
    }

    /// All records of a session, once there are that many.
    #[track_caller]
    pub(crate) fn records(&self, session: &str, count: usize) -> Vec<Value> {
        let path = format!("/v1/sessions/{session}/requests?limit=500");
        eventually(&format!("{count} records of {session}"), || {
            let answer = self.get(&path);
            let list =
                answer.status.eq(&200).then(|| answer.json()["requests"].as_array().cloned())??;
            assert!(list.len() <= count, "more than {count} records: {list:#?}");
            (list.len() == count).then_some(list)
        })
    }

    /// All sessions, once they hold that many requests together.
    #[track_caller]
    pub(crate) fn sessions(&self, requests: u64) -> Vec<Value> {
        eventually(&format!("{requests} requests in the cloud"), || {
            let answer = self.get("/v1/sessions?limit=100");
            assert_eq!(answer.status, 200, "{answer:?}");
            let list = answer.json()["sessions"].as_array().cloned()?;
            let sum: u64 = list.iter().filter_map(|session| session["requests"].as_u64()).sum();
            (sum >= requests).then_some(list)
        })
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.kill();
    }
}
