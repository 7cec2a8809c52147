//! `api_sessions_preread_body on` before content handlers of all kinds: each gets the body that was sent.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Backends, Nginx, built, free_port, skip};

/// How a body is sent.
const WAYS: [&[&str]; 4] = [
    &["--http1.1", "--data-binary", "@-"],
    &["--http1.1", "-T", "-", "-X", "POST"],
    &["--http2-prior-knowledge", "--data-binary", "@-"],
    &["--http2-prior-knowledge", "-T", "-", "-X", "POST"],
];

fn bodies() -> [String; 4] {
    [0, 500, 40_000, 300_000].map(|n| format!(r#"{{"token":"tok12345","x":"{}"}}"#, "y".repeat(n)))
}

/// The answer's body, behind the label of the key and the status.
fn ask(port: u16, path: &str, way: &[&str], body: &str) -> String {
    let mut curl = Command::new("curl")
        .args(["-sS", "--max-time", "20", "-H", "Content-Type: application/json", "-H", "Expect:"])
        .args(["-w", " %header{x-key} %{http_code}"])
        .args(way)
        .arg(format!("http://127.0.0.1:{port}{path}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl runs");
    // A server that has answered reads no more.
    let _ = curl.stdin.take().unwrap().write_all(body.as_bytes());
    String::from_utf8(curl.wait_with_output().unwrap().stdout).unwrap()
}

/// What a handler answers that got that body.
fn expected(body: &str) -> String {
    let mut md5 =
        Command::new("md5sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    md5.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = md5.wait_with_output().unwrap();
    let sum = String::from_utf8_lossy(&output.stdout[..32]).into_owned();
    format!("{} {sum} token 200", body.len())
}

fn http(h2: u16, locations: &str) -> String {
    format!(
        "
            api_sessions on;
            api_sessions_deny on;
            session_key request.body.json.token name=token;
            api_sessions_preread_body on;
            client_max_body_size 10m;
            add_header X-Key $api_session_key;
            server {{
                listen 127.0.0.1:PORT;
                listen 127.0.0.1:{h2} http2;
                {locations}
            }}
        "
    )
}

/// Sends all bodies in all ways to that path.
#[track_caller]
fn check(nginx: &Nginx, h2: u16, path: &str) {
    for body in bodies() {
        let expected = expected(&body);
        for way in WAYS {
            let port = if way[0].contains("http2") { h2 } else { nginx.port };
            assert_eq!(ask(port, path, way, &body), expected, "{path} {way:?} {}", body.len());
        }
    }
}

#[test]
fn upstreams_of_every_protocol_get_the_body_whatever_is_asked_of_it() {
    let backends = Backends::start();
    let mut locations = String::new();
    let mut paths = Vec::new();
    for protocol in ["uwsgi", "scgi", "fastcgi", "grpc"] {
        let scheme = if protocol == "grpc" { "grpc://" } else { "" };
        let length = match protocol {
            "grpc" => String::new(),
            _ => format!("{protocol}_param CONTENT_LENGTH $content_length;"),
        };
        let unbuffered = match protocol {
            "grpc" => String::new(),
            _ => format!("{protocol}_request_buffering off;"),
        };
        for (name, wish) in [
            ("plain", ""),
            ("single", "client_body_in_single_buffer on;"),
            ("file", "client_body_in_file_only clean;"),
            ("unbuffered", &*unbuffered),
        ] {
            let port = backends.port(protocol);
            locations += &format!(
                "location = /{protocol}/{name} {{ {length} {wish} {protocol}_pass {scheme}127.0.0.1:{port}; }}"
            );
            paths.push(format!("/{protocol}/{name}"));
        }
    }
    let h2 = free_port();
    let nginx = Nginx::builder().http(&http(h2, &locations)).start();
    for path in paths {
        check(&nginx, h2, &path);
    }
}

#[test]
fn a_handler_that_throws_the_body_away_leaves_the_connection_in_order() {
    let backends = Backends::start();
    let locations = format!(
        "location / {{ set $memcached_key k; memcached_pass 127.0.0.1:{}; }}",
        backends.port("memcached")
    );
    let nginx = Nginx::builder().http(&http(free_port(), &locations)).start();
    // memcached_pass takes GET alone. (Over HTTP/2, NGINX resets the stream of a body that it throws away, which curl
    // takes for an error, if it comes before the answer is read.)
    for body in bodies() {
        for way in &WAYS[..2] {
            let second = format!("http://127.0.0.1:{}/two", nginx.port);
            let way = [*way, &["-X", "GET", &*second]].concat();
            let answers = ask(nginx.port, "/one", &way, &body);
            let place = format!("{way:?} {}: {answers}", body.len());
            assert!(answers.starts_with("value token 200value "), "{place}");
            assert!(answers.ends_with(" 200"), "{place}");
        }
    }
}

/// Whether Debian has built that module for the NGINX that is tested.
fn has_module(name: &str) -> bool {
    built("API_SESSIONS_NGINX") == "/usr/sbin/nginx"
        && Path::new(&format!("/usr/lib/nginx/modules/{name}.so")).exists()
}

fn load(name: &str) -> String {
    format!("load_module /usr/lib/nginx/modules/{name}.so;")
}

const PERL: &str = "
    perl 'sub {
        my $r = shift;
        use Digest::MD5;
        my $answer = sub {
            my $r = shift;
            my $body = $r->request_body;
            if (!defined $body) {
                open(my $file, \"<\", $r->request_body_file) or return 500;
                local $/;
                $body = <$file>;
            }
            $r->send_http_header(\"text/plain\");
            $r->print(length($body) . \" \" . Digest::MD5::md5_hex($body));
            return 0;
        };
        return $r->has_request_body($answer) ? 0 : 400;
    }';
";

#[test]
fn perl_gets_the_body() {
    if !has_module("ngx_http_perl_module") {
        return skip("debian_modules: there is no libnginx-mod-http-perl for this NGINX");
    }
    let h2 = free_port();
    let locations = format!(
        "location /plain {{ {PERL} }} location /file {{ client_body_in_file_only clean; {PERL} }}"
    );
    let nginx =
        Nginx::builder().main(&load("ngx_http_perl_module")).http(&http(h2, &locations)).start();
    check(&nginx, h2, "/plain");
    check(&nginx, h2, "/file");
}

#[test]
fn lua_gets_the_body_read_or_from_the_socket() {
    if !has_module("ngx_http_lua_module") {
        return skip("debian_modules: there is no libnginx-mod-http-lua for this NGINX");
    }
    let h2 = free_port();
    let locations = "
        location /plain {
            content_by_lua_block {
                ngx.req.read_body()
                local body = ngx.req.get_body_data()
                if not body then
                    local file = io.open(ngx.req.get_body_file())
                    body = file:read('*a')
                    file:close()
                end
                ngx.print(#body, ' ', ngx.md5(body))
            }
        }
        location /socket {
            content_by_lua_block {
                local socket = ngx.req.socket()
                local body = socket:receive(tonumber(ngx.var.http_content_length))
                ngx.print(#body, ' ', ngx.md5(body))
            }
        }
    ";
    let modules = [load("ndk_http_module"), load("ngx_http_lua_module")].concat();
    let nginx = Nginx::builder().main(&modules).http(&http(h2, locations)).start();
    check(&nginx, h2, "/plain");
    // Lua has no socket for chunks, nor for HTTP/2.
    for body in bodies() {
        assert_eq!(ask(nginx.port, "/socket", WAYS[0], &body), expected(&body), "{}", body.len());
    }
}

const JS: &str = "
    import crypto from 'crypto';
    import fs from 'fs';
    function echo(r) {
        var body = r.requestBuffer || fs.readFileSync(r.variables.request_body_file);
        r.return(200, body.length + ' ' + crypto.createHash('md5').update(body).digest('hex'));
    }
    export default { echo };
";

#[test]
fn njs_gets_the_body() {
    if !has_module("ngx_http_js_module") {
        return skip("debian_modules: there is no libnginx-mod-http-js for this NGINX");
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("echo.js"), JS).unwrap();
    let h2 = free_port();
    let locations = "
        client_body_buffer_size 1m;
        location /plain { js_content echo.echo; }
        location /single { client_body_in_single_buffer on; js_content echo.echo; }
    ";
    let conf = format!("js_path DIR; js_import echo.js; {}", http(h2, locations));
    let nginx =
        Nginx::builder().directory(directory).main(&load("ngx_http_js_module")).http(&conf).start();
    check(&nginx, h2, "/plain");
    check(&nginx, h2, "/single");
}
