//! JA4 of the client: NGINX's TLS library shows each ClientHello, and its fingerprint stays with the connection.
//!
//! OpenSSL and its relatives hand every handshake message over, in one piece, to a message callback
//! (`SSL_CTX_set_msg_callback`). NGINX leaves it free over TCP. Its functions are looked up in the running process: the
//! module is not linked to a TLS library, and loads where there is none.

#[cfg(nginx_feature = "http_ssl")]
mod client_hello;
#[cfg(nginx_feature = "http_ssl")]
mod library;
#[cfg(nginx_feature = "http_ssl")]
mod needed;
#[cfg(nginx_feature = "http_ssl")]
mod servers;

use api_sessions_tls_fingerprint::Fingerprint;

use crate::conf::Conf;
use crate::request::Request;

/// Observes the handshakes of all servers, from `postconfiguration`.
#[cfg(nginx_feature = "http_ssl")]
pub fn observe(cf: Conf<'_>) {
    let mut contexts = servers::tls_contexts(cf).peekable();
    if contexts.peek().is_none() {
        return;
    }
    match library::get() {
        Some(library) => contexts.for_each(|context| client_hello::observe(library, context)),
        None => cf.notice(
            &"api_sessions: the TLS library of this NGINX does not show handshakes: JA4 is empty",
        ),
    }
}

/// The fingerprint of the client's handshake; `None` without TLS, over HTTP/3, and where the library shows none.
#[cfg(nginx_feature = "http_ssl")]
pub fn fingerprint(r: Request<'_>) -> Option<&Fingerprint> {
    client_hello::fingerprint(library::known()?, r)
}

/// The module is built for an NGINX without TLS.
#[cfg(not(nginx_feature = "http_ssl"))]
pub fn observe(_cf: Conf<'_>) {}

/// There is none.
#[cfg(not(nginx_feature = "http_ssl"))]
pub fn fingerprint(_r: Request<'_>) -> Option<&Fingerprint> {
    None
}
