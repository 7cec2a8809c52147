//! Clients of other people.

use std::io::Write;
use std::process::{Command, Stdio};

/// What a program writes, standard error included if it fails.
#[track_caller]
fn output(program: &str, words: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) = (output.stdout, output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&err));
    String::from_utf8_lossy(&out).into_owned()
}

/// The answer to curl.
#[track_caller]
pub(super) fn curl(port: u16, words: &[&str]) -> String {
    let url = format!("https://www.example.com:{port}/");
    let resolve = format!("www.example.com:{port}:127.0.0.1");
    let own = ["-sSk", "--max-time", "20", "--resolve", &resolve, &url];
    output("curl", &[&own, words].concat(), "")
}

/// The answer to curl that was given an IP address.
#[track_caller]
pub(super) fn curl_by_address(port: u16) -> String {
    output("curl", &["-sSk", "--max-time", "20", &format!("https://127.0.0.1:{port}/")], "")
}

/// The answer to `openssl s_client`, which reads until the server closes.
#[track_caller]
pub(super) fn s_client(port: u16, words: &[&str]) -> String {
    let to = format!("127.0.0.1:{port}");
    let request = "GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n";
    let own = ["s_client", "-connect", &to, "-quiet", "-ign_eof"];
    output("openssl", &[&own, words].concat(), request)
}

/// The answer to a Python program, which finds the port in `PORT`, and `ask(context, session)`: one request, which
/// prints the answer and returns the session.
#[track_caller]
pub(super) fn python(port: u16, program: &str) -> String {
    let own = "
import socket, ssl, sys
def ask(context, session=None, name='www.example.com'):
    with context.wrap_socket(socket.create_connection(('127.0.0.1', PORT), 20),
                             server_hostname=name, session=session) as tls:
        tls.sendall(b'GET / HTTP/1.1\\r\\nHost: www.example.com\\r\\nConnection: close\\r\\n\\r\\n')
        answer = b''
        while part := tls.recv(65536):
            answer += part
        print(answer.decode().split('\\r\\n\\r\\n')[1])
        return tls.session
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
";
    let program = format!("{}{program}", own.replace("PORT", &port.to_string()));
    output("python3", &["-c", &program], "")
}
