//! The client's JA4 fingerprint, computed from the ClientHello and stored with the connection.
//!
//! OpenSSL and its forks pass every handshake message whole to a message callback (`SSL_CTX_set_msg_callback`), which
//! NGINX does not use over TCP. The library's functions are looked up in the running process: the module is not linked
//! to a TLS library, and also loads into an NGINX without one.

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

/// Observes the handshakes of all servers. Called from `postconfiguration`.
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

/// The fingerprint of the client's handshake; `None` without TLS, over HTTP/3, or if the TLS library is not supported.
#[cfg(nginx_feature = "http_ssl")]
pub fn fingerprint(r: Request<'_>) -> Option<&Fingerprint> {
    client_hello::fingerprint(library::known()?, r)
}

/// Does nothing: this NGINX is built without TLS.
#[cfg(not(nginx_feature = "http_ssl"))]
pub fn observe(_cf: Conf<'_>) {}

/// Always `None`: this NGINX is built without TLS.
#[cfg(not(nginx_feature = "http_ssl"))]
pub fn fingerprint(_r: Request<'_>) -> Option<&Fingerprint> {
    None
}
