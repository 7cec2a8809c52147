//! The module's state of a request.

use std::ffi::c_void;
use std::ptr;

use ngx::ffi::{ngx_http_request_t, ngx_pool_cleanup_add};
use ngx::http::HttpModule;

use super::open_requests::OpenLink;
use super::request::Request;
use super::request_bits as bits;

/// The type of a module's per-request state.
///
/// # Safety
/// Only one type per module may implement this: `find` casts the module's context to it.
pub unsafe trait RequestState {
    /// The module that owns it.
    type Module: HttpModule;

    /// Its link in the list of open requests.
    fn link(&self) -> &OpenLink;
}

/// The state of the request, if [`attach`] created one.
///
/// NGINX zeroes the contexts of all modules on an internal redirect, in a named location and in
/// `ngx_http_filter_finalize_request`. The state survives as the data of a pool cleanup and is found there by the
/// cleanup's handler, as in the realip module.
#[inline]
pub fn find<'r, T: RequestState>(r: Request<'r>) -> Option<&'r T> {
    let raw = r.as_ptr();
    // SAFETY: `ctx` has a slot for each HTTP module. Ours is null or the address of a `T` that `attach` put into the
    // request's pool, where it lives as long as the request. Only shared references to it are ever created.
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

/// Finds the state among the pool's cleanups and restores it to `slot`.
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

/// Attaches new state to the main request, dropped with its pool, and adds the request to the open requests. `None` if out
/// of memory.
pub fn attach<'r, T: RequestState + Default>(r: Request<'r>) -> Option<&'r T> {
    const { assert!(align_of::<T>() <= 16, "NGINX's pools align to 16 bytes") };
    let raw = r.as_ptr();
    // SAFETY: the cleanup's data has room for an aligned `T`, which the cleanup drops exactly once.
    unsafe {
        let cleanup = ngx_pool_cleanup_add((*raw).pool, size_of::<T>());
        if cleanup.is_null() {
            return None;
        }
        let data = (*cleanup).data.cast::<T>();
        data.write(T::default());
        (*cleanup).handler = Some(drop_state::<T>);
        *(*raw).ctx.add(T::Module::module().ctx_index) = data.cast();
        // The pool is destroyed, which drops the link, before the request's memory is reused
        // (`ngx_http_free_request`).
        (*data).link().open(raw);
        Some(&*data)
    }
}

unsafe extern "C" fn drop_state<T>(data: *mut c_void) {
    super::catch_unwind::catch_unwind_ffi((), || {
        // SAFETY: called once, by `ngx_destroy_pool`, with the state that `attach` wrote.
        unsafe { ptr::drop_in_place(data.cast::<T>()) }
    });
}
