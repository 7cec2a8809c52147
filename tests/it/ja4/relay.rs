//! A relay between client and NGINX, which keeps the bytes of the wire.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;

/// How the first record of a client is passed on.
#[derive(Clone, Copy)]
pub(super) enum Pass {
    AsSent,
    /// In TLS records of so many bytes of content each (RFC 8446, 5.1).
    InRecordsOf(usize),
}

pub(super) struct Relay {
    pub(super) port: u16,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// Most that is kept of what a client sends: a ClientHello.
const KEPT: usize = 1 << 17;

impl Relay {
    pub(super) fn to(port: u16, pass: Pass) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sent = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let relay = Self { port: listener.local_addr().unwrap().port(), sent: sent.clone() };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
                // Connections are counted in the order in which they come.
                let at = {
                    let mut all = sent.lock();
                    all.push(Vec::new());
                    all.len() - 1
                };
                let (back, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || copy(back, to_client, Pass::AsSent, |_| {}));
                let sent = sent.clone();
                std::thread::spawn(move || {
                    copy(client, server, pass, |bytes| {
                        let kept = &mut sent.lock()[at];
                        kept.extend_from_slice(&bytes[..bytes.len().min(KEPT - kept.len())]);
                    });
                });
            }
        });
        relay
    }

    /// What each client has sent so far, in order of their connections, of those that have sent anything.
    pub(super) fn sent(&self) -> Vec<Vec<u8>> {
        self.sent.lock().iter().filter(|bytes| !bytes.is_empty()).cloned().collect()
    }

    /// What the last client has sent.
    #[track_caller]
    pub(super) fn last(&self) -> Vec<u8> {
        self.sent().pop().expect("a client has connected")
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, pass: Pass, mut seen: impl FnMut(&[u8])) {
    let mut buffer = vec![0; KEPT];
    let mut pass = pass;
    while let Ok(len) = from.read(&mut buffer) {
        if len == 0 {
            break;
        }
        seen(&buffer[..len]);
        let written = match std::mem::replace(&mut pass, Pass::AsSent) {
            Pass::AsSent => to.write_all(&buffer[..len]),
            Pass::InRecordsOf(size) => {
                // A client sends its ClientHello in one piece, and waits.
                let (header, content) = buffer[..len].split_at(5);
                let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
                assert_eq!(length, content.len(), "one record at first");
                content.chunks(size).try_for_each(|part| {
                    to.write_all(&header[..3])?;
                    to.write_all(&(part.len() as u16).to_be_bytes())?;
                    to.write_all(part)
                })
            }
        };
        if written.is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
