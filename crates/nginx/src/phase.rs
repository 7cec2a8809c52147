//! Registration of phase handlers.

use ngx::ffi::{
    ngx_array_push, ngx_conf_t, ngx_http_handler_pt, ngx_http_phases_NGX_HTTP_ACCESS_PHASE,
    ngx_http_phases_NGX_HTTP_LOG_PHASE, ngx_http_phases_NGX_HTTP_REWRITE_PHASE,
    ngx_http_phases_NGX_HTTP_SERVER_REWRITE_PHASE, ngx_http_request_t, ngx_int_t,
};

use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};

use super::catch_unwind::catch_unwind_ffi;
use super::request::Request;

/// What runs in a phase, for main requests and subrequests alike.
pub trait PhaseHandler {
    /// Returned where the handler panicked: `NGX_DECLINED` lets the next one decide.
    const NEUTRAL: ngx_int_t;
    /// Returns what NGINX asks of a handler of that phase.
    fn handle(r: Request<'_>) -> ngx_int_t;
}

unsafe extern "C" fn run<H: PhaseHandler>(r: *mut ngx_http_request_t) -> ngx_int_t {
    catch_unwind_ffi(H::NEUTRAL, || {
        // SAFETY: NGINX calls with a live request.
        H::handle(unsafe { Request::from_raw(r) })
    })
}

/// Adds `H` to the access phase. Handlers run last-registered first (`ngx_http_init_phase_handlers`),
/// so a dynamic module's runs before `allow`/`deny`, `auth_basic` and `auth_request`.
///
/// # Safety
/// `cf` is the configuration context that `postconfiguration` got.
pub unsafe fn on_access<H: PhaseHandler>(cf: *mut ngx_conf_t) -> Option<()> {
    // SAFETY: as the caller says.
    unsafe { push(cf, ngx_http_phases_NGX_HTTP_ACCESS_PHASE as usize, Some(run::<H>)) }
}

/// Adds `S` to the server-rewrite phase and `L` to the rewrite phase: before the rewrite module, which registers
/// earlier.
///
/// # Safety
/// `cf` is the configuration context that `postconfiguration` got.
pub unsafe fn on_rewrite<S: PhaseHandler, L: PhaseHandler>(cf: *mut ngx_conf_t) -> Option<()> {
    // SAFETY: as the caller says.
    unsafe {
        push(cf, ngx_http_phases_NGX_HTTP_SERVER_REWRITE_PHASE as usize, Some(run::<S>))?;
        push(cf, ngx_http_phases_NGX_HTTP_REWRITE_PHASE as usize, Some(run::<L>))
    }
}

/// Puts `H` first in the log phase, so that a session is settled before `access_log` writes
/// `$api_session_id`. (`ngx_http_log_request` calls in order of registration.)
///
/// # Safety
/// `cf` is the configuration context that `postconfiguration` got.
pub unsafe fn first_on_log<H: PhaseHandler>(cf: *mut ngx_conf_t) -> Option<()> {
    let phase = ngx_http_phases_NGX_HTTP_LOG_PHASE as usize;
    // SAFETY: as the caller says; the array holds `nelts` handlers after the push.
    unsafe {
        push(cf, phase, Some(run::<H>))?;
        let handlers = &mut NgxHttpCoreModule::main_conf_mut(&*cf)?.phases[phase].handlers;
        std::slice::from_raw_parts_mut(handlers.elts.cast::<ngx_http_handler_pt>(), handlers.nelts)
            .rotate_right(1);
    }
    Some(())
}

unsafe fn push(cf: *mut ngx_conf_t, phase: usize, handler: ngx_http_handler_pt) -> Option<()> {
    // SAFETY: as the caller says.
    unsafe {
        let core = NgxHttpCoreModule::main_conf_mut(&*cf)?;
        let slot = ngx_array_push(&mut core.phases[phase].handlers).cast::<ngx_http_handler_pt>();
        if slot.is_null() {
            return None;
        }
        *slot = handler;
    }
    Some(())
}
