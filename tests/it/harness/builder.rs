//! Configures an NGINX before it starts, or checks a configuration with `nginx -t`.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::nginx::Nginx;
use super::{built, free_port};

/// Result of `nginx -t`.
pub(crate) struct ConfigTest {
    pub(crate) ok: bool,
    pub(crate) stderr: String,
}

/// An NGINX that is not started yet. Two workers as root, unless the test asks for others.
///
/// Every configuration may use `PORT`, a free port of 127.0.0.1, and `DIR`, the test's own directory.
pub(crate) struct NginxBuilder<'a> {
    directory: Option<TempDir>,
    workers: u32,
    user: &'a str,
    main: &'a str,
    config: Config<'a>,
}

enum Config<'a> {
    Http(&'a str),
    Full(&'a str),
}

impl<'a> NginxBuilder<'a> {
    pub(super) fn new() -> Self {
        Self { directory: None, workers: 2, user: "root", main: "", config: Config::Http("") }
    }

    /// Number of worker processes.
    pub(crate) fn workers(self, workers: u32) -> Self {
        Self { workers, ..self }
    }

    /// User, and optionally group, of the workers.
    pub(crate) fn user(self, user: &'a str) -> Self {
        Self { user, ..self }
    }

    /// Directory to run in, where files of the test are already present.
    pub(crate) fn directory(self, directory: TempDir) -> Self {
        Self { directory: Some(directory), ..self }
    }

    /// Further directives of the main context.
    pub(crate) fn main(self, main: &'a str) -> Self {
        Self { main, ..self }
    }

    /// Content of `http { … }`. To be started, it needs a server that listens on `127.0.0.1:PORT`.
    pub(crate) fn http(self, http: &'a str) -> Self {
        Self { config: Config::Http(http), ..self }
    }

    /// A complete configuration, used unchanged. To be started, it must listen on `127.0.0.1` and
    /// write `nginx.pid` into the test's directory.
    pub(crate) fn full_config(self, config: &'a str) -> Self {
        Self { config: Config::Full(config), ..self }
    }

    /// Starts NGINX and waits until it listens.
    #[track_caller]
    pub(crate) fn start(mut self) -> Nginx {
        let directory = self.take_directory();
        let (port, config) = self.render(directory.path());
        Nginx::spawn(directory, port, &config)
    }

    /// Starts an NGINX that must refuse to; its error log.
    #[track_caller]
    pub(crate) fn start_fails(mut self) -> String {
        let directory = self.take_directory();
        let (_, config) = self.render(directory.path());
        write_config(directory.path(), &config);
        let output = command(directory.path()).output().expect("nginx runs");
        assert!(!output.status.success(), "nginx has started");
        fs::read_to_string(directory.path().join("error.log")).unwrap_or_default()
    }

    /// Runs `nginx -t`.
    #[track_caller]
    pub(crate) fn check(mut self) -> ConfigTest {
        let directory = self.take_directory();
        self.check_in(&directory)
    }

    /// Runs `nginx -t` in a directory that the test goes on to use.
    #[track_caller]
    pub(crate) fn check_in(self, directory: &TempDir) -> ConfigTest {
        let (_, config) = self.render(directory.path());
        write_config(directory.path(), &config);
        check_config(directory.path())
    }

    fn take_directory(&mut self) -> TempDir {
        self.directory.take().unwrap_or_else(|| tempfile::tempdir().expect("a directory"))
    }

    /// The port to connect to, and the text of `nginx.conf`.
    pub(super) fn render(&self, directory: &Path) -> (u16, String) {
        let http = match self.config {
            Config::Http(http) => http,
            Config::Full(config) => return (listen_port(config), config.to_owned()),
        };
        let port = free_port();
        let module = built("API_SESSIONS_MODULE");
        let Self { workers, user, main, .. } = self;
        let config = format!(
            "load_module {module};
daemon off;
user {user};
worker_processes {workers};
pid DIR/nginx.pid;
error_log DIR/error.log info;
{main}
events {{ worker_connections 256; }}
http {{
    access_log DIR/access.log;
    client_body_temp_path DIR/body;
    proxy_temp_path DIR/proxy;
    fastcgi_temp_path DIR/fastcgi;
    uwsgi_temp_path DIR/uwsgi;
    scgi_temp_path DIR/scgi;
    log_format session '$request_uri $status $api_session_id $api_session_key $api_session_source $api_session_requests';
{http}
}}
"
        );
        let directory = directory.display().to_string();
        (port, config.replace("PORT", &port.to_string()).replace("DIR", &directory))
    }
}

/// First port of 127.0.0.1 that a configuration listens on; 0 if it has none.
fn listen_port(config: &str) -> u16 {
    let listen = config.split("listen 127.0.0.1:").nth(1).unwrap_or_default();
    let digits: String = listen.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

pub(super) fn write_config(directory: &Path, config: &str) {
    fs::write(directory.join("nginx.conf"), config).expect("written");
}

/// `nginx -t` with the configuration of that directory.
pub(super) fn check_config(directory: &Path) -> ConfigTest {
    let output = command(directory).arg("-t").output().expect("nginx runs");
    ConfigTest {
        ok: output.status.success(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// NGINX with the configuration of that directory.
pub(super) fn command(directory: &Path) -> Command {
    let mut command = Command::new(built("API_SESSIONS_NGINX"));
    command
        .arg("-p")
        .arg(directory)
        .arg("-c")
        .arg(directory.join("nginx.conf"))
        .arg("-e")
        .arg(directory.join("error.log"));
    // The runtime of a sanitizer, for NGINX alone: other programs of the tests do without.
    if let Ok(library) = std::env::var("API_SESSIONS_NGINX_PRELOAD") {
        command.env("LD_PRELOAD", library);
    }
    command
}
