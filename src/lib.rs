//! `ngx_http_api_sessions_module`: groups the requests that NGINX serves into user sessions.
//!
//! This file holds the statics that NGINX looks for, and the wiring of the hooks they name. Beside it:
//! - `directives`: parsing of nginx.conf, and the settings of each level
//! - `request`: the phase handlers, filters and variables; a request's way is in `request/lifecycle.rs`
//! - `status`: the content handlers of status and control locations
//! - `worker`: what a worker process owns: buffers, queue and exporter thread
//!
//! `crates/nginx` has the wrappers over NGINX.

mod directives;
mod limits;
mod request;
mod status;
mod worker;

use std::ffi::{c_char, c_void};
use std::ptr;

use api_sessions_nginx::catch_unwind::catch_unwind_ffi;
use api_sessions_nginx::conf::{CONF_ERROR, Conf, LocationLevel, MainLevel, main_conf};
use api_sessions_nginx::context::RequestState;
use api_sessions_nginx::open_requests::OpenLink;
use api_sessions_nginx::{filter, log_warn, phase, tls};
use ngx::ffi::{
    NGX_ERROR, NGX_HTTP_MODULE, NGX_OK, NGX_RS_MODULE_SIGNATURE, nginx_version, ngx_conf_t,
    ngx_cycle_t, ngx_http_module_t, ngx_int_t, ngx_module_t, ngx_uint_t,
};
use ngx::http::{HttpModule, HttpModuleLocationConf, HttpModuleMainConf, Merge};

use crate::directives::{COMMANDS, LocationConf, MainConf};
use crate::request::variables;

static CONTEXT: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: Some(Module::preconfiguration),
    postconfiguration: Some(Module::postconfiguration),
    create_main_conf: Some(Module::create_main_conf),
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: Some(Module::create_loc_conf),
    merge_loc_conf: Some(Module::merge_loc_conf),
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
unsafe impl HttpModuleMainConf for Module {
    type MainConf = MainConf;
}
// SAFETY: `create_loc_conf` makes this one.
unsafe impl HttpModuleLocationConf for Module {
    type LocationConf = LocationConf;
}
impl MainLevel for MainConf {
    type Module = Module;
}
impl LocationLevel for LocationConf {
    type Module = Module;
}
// SAFETY: the module keeps no other.
unsafe impl RequestState for request::State {
    type Module = Module;

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

/// The module as NGINX's wrappers see it.
pub(crate) struct Module;

impl HttpModule for Module {
    #[inline]
    fn module() -> &'static ngx_module_t {
        // SAFETY: NGINX writes into it while it loads the module, before it calls anything here.
        unsafe { &*ptr::addr_of!(ngx_http_api_sessions_module) }
    }

    unsafe extern "C" fn preconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
        catch_unwind_ffi(NGX_ERROR as ngx_int_t, || {
            // SAFETY: NGINX calls with a valid context.
            match variables::add_all(unsafe { Conf::from_raw(cf) }) {
                Some(()) => NGX_OK as ngx_int_t,
                None => NGX_ERROR as ngx_int_t,
            }
        })
    }

    /// Adds the handlers, if any location uses the module: one that is only loaded costs nothing.
    unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
        catch_unwind_ffi(NGX_ERROR as ngx_int_t, || {
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
            match unsafe { hook(cf, main) } {
                Some(()) => NGX_OK as ngx_int_t,
                None => NGX_ERROR as ngx_int_t,
            }
        })
    }

    unsafe extern "C" fn merge_loc_conf(
        cf: *mut ngx_conf_t,
        above: *mut c_void,
        level: *mut c_void,
    ) -> *mut c_char {
        catch_unwind_ffi(CONF_ERROR, || {
            // SAFETY: two different structures that `create_loc_conf` made, and a valid context inside the http
            // block.
            let (cf, level, above) = unsafe {
                let level = &mut *level.cast::<LocationConf>();
                (Conf::from_raw(cf), level, &*above.cast::<LocationConf>())
            };
            match level.merge(above) {
                Ok(()) => {
                    level.inherit_handler(cf, above);
                    level.warn_of_dropped_headers(cf);
                    ptr::null_mut()
                }
                Err(_) => CONF_ERROR,
            }
        })
    }
}

/// # Safety
/// Called from `postconfiguration`, with its context.
unsafe fn hook(cf: *mut ngx_conf_t, main: &MainConf) -> Option<()> {
    // SAFETY: as the caller says.
    unsafe {
        filter::install::<request::Bodies>();
        filter::install_header::<request::IssuedHeaders>();
        if main.denies_before_rewrite() {
            phase::on_rewrite::<request::Rewrite<true>, request::Rewrite<false>>(cf)?;
        }
        phase::on_access::<request::Access>(cf)?;
        phase::first_on_log::<request::Log>(cf)
    }
}

/// In the master, as the last step before a configuration takes effect: `ngx_cycle` is still the previous one.
unsafe extern "C" fn init_module(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    catch_unwind_ffi(NGX_ERROR as ngx_int_t, || {
        // SAFETY: NGINX calls with the cycle whose configuration it has just read.
        let main = unsafe { main_conf::<MainConf>(cycle) };
        for warning in main.map_or(&[][..], MainConf::warnings) {
            log_warn!(cycle, "{warning}");
        }
        if let Some(main) = main {
            main.take_effect();
        }
        NGX_OK as ngx_int_t
    })
}

/// Never fails: after an error here the worker exits with code 2 and is not respawned.
unsafe extern "C" fn init_process(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    catch_unwind_ffi((), || worker::start(cycle));
    NGX_OK as ngx_int_t
}

unsafe extern "C" fn exit_process(cycle: *mut ngx_cycle_t) {
    catch_unwind_ffi((), || worker::stop(cycle));
}

unsafe extern "C" fn exit_master(cycle: *mut ngx_cycle_t) {
    catch_unwind_ffi((), || worker::report_unsent(cycle));
}
