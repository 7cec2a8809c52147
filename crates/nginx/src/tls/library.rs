//! The functions of the TLS library that NGINX uses, looked up in the running process.

use std::ffi::{CStr, c_int, c_long, c_void};
use std::mem::transmute_copy;
use std::ptr;
use std::sync::OnceLock;

use api_sessions_tls_fingerprint::Fingerprint;
use ngx::ffi::{CRYPTO_EX_DATA, CRYPTO_EX_INDEX_SSL, CRYPTO_EX_dup, CRYPTO_EX_free, SSL, SSL_CTX};

use super::needed;
use crate::catch_unwind::catch_unwind_ffi;

/// Arguments: nonzero if the message was sent, version, content type, message, length, connection, argument.
pub(super) type MessageCallback =
    unsafe extern "C" fn(c_int, c_int, c_int, *const c_void, usize, *mut SSL, *mut c_void);

/// The functions have the same types in OpenSSL since 1.1.1, LibreSSL, BoringSSL and AWS-LC.
pub(super) struct Library {
    /// `SSL_CTX_set_msg_callback`.
    pub(super) set_context_callback: unsafe extern "C" fn(*mut SSL_CTX, Option<MessageCallback>),
    /// `SSL_set_msg_callback`.
    pub(super) set_callback: unsafe extern "C" fn(*mut SSL, Option<MessageCallback>),
    /// `SSL_set_ex_data`; 1 is success.
    pub(super) set_data: unsafe extern "C" fn(*mut SSL, c_int, *mut c_void) -> c_int,
    /// `SSL_get_ex_data`.
    pub(super) data: unsafe extern "C" fn(*const SSL, c_int) -> *mut c_void,
    /// Index of the fingerprint in a connection's ex_data.
    pub(super) index: c_int,
}

/// The headers agree. Unused, so that it refers to no symbol of the library.
const _: () = {
    let _: unsafe extern "C" fn(*mut SSL_CTX, Option<MessageCallback>) =
        ngx::ffi::SSL_CTX_set_msg_callback;
    let _: unsafe extern "C" fn(*mut SSL, Option<MessageCallback>) = ngx::ffi::SSL_set_msg_callback;
    let _: unsafe extern "C" fn(*mut SSL, c_int, *mut c_void) -> c_int = ngx::ffi::SSL_set_ex_data;
    let _: unsafe extern "C" fn(*const SSL, c_int) -> *mut c_void = ngx::ffi::SSL_get_ex_data;
};

/// Initialized once per process, so that a reload does not allocate another index. Workers inherit it from the master.
static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();

/// The library; `None` if it lacks one of the functions.
pub(super) fn get() -> Option<&'static Library> {
    LIBRARY.get_or_init(find).as_ref()
}

/// Like [`get`], but never looks the library up: `None` until [`get`] has been called.
#[inline]
pub(super) fn known() -> Option<&'static Library> {
    LIBRARY.get()?.as_ref()
}

fn find() -> Option<Library> {
    // SAFETY: the functions have these types, see `Library`.
    unsafe {
        Some(Library {
            set_context_callback: function(c"SSL_CTX_set_msg_callback")?,
            set_callback: function(c"SSL_set_msg_callback")?,
            set_data: function(c"SSL_set_ex_data")?,
            data: function(c"SSL_get_ex_data")?,
            index: new_index()?,
        })
    }
}

/// Allocates an ex_data index for connections.
fn new_index() -> Option<c_int> {
    type Own = unsafe extern "C" fn(
        c_long,
        *mut c_void,
        *mut c_void,
        CRYPTO_EX_dup,
        CRYPTO_EX_free,
    ) -> c_int;
    type OfClass = unsafe extern "C" fn(
        c_int,
        c_long,
        *mut c_void,
        *mut c_void,
        CRYPTO_EX_dup,
        CRYPTO_EX_free,
    ) -> c_int;
    let (none, dup, free) = (ptr::null_mut(), Some(do_not_copy as _), Some(free as _));
    // SAFETY: BoringSSL and LibreSSL export `SSL_get_ex_new_index`. In OpenSSL it is a macro that calls
    // `CRYPTO_get_ex_new_index`, whose type differs in BoringSSL; so the former is tried first.
    let index = unsafe {
        match function::<Own>(c"SSL_get_ex_new_index") {
            Some(new_index) => new_index(0, none, none, dup, free),
            None => {
                let new_index = function::<OfClass>(c"CRYPTO_get_ex_new_index")?;
                new_index(CRYPTO_EX_INDEX_SSL as c_int, 0, none, none, dup, free)
            }
        }
    };
    (index >= 0).then_some(index)
}

/// A function of the library that NGINX itself is linked to. Another module may have loaded a different TLS library,
/// which must not be given NGINX's connections.
///
/// # Safety
/// `F` is the type of the function of that name.
unsafe fn function<F>(name: &CStr) -> Option<F> {
    // SAFETY: a lookup by name. `F` is a function pointer by the caller's contract, so it has the size of the address.
    unsafe {
        let address = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        (!address.is_null() && needed::is_of_program(address)).then(|| transmute_copy(&address))
    }
}

/// Frees the fingerprint when its connection is freed.
unsafe extern "C" fn free(
    _parent: *mut c_void,
    data: *mut c_void,
    _all: *mut CRYPTO_EX_DATA,
    _index: c_int,
    _argl: c_long,
    _argp: *mut c_void,
) {
    catch_unwind_ffi((), || {
        if !data.is_null() {
            // SAFETY: `client_hello` stored a box; the library calls this once per connection.
            drop(unsafe { Box::from_raw(data.cast::<Fingerprint>()) });
        }
    });
}

/// Leaves a copy of a connection (`SSL_dup`) without a fingerprint; otherwise both would free the same box.
unsafe extern "C" fn do_not_copy(
    _to: *mut CRYPTO_EX_DATA,
    _from: *const CRYPTO_EX_DATA,
    data: *mut *mut c_void,
    _index: c_int,
    _argl: c_long,
    _argp: *mut c_void,
) -> c_int {
    // SAFETY: `data` is null or points to the pointer that the library is about to store in the copy.
    unsafe {
        if !data.is_null() {
            *data = ptr::null_mut();
        }
    }
    1
}
