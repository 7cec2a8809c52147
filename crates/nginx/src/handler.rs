//! Content handlers of a location.

use ngx::ffi::{
    NGX_HTTP_INTERNAL_SERVER_ERROR, ngx_http_conf_ctx_t, ngx_http_core_loc_conf_t,
    ngx_http_core_module, ngx_http_request_t, ngx_int_t,
};

use super::catch_unwind::catch_unwind_ffi;
use super::conf::Conf;
use super::request::Request;

/// Answers the requests of a location.
pub trait ContentHandler {
    /// Returns what a content handler returns: NGX_OK, NGX_DONE or a status.
    fn handle(r: Request<'_>) -> ngx_int_t;
}

/// Makes `H` the handler of the location that is being read, as `stub_status` does.
pub fn set<H: ContentHandler>(cf: Conf<'_>) -> Result<(), String> {
    // SAFETY: inside a location, `ctx` is the http one and the core module has its structure there.
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
        // SAFETY: NGINX calls with a live request.
        H::handle(unsafe { Request::from_raw(r) })
    })
}
