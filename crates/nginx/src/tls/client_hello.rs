//! From the ClientHello of a connection to the fingerprint that is kept with it.

use std::ffi::{c_int, c_void};

use api_sessions_tls_fingerprint::Fingerprint;
use ngx::ffi::{SSL, SSL_CTX, SSL3_MT_CLIENT_HELLO, SSL3_RT_HANDSHAKE};

use super::library::{self, Library};
use crate::catch_unwind::catch_unwind_ffi;
use crate::request::Request;

/// `NGX_HTTP_VERSION_30`, which an NGINX without HTTP/3 does not know.
const HTTP_3: usize = 3000;

/// Connections under that context show their handshake from now on. They keep the callback when SNI leads them to
/// another server (`SSL_set_SSL_CTX`).
pub(super) fn observe(library: &Library, context: *mut SSL_CTX) {
    // SAFETY: a context of NGINX's, of the library that NGINX uses.
    unsafe { (library.set_context_callback)(context, Some(on_message)) };
}

/// The first ClientHello counts: after a HelloRetryRequest or a renegotiation, the client answers what the server
/// has asked for.
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
        // SAFETY: the library calls with a whole message, which is there until the callback returns.
        let message = unsafe { std::slice::from_raw_parts(message.cast::<u8>(), len) };
        if message.first().copied().map(u32::from) != Some(SSL3_MT_CLIENT_HELLO) {
            return;
        }
        // SAFETY: the connection that the library calls for.
        unsafe { (library.set_callback)(ssl, None) };
        if let Some(fingerprint) = Fingerprint::of_client_hello(message) {
            keep(library, ssl, fingerprint);
        }
    });
}

fn keep(library: &Library, ssl: *mut SSL, fingerprint: Fingerprint) {
    let data = Box::into_raw(Box::new(fingerprint));
    // SAFETY: as above. Nothing is at the index yet, since the callback runs once a connection; where the
    // library has no memory for it, it is ours still.
    unsafe {
        if (library.set_data)(ssl, library.index, data.cast()) != 1 {
            drop(Box::from_raw(data));
        }
    }
}

/// Of the connection that the request came on.
#[inline]
pub(super) fn fingerprint<'r>(library: &Library, r: Request<'r>) -> Option<&'r Fingerprint> {
    // SAFETY: a request always has a connection, and that the `SSL` of its TLS until all its requests are freed,
    // as NGINX's own variables rely on (`ngx_http_ssl_variable`); a stream of HTTP/2 points to that of its
    // parent. What is at the index is null or the box of `keep`, which is handed out
    // for reading alone.
    unsafe {
        // Over QUIC it depends on the TLS library whether NGINX itself needs the callback
        // (`ngx_quic_compat_init`): there is no fingerprint whatever the library.
        if (*r.as_ptr()).http_version == HTTP_3 {
            return None;
        }
        let tls = (*(*r.as_ptr()).connection).ssl.as_ref()?;
        (library.data)(tls.connection, library.index).cast::<Fingerprint>().as_ref()
    }
}
