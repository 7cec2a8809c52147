//! `ngx_http_api_sessions_module`: groups the requests that NGINX serves into user sessions.
//!
//! This file holds the statics that NGINX looks for, and the wiring of the hooks they name. Beside it:
//! - `ffi`: safe wrappers over NGINX; the place for `unsafe`
//! - `directives`: what may be written in nginx.conf
//! - `request`: what happens to a request; its way is in `request/lifecycle.rs`, top to bottom
//! - `status`: locations that the module answers
//! - `worker`: what a worker process owns: its buffers, its queue, its exporter
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod directives;
mod ffi;
mod request;
mod status;
mod tls;
mod worker;

use std::ffi::{c_char, c_void};
use std::ptr;

use ngx::core::Pool;
use ngx::ffi::{
    NGX_ERROR, NGX_HTTP_MODULE, NGX_OK, NGX_RS_MODULE_SIGNATURE, nginx_version, ngx_conf_t,
    ngx_cycle_t, ngx_http_module_t, ngx_int_t, ngx_module_t, ngx_uint_t,
};

use crate::directives::{COMMANDS, LocationConf, MainConf};
use crate::ffi::catch_unwind::guard;
use crate::ffi::conf::{Conf, LocationLevel, MainLevel, main_conf};
use crate::ffi::context::RequestState;
use crate::ffi::log::{log_error, log_warn};
use crate::ffi::open_requests::OpenLink;
use crate::ffi::{filter, phase};
use crate::request::variables;

/// Address of the module, by which NGINX and we find its configuration and contexts.
pub(crate) struct Module;

pub(crate) const MODULE: Module = Module;

impl Module {
    #[inline]
    pub(crate) fn get(self) -> *const ngx_module_t {
        &raw const ngx_http_api_sessions_module
    }
}

static CONTEXT: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: Some(preconfiguration),
    postconfiguration: Some(postconfiguration),
    create_main_conf: Some(create::<MainConf>),
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: Some(create::<LocationConf>),
    merge_loc_conf: Some(merge_location),
};

/// The module. NGINX writes its indexes into it when it is loaded.
#[allow(non_upper_case_globals)]
pub(crate) static mut ngx_http_api_sessions_module: ngx_module_t = ngx_module_t {
    ctx_index: ngx_uint_t::MAX,
    index: ngx_uint_t::MAX,
    name: ptr::null_mut(),
    spare0: 0,
    spare1: 0,
    version: nginx_version as ngx_uint_t,
    signature: NGX_RS_MODULE_SIGNATURE.as_ptr() as *const c_char,
    ctx: (&raw const CONTEXT).cast_mut().cast(),
    commands: (&raw const COMMANDS).cast_mut().cast(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    init_master: None,
    init_module: Some(init_module),
    init_process: Some(init_process),
    init_thread: None,
    exit_thread: None,
    exit_process: Some(exit_process),
    exit_master: Some(exit_master),
    spare_hook0: 0,
    spare_hook1: 0,
    spare_hook2: 0,
    spare_hook3: 0,
    spare_hook4: 0,
    spare_hook5: 0,
    spare_hook6: 0,
    spare_hook7: 0,
};

// SAFETY: `create_main_conf` makes this one.
unsafe impl MainLevel for MainConf {}
// SAFETY: `create_loc_conf` makes this one.
unsafe impl LocationLevel for LocationConf {}
// SAFETY: the module keeps no other.
unsafe impl RequestState for request::State {
    fn link(&self) -> &OpenLink {
        self.open()
    }
}

/// What `load_module` looks up by name. `ngx_modules!` writes an empty order, which would put our
/// filters in front of all others; in front of the copy filter in the list means behind it in the
/// chain: response bodies arrive before gzip, and in memory but for what `sendfile` sends from a file.
mod exported {
    use std::ffi::{CStr, c_char};
    use std::ptr;

    use ngx::ffi::ngx_module_t;

    const NAME: &CStr = c"ngx_http_api_sessions_module";

    #[unsafe(no_mangle)]
    #[allow(non_upper_case_globals)]
    static mut ngx_modules: [*const ngx_module_t; 2] =
        [&raw const super::ngx_http_api_sessions_module, ptr::null()];

    #[unsafe(no_mangle)]
    #[allow(non_upper_case_globals)]
    static mut ngx_module_names: [*const c_char; 2] = [NAME.as_ptr(), ptr::null()];

    #[unsafe(no_mangle)]
    #[allow(non_upper_case_globals)]
    static mut ngx_module_order: [*const c_char; 3] =
        [NAME.as_ptr(), c"ngx_http_copy_filter_module".as_ptr(), ptr::null()];
}

unsafe extern "C" fn create<T: Default>(cf: *mut ngx_conf_t) -> *mut c_void {
    guard(ptr::null_mut(), || {
        // SAFETY: NGINX calls with a valid context.
        let pool = unsafe { Pool::from_ngx_pool((*cf).pool) };
        pool.allocate(T::default()).cast()
    })
}

unsafe extern "C" fn merge_location(
    cf: *mut ngx_conf_t,
    above: *mut c_void,
    level: *mut c_void,
) -> *mut c_char {
    guard(usize::MAX as *mut c_char, || {
        // SAFETY: two different structures that `create` made, and a valid context inside the http block.
        let (cf, level, above) = unsafe {
            let level = &mut *level.cast::<LocationConf>();
            (Conf::from_raw(cf), level, &*above.cast::<LocationConf>())
        };
        level.merge(above);
        level.warn_of_dropped_headers(cf);
        ptr::null_mut()
    })
}

unsafe extern "C" fn preconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    guard(NGX_ERROR as ngx_int_t, || {
        // SAFETY: NGINX calls with a valid context.
        match variables::add_all(unsafe { Conf::from_raw(cf) }) {
            Some(()) => NGX_OK as ngx_int_t,
            None => NGX_ERROR as ngx_int_t,
        }
    })
}

