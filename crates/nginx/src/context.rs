//! What the module remembers of a request.

use std::ffi::c_void;
use std::ptr;

use ngx::ffi::{ngx_http_request_t, ngx_pool_cleanup_add};
use ngx::http::HttpModule;

use super::open_requests::OpenLink;
use super::request::Request;
use super::request_bits as bits;

/// The one type that the module keeps for a request.
///
/// # Safety
/// One type alone may say so: `find` trusts it.
pub unsafe trait RequestState {
    /// The module that keeps it.
    type Module: HttpModule;

    /// Its place among the requests that are under way.
    fn link(&self) -> &OpenLink;
}

/// The module's state of the main request, if it made one.
///
/// NGINX zeroes every module's context on an internal redirect, a named location and
/// `ngx_http_filter_finalize_request`; the state survives as the data of a pool cleanup, and is found
/// there again by its handler (as realip does).
#[inline]
pub fn find<'r, T: RequestState>(r: Request<'r>) -> Option<&'r T> {
    let raw = r.as_ptr();
    // SAFETY: `ctx` has a slot for each http module; what is in ours is the address of a `T` that
    // `attach` put into the request's pool, where it stays as long as the request. Only shared
    // references to it are ever made.
    unsafe {
        let slot = (*raw).ctx.add(T::Module::module().ctx_index);
        if !(*slot).is_null() {
            return Some(&*(*slot).cast::<T>());
        }
        if bits::internal(raw) == 0 && bits::filter_finalize(raw) == 0 {
            return None;
        }
        recover::<T>(raw, slot)
    }
}

/// Looks the state up among the pool's cleanups and puts it back into `slot`.
#[cold]
unsafe fn recover<'r, T>(raw: *mut ngx_http_request_t, slot: *mut *mut c_void) -> Option<&'r T> {
    let marker: unsafe extern "C" fn(*mut c_void) = drop_state::<T>;
    // SAFETY: the pool's cleanups form a null-terminated list.
    unsafe {
        let mut cleanup = (*(*raw).pool).cleanup;
        while !cleanup.is_null() {
            if (*cleanup).handler.is_some_and(|handler| ptr::fn_addr_eq(handler, marker)) {
                *slot = (*cleanup).data;
                return Some(&*(*cleanup).data.cast::<T>());
            }
            cleanup = (*cleanup).next;
        }
    }
    None
}

/// Gives the main request a state, dropped with its pool; it is among those under way from now on. `None` when
/// memory ran out.
pub fn attach<'r, T: RequestState>(r: Request<'r>, state: T) -> Option<&'r T> {
    const { assert!(align_of::<T>() <= 16, "NGINX's pools align to 16 bytes") };
    let raw = r.as_ptr();
    // SAFETY: the cleanup's data has room for a `T`, suitably aligned, and is dropped exactly once,
    // by the cleanup.
    unsafe {
        let cleanup = ngx_pool_cleanup_add((*raw).pool, size_of::<T>());
        if cleanup.is_null() {
            return None;
        }
        let data = (*cleanup).data.cast::<T>();
        data.write(state);
        (*cleanup).handler = Some(drop_state::<T>);
        *(*raw).ctx.add(T::Module::module().ctx_index) = data.cast();
        // The pool is destroyed before the request's memory is used again (`ngx_http_free_request`).
        (*data).link().open(raw);
        Some(&*data)
    }
}

unsafe extern "C" fn drop_state<T>(data: *mut c_void) {
    super::catch_unwind::catch_unwind_ffi((), || {
        // SAFETY: called once by ngx_destroy_pool with what `attach` wrote.
        unsafe { ptr::drop_in_place(data.cast::<T>()) }
    });
}
