//! HTTP/3, where there is no `Host` header: with an NGINX that has it.

use std::process::Command;
use std::sync::Arc;

use crate::harness::{Cloud, Nginx, built, eventually, free_port, get, request, skip};
use crate::transport::{OK, Upstream};
use crate::{open_requests, preread_streams};

/// Trusts the certificate of the test alone.
fn client(certificate: &[u8]) -> quinn::Endpoint {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.to_vec().into()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let quic = quinn::crypto::rustls::QuicClientConfig::try_from(tls).expect("a configuration");
    let address = "127.0.0.1:0".parse().expect("an address");
    let mut endpoint = quinn::Endpoint::client(address).expect("a socket");
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(quic)));
    endpoint
}

type Sender = h3::client::SendRequest<h3_quinn::OpenStreams, bytes::Bytes>;

/// Runs `ask` on a connection of its own.
async fn connected<T>(port: u16, certificate: &[u8], ask: impl AsyncFnOnce(Sender) -> T) -> T {
    let endpoint = client(certificate);
    let address = ([127, 0, 0, 1], port).into();
    let connection = endpoint.connect(address, "api.example.com").expect("a connection");
    let connection = connection.await.expect("connected");
    let closing = connection.clone();
    let (mut driver, sender) =
        // NGINX takes a request that ends with a frame of grease for one that breaks off.
        h3::client::builder()
            .send_grease(false)
            .build(h3_quinn::Connection::new(connection))
            .await
            .expect("HTTP/3");
    let driver =
        tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
    let answer = ask(sender).await;
    driver.abort();
    // Said and acknowledged: an NGINX that is to end waits for the connections it knows of.
    closing.close(0u32.into(), b"");
    endpoint.wait_idle().await;
    answer
}

fn get_request(path: &str, sid: &str) -> http::Request<()> {
    http::Request::get(format!("https://api.example.com{path}"))
        .header("cookie", "first=1")
        .header("cookie", format!("sid={sid}"))
        .body(())
        .expect("a request")
}

async fn ask(mut sender: Sender) -> u16 {
    let mut stream = sender.send_request(get_request("/h3?q=1", "abc")).await.expect("sent");
    stream.finish().await.expect("finished");
    let answer = stream.recv_response().await.expect("an answer");
    while stream.recv_data().await.expect("data").is_some() {}
    answer.status().as_u16()
}

fn has_http3() -> bool {
    let version = Command::new(built("API_SESSIONS_NGINX")).arg("-V").output().expect("nginx");
    String::from_utf8_lossy(&version.stderr).contains("http_v3_module")
}

/// A directory with a certificate, and the certificate.
fn certified() -> (tempfile::TempDir, rcgen::CertifiedKey<rcgen::KeyPair>) {
    let directory = tempfile::tempdir().unwrap();
    let key = rcgen::generate_simple_self_signed(["api.example.com".to_owned()]).unwrap();
    std::fs::write(directory.path().join("c.pem"), key.cert.pem()).unwrap();
    std::fs::write(directory.path().join("c.key"), key.signing_key.serialize_pem()).unwrap();
    (directory, key)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn http3_requests_have_a_host_without_its_header_and_one_record() {
    if !has_http3() {
        return skip("this NGINX has no HTTP/3");
    }
    let (directory, key) = certified();
    let cloud = Cloud::start();
    let port = free_port();
    let nginx = Nginx::builder()
        .directory(directory)
        .workers(1)
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                session_key request.cookie.sid name=sid;
                context_param request.host name=host;
                context_param ja4:$api_session_ja4$api_session_ja4_raw name=ja4;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ return 200 ok; }}
                }}
                server {{
                    listen 127.0.0.1:{port} quic;
                    ssl_certificate DIR/c.pem;
                    ssl_certificate_key DIR/c.key;
                    location / {{ return 200 ok; }}
                }}
            ",
            cloud.export()
        ))
        .start();
    assert_eq!(runtime().block_on(connected(port, key.cert.der(), ask)), 200);
    get(nginx.port, "/h1", &[("Cookie", "sid=abc")]);
    let session = cloud.sessions(2).remove(0);
    assert_eq!(session["requests"], 2, "the same session as over HTTP/1.1");
    let records = cloud.records(session["session"].as_str().unwrap(), 2);
    let record = eventually("its record", || records.iter().find(|record| record["path"] == "/h3"));
    assert_eq!(
        (&record["proto"], &record["host"]),
        (&"HTTP/3.0".into(), &"api.example.com".into())
    );
    let host = record["params"].as_array().unwrap().iter().find(|param| param["name"] == "host");
    assert_eq!(host.unwrap()["value"], "api.example.com");
    let ja4 = record["params"].as_array().unwrap().iter().find(|param| param["name"] == "ja4");
    assert_eq!(ja4.unwrap()["value"], "ja4:", "NGINX needs the callback itself over QUIC");
}

#[test]
fn a_stream_of_a_denied_session_went_on_over_http3() {
    if !has_http3() {
        return skip("this NGINX has no HTTP/3");
    }
    let (directory, key) = certified();
    let (port, upstream) = (free_port(), open_requests::upstream());
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .directory(directory)
        .workers(1)
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                api_sessions_deny on;
                session_key request.cookie.sid;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ return 200 $api_session_id; }}
                    location = /control {{ api_sessions off; api_sessions_control; }}
                }}
                server {{
                    listen 127.0.0.1:{port} quic;
                    ssl_certificate DIR/c.pem;
                    ssl_certificate_key DIR/c.key;
                    location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_buffering off; }}
                }}
            ",
            cloud.export()
        ))
        .start();
    let bad = get(nginx.port, "/", &[("Cookie", "sid=bad")]).body;
    runtime().block_on(connected(port, key.cert.der(), async |mut sender: Sender| {
        let mut streams = Vec::new();
        for sid in ["bad", "good"] {
            let mut stream = sender.send_request(get_request("/events", sid)).await.expect("sent");
            stream.finish().await.expect("finished");
            stream.recv_response().await.expect("an answer");
            assert!(stream.recv_data().await.expect("data").is_some());
            streams.push(stream);
        }
        let body = format!("{{\"session\":\"{bad}\"}}");
        assert_eq!(request(nginx.port, "POST", "/control", &[], &body).status, 201);
        while let Ok(data) = streams[0].recv_data().await {
            assert!(data.is_some(), "the stream has ended as if it were complete");
        }
        for _ in 0..20 {
            assert!(streams[1].recv_data().await.expect("data").is_some());
        }
    }));
    let records = cloud.records(&bad, 2);
    assert_eq!(records.iter().filter(|record| record["denied"] == true).count(), 1);
}

