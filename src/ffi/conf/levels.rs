//! The module's structures of the levels of a configuration.

use std::ffi::c_void;

use ngx::ffi::{self, ngx_conf_t, ngx_http_conf_ctx_t, ngx_module_t};

use crate::MODULE;

/// `ngx_http_conf_get_module_main_conf`.
///
/// # Safety
/// `cf` is a context inside the `http` block.
pub(crate) unsafe fn http_main_conf(
    cf: *mut ngx_conf_t,
    module: *const ngx_module_t,
) -> *mut c_void {
    // SAFETY: as the caller says; every http module has a slot at its ctx_index.
    unsafe { *(*(*cf).ctx.cast::<ngx_http_conf_ctx_t>()).main_conf.add((*module).ctx_index) }
}

/// The module's main configuration in the cycle in force; `None` without an `http` block.
///
/// The reference is for one hook or handler: in single-process mode a reload replaces the cycle.
pub(crate) fn current_main_conf<T: MainLevel>() -> Option<&'static T> {
    // SAFETY: the cycle in force has its configuration.
    unsafe { main_conf(ffi::ngx_cycle) }
}

/// As [`current_main_conf`], of another cycle.
///
/// # Safety
/// The cycle's configuration was read, and lives for as long as the hook that asks.
pub(crate) unsafe fn main_conf<T: MainLevel>(cycle: *mut ffi::ngx_cycle_t) -> Option<&'static T> {
    // SAFETY: `conf_ctx` has a slot for each module; the slot of ngx_http_module is its context or
    // null; `T` is what our create function made.
    unsafe {
        let http = *(*cycle).conf_ctx.add(ffi::ngx_http_module.index);
        let http = http.cast::<ngx_http_conf_ctx_t>().as_ref()?;
        (*http.main_conf.add((*MODULE.get()).ctx_index)).cast::<T>().as_ref()
    }
}

/// The structure that the module's `create_main_conf` makes.
///
/// # Safety
/// Only that structure may say so.
pub(crate) unsafe trait MainLevel {}

/// The structure that the module's `create_loc_conf` makes.
///
/// # Safety
/// Only that structure may say so.
pub(crate) unsafe trait LocationLevel {}
