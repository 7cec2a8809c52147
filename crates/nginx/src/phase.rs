//! Registration of phase handlers.

use ngx::ffi::{
    ngx_array_push, ngx_conf_t, ngx_http_handler_pt, ngx_http_phases_NGX_HTTP_ACCESS_PHASE,
    ngx_http_phases_NGX_HTTP_LOG_PHASE, ngx_http_phases_NGX_HTTP_REWRITE_PHASE,
    ngx_http_phases_NGX_HTTP_SERVER_REWRITE_PHASE, ngx_http_request_t, ngx_int_t,
};

use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};

use super::catch_unwind::catch_unwind_ffi;
use super::request::Request;

/// A handler that runs in a phase, for main requests and subrequests alike.
pub trait PhaseHandler {
    /// Returned if the handler panics: `NGX_DECLINED` lets the next handler decide.
    const NEUTRAL: ngx_int_t;
    /// Returns what NGINX expects of a handler in that phase.
    fn handle(r: Request<'_>) -> ngx_int_t;
}

unsafe extern "C" fn run<H: PhaseHandler>(r: *mut ngx_http_request_t) -> ngx_int_t {
    catch_unwind_ffi(H::NEUTRAL, || {
        // SAFETY: NGINX passes a live request.
        H::handle(unsafe { Request::from_raw(r) })
    })
}

/// Adds `H` to the access phase. NGINX runs the handlers registered last first (`ngx_http_init_phase_handlers`), so a
/// dynamic module's handler runs before `allow`/`deny`, `auth_basic` and `auth_request`. `None` if out of memory.
///
/// # Safety
/// `cf` is the configuration context passed to `postconfiguration`.
pub unsafe fn on_access<H: PhaseHandler>(cf: *mut ngx_conf_t) -> Option<()> {
    // SAFETY: the caller's contract.
    unsafe { push(cf, ngx_http_phases_NGX_HTTP_ACCESS_PHASE as usize, Some(run::<H>)) }
}

/// Adds `S` to the server-rewrite phase and `L` to the rewrite phase. They run before the rewrite module, which
/// registers earlier. `None` if out of memory.
///
/// # Safety
/// `cf` is the configuration context passed to `postconfiguration`.
pub unsafe fn on_rewrite<S: PhaseHandler, L: PhaseHandler>(cf: *mut ngx_conf_t) -> Option<()> {
    // SAFETY: the caller's contract.
    unsafe {
        push(cf, ngx_http_phases_NGX_HTTP_SERVER_REWRITE_PHASE as usize, Some(run::<S>))?;
        push(cf, ngx_http_phases_NGX_HTTP_REWRITE_PHASE as usize, Some(run::<L>))
    }
}

/// Puts `H` first in the log phase, so that the session is final before `access_log` writes `$api_session_id`:
/// `ngx_http_log_request` calls the handlers in order of registration. `None` if out of memory.
///
/// # Safety
/// `cf` is the configuration context passed to `postconfiguration`.
pub unsafe fn first_on_log<H: PhaseHandler>(cf: *mut ngx_conf_t) -> Option<()> {
    let phase = ngx_http_phases_NGX_HTTP_LOG_PHASE as usize;
    // SAFETY: the caller's contract; the array holds `nelts` handlers after the push.
    unsafe {
        push(cf, phase, Some(run::<H>))?;
        let handlers = &mut NgxHttpCoreModule::main_conf_mut(&*cf)?.phases[phase].handlers;
        std::slice::from_raw_parts_mut(handlers.elts.cast::<ngx_http_handler_pt>(), handlers.nelts)
            .rotate_right(1);
    }
    Some(())
}

unsafe fn push(cf: *mut ngx_conf_t, phase: usize, handler: ngx_http_handler_pt) -> Option<()> {
    // SAFETY: the callers' contract.
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