/// Posts a body in pieces, of which each is a frame of its own; the status.
async fn post(mut sender: Sender, path: &str, body: &[u8], piece: usize, told: bool) -> u16 {
    let request = http::Request::post(format!("https://api.example.com{path}"))
        .header("content-type", "application/json");
    let request = match told {
        true => request.header("content-length", body.len()),
        false => request,
    };
    let mut stream = sender.send_request(request.body(()).unwrap()).await.expect("sent");
    for piece in body.chunks(piece) {
        stream.send_data(bytes::Bytes::copy_from_slice(piece)).await.expect("sent");
    }
    stream.finish().await.expect("finished");
    let answer = stream.recv_response().await.expect("an answer");
    while stream.recv_data().await.expect("data").is_some() {}
    answer.status().as_u16()
}

fn prereading(port: u16, up: u16, more: &str) -> String {
    format!(
        "
            api_sessions on;
            session_key request.body.json.token name=token;
            api_sessions_preread_body on;
            client_max_body_size 10m;
            proxy_http_version 1.1;
            proxy_set_header X-Key $api_session_key;
            {more}
            server {{ listen 127.0.0.1:PORT; }}
            server {{
                listen 127.0.0.1:{port} quic;
                ssl_certificate DIR/c.pem;
                ssl_certificate_key DIR/c.key;
                location / {{ proxy_pass http://127.0.0.1:{up}; }}
                location /stream {{ proxy_pass http://127.0.0.1:{up}; proxy_request_buffering off; }}
            }}
        "
    )
}

#[test]
fn bodies_over_http3_arrive_whole_in_whatever_frames_after_a_look_at_them() {
    if !has_http3() {
        return skip("this NGINX has no HTTP/3");
    }
    for more in ["", "api_sessions_body_size 1k;"] {
        let (directory, key) = certified();
        let upstream = Upstream::plain(OK);
        let port = free_port();
        let conf = prereading(port, upstream.port, more);
        let _nginx = Nginx::builder().directory(directory).workers(1).http(&conf).start();
        for (padding, piece) in
            [(0, 10), (900, 1), (500, 7), (20_000, 1000), (20_000, 30_000), (300_000, 50_000)]
        {
            let text = format!(r#"{{"token":"tok12345","x":"{}"}}"#, "y".repeat(padding));
            let body = text.as_bytes();
            for (path, told) in
                [("/whole", true), ("/whole", false), ("/stream", true), ("/stream", false)]
            {
                let place = format!("{more} {padding} {piece} {path} {told}");
                let status =
                    runtime().block_on(connected(port, key.cert.der(), async |sender: Sender| {
                        post(sender, path, body, piece, told).await
                    }));
                assert_eq!(status, 200, "{place}");
                let (head, got) = eventually(&place, || upstream.got.lock().pop());
                assert!(head.contains("x-key: token\r\n"), "{place}: {head}");
                if head.contains("content-length") {
                    assert!(got == body, "{place}: {} bytes", got.len());
                } else {
                    let y = got.iter().filter(|byte| **byte == b'y').count();
                    assert_eq!(y, padding, "{place}: {head}");
                }
            }
        }
    }
}

#[test]
fn an_upload_over_http3_was_buffered_before_it_was_passed_on() {
    if !has_http3() {
        return skip("this NGINX has no HTTP/3");
    }
    let (directory, key) = certified();
    let text = format!(r#"{{"token":"tok12345","x":"{}"}}"#, "y".repeat(50_000));
    let (up, told) = preread_streams::upstream(text.len());
    let port = free_port();
    let conf = prereading(port, up, "api_sessions_body_size 1k;");
    let _nginx = Nginx::builder().directory(directory).workers(1).http(&conf).start();
    runtime().block_on(connected(port, key.cert.der(), async |mut sender: Sender| {
        let request = http::Request::post("https://api.example.com/stream")
            .header("content-type", "application/json")
            .header("content-length", text.len())
            .body(())
            .unwrap();
        let mut stream = sender.send_request(request).await.expect("sent");
        let (begin, end) = text.as_bytes().split_at(20_000);
        for piece in begin.chunks(7000) {
            stream.send_data(bytes::Bytes::copy_from_slice(piece)).await.expect("sent");
        }
        let mut passed = Vec::new();
        while !passed.windows(5).any(|five| five == b"yyyyy") {
            passed.extend(told.try_iter().flatten());
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let head = String::from_utf8_lossy(&passed).to_lowercase();
        assert!(head.contains("x-key: token\r\n"), "{head}");
        stream.send_data(bytes::Bytes::copy_from_slice(end)).await.expect("sent");
        stream.finish().await.expect("finished");
        assert_eq!(stream.recv_response().await.expect("an answer").status(), 200);
        passed.extend(told.try_iter().flatten());
        assert!(passed.ends_with(text.as_bytes()), "{} bytes were passed on", passed.len());
    }));
}
