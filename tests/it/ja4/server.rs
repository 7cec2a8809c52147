//! An NGINX over TLS that answers with the fingerprint of its client.

use crate::harness::{Nginx, free_port};

use super::oracle::Ja4;

/// What each location answers with.
const SHOW: &str = "ja4=$api_session_ja4 stable=$api_session_ja4_stable raw=$api_session_ja4_raw \
    reused=$ssl_session_reused early=$ssl_early_data session=$api_session_id source=$api_session_source server=$server_name $server_protocol";

pub(super) struct Server {
    pub(super) nginx: Nginx,
    /// Over TLS.
    pub(super) port: u16,
}

impl Server {
    /// With further directives of `http`, and of the server for `www.example.com`, which is not the default one.
    pub(super) fn start(http: &str, server: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let names = ["localhost".to_owned(), "www.example.com".to_owned()];
        let key = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(directory.path().join("c.pem"), key.cert.pem()).unwrap();
        std::fs::write(directory.path().join("c.key"), key.signing_key.serialize_pem()).unwrap();
        let port = free_port();
        let nginx = Nginx::builder()
            .directory(directory)
            .workers(1)
            .http(&format!(
                "
                    api_sessions on;
                    ssl_certificate DIR/c.pem;
                    ssl_certificate_key DIR/c.key;
                    ssl_protocols TLSv1.2 TLSv1.3;
                    ssl_session_cache shared:tls:1m;
                    ssl_early_data on;
                    http2_max_concurrent_streams 8;
                    log_format ja4 '$api_session_ja4 $api_session_ja4_stable $uri $server_protocol '
                        '$ssl_session_reused $http_upgrade';
                    access_log DIR/ja4.log ja4;
                    {http}
                    server {{ listen 127.0.0.1:PORT; return 200 \"{SHOW}\"; }}
                    server {{
                        listen 127.0.0.1:{port} ssl http2 default_server;
                        server_name default.example.com;
                        location / {{ return 200 \"{SHOW}\"; }}
                        location /page/ {{ root DIR; default_type text/html; }}
                    }}
                    server {{
                        listen 127.0.0.1:{port} ssl http2;
                        server_name www.example.com;
                        {server}
                        location / {{ return 200 \"{SHOW}\"; }}
                    }}
                "
            ))
            .start();
        Self { nginx, port }
    }
}

/// One member of an answer.
#[track_caller]
pub(super) fn member<'a>(answer: &'a str, name: &str) -> &'a str {
    let start = answer.find(&format!("{name}=")).unwrap_or_else(|| panic!("{name} in {answer}"));
    let value = &answer[start + name.len() + 1..];
    &value[..value.find(' ').expect("a space behind it")]
}

/// The forms in an answer.
#[track_caller]
pub(super) fn shown(answer: &str) -> Ja4 {
    let member = |name| member(answer, name).to_owned();
    Ja4 { ja4: member("ja4"), stable: member("stable"), raw: member("raw") }
}
