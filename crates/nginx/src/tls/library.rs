//! The functions of the TLS library that NGINX uses, found in the running process.

use std::ffi::{CStr, c_int, c_long, c_void};
use std::mem::transmute_copy;
use std::ptr;
use std::sync::OnceLock;

use api_sessions_tls_fingerprint::Fingerprint;
use ngx::ffi::{CRYPTO_EX_DATA, CRYPTO_EX_INDEX_SSL, CRYPTO_EX_dup, CRYPTO_EX_free, SSL, SSL_CTX};

use super::needed;
use crate::catch_unwind::catch_unwind_ffi;

/// What a message callback is called with: whether it was sent, version, content type, message, length, connection.
pub(super) type MessageCallback =
    unsafe extern "C" fn(c_int, c_int, c_int, *const c_void, usize, *mut SSL, *mut c_void);

/// The functions have the same types in OpenSSL from 1.1.1 on, LibreSSL, BoringSSL and AWS-LC.
pub(super) struct Library {
    /// `SSL_CTX_set_msg_callback`.
    pub(super) set_context_callback: unsafe extern "C" fn(*mut SSL_CTX, Option<MessageCallback>),
    /// `SSL_set_msg_callback`.
    pub(super) set_callback: unsafe extern "C" fn(*mut SSL, Option<MessageCallback>),
    /// `SSL_set_ex_data`; 1 is success.
    pub(super) set_data: unsafe extern "C" fn(*mut SSL, c_int, *mut c_void) -> c_int,
    /// `SSL_get_ex_data`.
    pub(super) data: unsafe extern "C" fn(*const SSL, c_int) -> *mut c_void,
    /// Of the fingerprint among the data of a connection.
    pub(super) index: c_int,
}

/// Found once a process: a reload must not take another index. Workers inherit what the master has found.
static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();

/// The library; `None` where it is none that this module knows how to ask.
pub(super) fn get() -> Option<&'static Library> {
    LIBRARY.get_or_init(find).as_ref()
}

/// As [`get`], if a configuration has asked before.
#[inline]
pub(super) fn known() -> Option<&'static Library> {
    LIBRARY.get()?.as_ref()
}

fn find() -> Option<Library> {
    // SAFETY: the functions are of these types, see `Library`.
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

/// A place for data of ours with each connection.
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
    // SAFETY: a function of BoringSSL and LibreSSL; in OpenSSL, it is a macro over the other one, which in
    // BoringSSL is of another type.
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

/// A function of the library that NGINX itself is bound to. Another module may have brought another one along,
/// which must not be handed NGINX's connections.
///
/// # Safety
/// `F` is the type of a function, and that of the function of that name.
unsafe fn function<F>(name: &CStr) -> Option<F> {
    // SAFETY: a look-up by name. A function's address is a pointer, and `F` is one, as the caller says.
    unsafe {
        let address = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        (!address.is_null() && needed::is_of_program(address)).then(|| transmute_copy(&address))
    }
}

/// Frees the fingerprint of a connection that ends, if it has one.
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
            // SAFETY: `client_hello` keeps a box; the library calls once.
            drop(unsafe { Box::from_raw(data.cast::<Fingerprint>()) });
        }
    });
}

/// A copy of a connection (`SSL_dup`) has no fingerprint: both would free the same one.
unsafe extern "C" fn do_not_copy(
    _to: *mut CRYPTO_EX_DATA,
    _from: *const CRYPTO_EX_DATA,
    data: *mut *mut c_void,
    _index: c_int,
    _argl: c_long,
    _argp: *mut c_void,
) -> c_int {
    // SAFETY: the library hands over the place of the pointer that it is about to copy.
    unsafe {
        if !data.is_null() {
            *data = ptr::null_mut();
        }
    }
    1
}
