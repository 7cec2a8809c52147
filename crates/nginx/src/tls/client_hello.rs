//! Computes the fingerprint from a connection's ClientHello and stores it with the connection.

use std::ffi::{c_int, c_void};

use api_sessions_tls_fingerprint::Fingerprint;
use ngx::ffi::{SSL, SSL_CTX, SSL3_MT_CLIENT_HELLO, SSL3_RT_HANDSHAKE};

use super::library::{self, Library};
use crate::catch_unwind::catch_unwind_ffi;
use crate::request::Request;

/// `NGX_HTTP_VERSION_30`, not defined by an NGINX without HTTP/3.
const HTTP_3: usize = 3000;

/// Installs the message callback for new connections of the context. A connection keeps it when SNI selects another
/// server (`SSL_set_SSL_CTX`).
pub(super) fn observe(library: &Library, context: *mut SSL_CTX) {
    // SAFETY: a context of NGINX, created by the library that NGINX uses.
    unsafe { (library.set_context_callback)(context, Some(on_message)) };
}

/// Fingerprints only the first ClientHello: after a HelloRetryRequest or in a renegotiation, the ClientHello depends on
/// the server.
unsafe extern "C" fn on_message(
    is_sent: c_int,
    _version: c_int,
    content_type: c_int,
    message: *const c_void,
    len: usize,
    ssl: *mut SSL,
    _arg: *mut c_void,
) {
    catch_unwind_ffi((), || {
        if is_sent != 0 || content_type != SSL3_RT_HANDSHAKE as c_int || message.is_null() {
            return;
        }
        let Some(library) = library::known() else { return };
        // SAFETY: the library passes a whole message, valid until the callback returns.
        let message = unsafe { std::slice::from_raw_parts(message.cast::<u8>(), len) };
        if message.first().copied().map(u32::from) != Some(SSL3_MT_CLIENT_HELLO) {
            return;
        }
        // SAFETY: the live connection that the library passes.
        unsafe { (library.set_callback)(ssl, None) };
        if let Some(fingerprint) = Fingerprint::of_client_hello(message) {
            keep(library, ssl, fingerprint);
        }
    });
}

fn keep(library: &Library, ssl: *mut SSL, fingerprint: Fingerprint) {
    let data = Box::into_raw(Box::new(fingerprint));
    // SAFETY: as above. Nothing is stored at the index yet, since this runs once per connection. If the library fails
    // to store the pointer, the box is still ours.
    unsafe {
        if (library.set_data)(ssl, library.index, data.cast()) != 1 {
            drop(Box::from_raw(data));
        }
    }
}

/// The fingerprint of the request's connection.
#[inline]
pub(super) fn fingerprint<'r>(library: &Library, r: Request<'r>) -> Option<&'r Fingerprint> {
    // SAFETY: a request always has a connection, whose `SSL` lives until all its requests are freed; NGINX's own
    // variables rely on that (`ngx_http_ssl_variable`). An HTTP/2 stream points to the `SSL` of its parent. The pointer
    // at the index is null or the box from `keep`, which is only read.
    unsafe {
        // Over QUIC, NGINX itself uses the callback with some TLS libraries (`ngx_quic_compat_init`). For consistency,
        // HTTP/3 has no fingerprint with any library.
        if (*r.as_ptr()).http_version == HTTP_3 {
            return None;
        }
        let tls = (*(*r.as_ptr()).connection).ssl.as_ref()?;
        (library.data)(tls.connection, library.index).cast::<Fingerprint>().as_ref()
    }
}
