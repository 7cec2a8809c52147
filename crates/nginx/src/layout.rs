//! Compile-time check that bindgen places the bit-fields of NGINX's structures where the C compiler does, which holds
//! if each run starts at a multiple of four bytes. The bit-fields of `ngx_http_request_t` are accessed from C instead
//! (`request_bits.rs`). If an NGINX version breaks another structure, the build fails.

use std::mem::offset_of;

use ngx::ffi::{
    ngx_buf_t, ngx_connection_t, ngx_event_t, ngx_http_headers_in_t, ngx_http_upstream_t,
};

const UNIT: usize = size_of::<u32>();

const _: () = assert!(
    offset_of!(ngx_connection_t, _bitfield_1).is_multiple_of(UNIT)
        && offset_of!(ngx_event_t, _bitfield_1).is_multiple_of(UNIT)
        && offset_of!(ngx_http_headers_in_t, _bitfield_1).is_multiple_of(UNIT)
        && offset_of!(ngx_http_upstream_t, _bitfield_1).is_multiple_of(UNIT)
        && offset_of!(ngx_buf_t, _bitfield_1).is_multiple_of(UNIT),
    "this version of NGINX is not supported: bindgen misplaces bits of its structures"
);
