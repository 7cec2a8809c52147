//! Request bodies for content handlers that need them in a file.

use std::ffi::CStr;

use ngx::ffi::{
    NGX_ERROR, NGX_HTTP_PUT, NGX_INVALID_FILE, NGX_OK, ngx_buf_t, ngx_chain_t,
    ngx_create_temp_file, ngx_cycle, ngx_http_core_loc_conf_t, ngx_http_core_module,
    ngx_http_request_t, ngx_module_t, ngx_pcalloc, ngx_temp_file_t, ngx_uint_t,
    ngx_write_chain_to_temp_file,
};

use super::request::{Request, slot};
use super::request_bits as bits;

/// Requests, before the body is read, a form that suits every content handler: a single buffer if the body fits
/// `client_body_buffer_size` (njs, perl, lua), else a temporary file that keeps its name until the request ends (DAV
/// renames it).
pub(super) fn suit_any_handler(r: Request<'_>) {
    // SAFETY: a live request; `ngx_http_read_client_request_body` reads these flags.
    unsafe {
        let raw = r.as_ptr();
        bits::set_request_body_in_single_buf(raw, 1);
        bits::set_request_body_in_persistent_file(raw, 1);
        bits::set_request_body_in_clean_file(raw, 1);
    }
}

/// Moves a body that was read into memory to a temporary file if DAV handles the PUT: DAV requests a file only when it
/// reads the body itself (`ngx_http_dav_put_handler`). Returns `false` on failure, which NGINX has logged.
pub fn move_for_dav(r: Request<'_>) -> bool {
    let raw = r.as_ptr();
    // SAFETY: a main request in its access phase, whose body has been read.
    unsafe {
        if !is_dav_put(raw) {
            return true;
        }
        match (*raw).request_body.as_ref() {
            Some(body) if body.temp_file.is_null() => move_to_file(raw) == Some(()),
            _ => true,
        }
    }
}

/// The location has `dav_methods PUT` and no handler of its own.
///
/// # Safety
/// `raw` is a live request.
unsafe fn is_dav_put(raw: *mut ngx_http_request_t) -> bool {
    // SAFETY: location configurations of the core module and of DAV, found by name; the first member of the latter
    // (`ngx_http_dav_loc_conf_t`) is the bit mask of `dav_methods`.
    unsafe {
        let slots = (*raw).loc_conf;
        let core: Option<&ngx_http_core_loc_conf_t> = slot(slots, &raw const ngx_http_core_module);
        if core.is_none_or(|core| core.handler.is_some()) {
            return false;
        }
        let Some(dav) = module_named(c"ngx_http_dav_module") else { return false };
        let methods: Option<&ngx_uint_t> = slot(slots, dav);
        methods.is_some_and(|methods| methods & NGX_HTTP_PUT as ngx_uint_t != 0)
    }
}

/// A module of the active cycle, by name.
fn module_named(name: &CStr) -> Option<*const ngx_module_t> {
    // SAFETY: the cycle's list of modules is null-terminated; a name is null or a C string.
    unsafe {
        let mut module = (*ngx_cycle).modules;
        while !(*module).is_null() {
            let its = (**module).name;
            if !its.is_null() && CStr::from_ptr(its.cast()) == name {
                return Some(*module);
            }
            module = module.add(1);
        }
    }
    None
}

/// Does what `ngx_http_write_request_body` and the save filter do for `request_body_in_file_only`; both are private to
/// NGINX.
///
/// # Safety
/// `raw` is a live request whose body was read into memory.
unsafe fn move_to_file(raw: *mut ngx_http_request_t) -> Option<()> {
    // SAFETY: the caller's contract. All memory comes zeroed from the request's pool, whose cleanup closes and unlinks
    // the file (`clean`).
    unsafe {
        let pool = (*raw).pool;
        let file = ngx_pcalloc(pool, size_of::<ngx_temp_file_t>()).cast::<ngx_temp_file_t>();
        let core: &ngx_http_core_loc_conf_t =
            slot((*raw).loc_conf, &raw const ngx_http_core_module)?;
        let file = file.as_mut()?;
        file.file.fd = NGX_INVALID_FILE;
        file.file.log = (*(*raw).connection).log;
        file.path = core.client_body_temp_path;
        file.pool = pool;
        file.set_persistent(1);
        file.set_clean(1);
        file.access = 0o660;
        let body = &mut *(*raw).request_body;
        if body.bufs.is_null() {
            let rc = ngx_create_temp_file(&mut file.file, file.path, pool, 1, 1, file.access);
            body.temp_file = file;
            return (rc == NGX_OK as isize).then_some(());
        }
        let written = ngx_write_chain_to_temp_file(file, body.bufs);
        if written == NGX_ERROR as isize {
            return None;
        }
        file.offset += written as libc::off_t;
        let mut link = body.bufs;
        while let Some(chain) = link.as_ref() {
            (*chain.buf).pos = (*chain.buf).last;
            link = chain.next;
        }
        body.temp_file = file;
        body.bufs = chain_of(raw, file)?;
        Some(())
    }
}

/// A chain of one buffer that spans the whole file; null if the file is empty.
///
/// # Safety
/// `raw` is a live request, and `file` lives in its pool.
unsafe fn chain_of(
    raw: *mut ngx_http_request_t,
    file: &mut ngx_temp_file_t,
) -> Option<*mut ngx_chain_t> {
    if file.file.offset == 0 {
        return Some(std::ptr::null_mut());
    }
    // SAFETY: zeroed memory of the request's pool.
    unsafe {
        let buf = ngx_pcalloc((*raw).pool, size_of::<ngx_buf_t>()).cast::<ngx_buf_t>().as_mut()?;
        buf.set_in_file(1);
        buf.file_last = file.file.offset;
        buf.file = &mut file.file;
        let chain =
            ngx_pcalloc((*raw).pool, size_of::<ngx_chain_t>()).cast::<ngx_chain_t>().as_mut()?;
        chain.buf = buf;
        Some(chain)
    }
}
