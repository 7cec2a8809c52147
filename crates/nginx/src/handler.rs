//! Content handlers of locations.

use ngx::ffi::{
    NGX_HTTP_INTERNAL_SERVER_ERROR, ngx_http_conf_ctx_t, ngx_http_core_loc_conf_t,
    ngx_http_core_module, ngx_http_request_t, ngx_int_t,
};

use super::catch_unwind::catch_unwind_ffi;
use super::conf::Conf;
use super::request::Request;

/// Handles the requests of a location.
pub trait ContentHandler {
    /// Returns NGX_OK, NGX_DONE or a status, as NGINX expects of a content handler.
    fn handle(r: Request<'_>) -> ngx_int_t;
}

/// Makes `H` the handler of the location being read, as `stub_status` does.
///
/// # Errors
/// The location already has a handler.
pub fn set<H: ContentHandler>(cf: Conf<'_>) -> Result<(), String> {
    // SAFETY: inside a location, `ctx` is the HTTP context, which has the core module's location structure.
    unsafe {
        let ctx = (*cf.as_ptr()).ctx.cast::<ngx_http_conf_ctx_t>();
        let index = ngx_http_core_module.ctx_index;
        let core = (*(*ctx).loc_conf.add(index)).cast::<ngx_http_core_loc_conf_t>();
        if (*core).handler.is_some() {
            return Err("the location has a handler already".to_owned());
        }
        (*core).handler = Some(content::<H>);
    }
    Ok(())
}

unsafe extern "C" fn content<H: ContentHandler>(r: *mut ngx_http_request_t) -> ngx_int_t {
    catch_unwind_ffi(NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t, || {
        // SAFETY: NGINX passes a live request.
        H::handle(unsafe { Request::from_raw(r) })
    })
}