/// Hooks into requests, if any location wants it: a module that is only loaded costs nothing.
unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    guard(NGX_ERROR as ngx_int_t, || {
        // SAFETY: NGINX calls with a valid context inside the http block.
        let conf = unsafe { Conf::from_raw(cf) };
        let main = conf.main_conf::<MainConf>();
        if !main.is_used() {
            return NGX_OK as ngx_int_t;
        }
        if let Err(message) = main.complete(conf) {
            conf.error(&format_args!("api_sessions: {message}"));
            return NGX_ERROR as ngx_int_t;
        }
        tls::observe(conf);
        // SAFETY: this is postconfiguration.
        let hooked = unsafe {
            filter::install::<request::Bodies>();
            filter::install_header::<request::Issuing>();
            let early = match main.denies_before_rewrite() {
                true => phase::on_rewrite::<request::ServerRewrite, request::LocationRewrite>(cf),
                false => Some(()),
            };
            early
                .and_then(|()| phase::on_access::<request::Access>(cf))
                .and_then(|()| phase::first_on_log::<request::Log>(cf))
        };
        match hooked {
            Some(()) => NGX_OK as ngx_int_t,
            None => NGX_ERROR as ngx_int_t,
        }
    })
}

/// In the master, as the last step of taking a configuration: `ngx_cycle` is still the one before.
unsafe extern "C" fn init_module(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    guard(NGX_ERROR as ngx_int_t, || {
        // SAFETY: NGINX calls with the cycle whose configuration it has just read.
        let main = unsafe { main_conf::<MainConf>(cycle) };
        for warning in main.map_or(&[][..], MainConf::warnings) {
            log_warn!(cycle, "{warning}");
        }
        match main.map_or(Ok(()), MainConf::take_effect) {
            Ok(()) => NGX_OK as ngx_int_t,
            Err(message) => {
                log_error!(cycle, "api_sessions: {message}");
                NGX_ERROR as ngx_int_t
            }
        }
    })
}

/// Never fails: an error here ends the worker for good (exit code 2 is not respawned).
unsafe extern "C" fn init_process(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    guard((), || worker::start(cycle));
    NGX_OK as ngx_int_t
}

unsafe extern "C" fn exit_process(cycle: *mut ngx_cycle_t) {
    guard((), || worker::stop(cycle));
}

unsafe extern "C" fn exit_master(cycle: *mut ngx_cycle_t) {
    guard((), || worker::farewell(cycle));
}
