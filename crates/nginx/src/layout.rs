//! Whether the bindings place the bits of NGINX's structures where its compiler does: where each run of bit-fields starts
//! at a multiple of four bytes. Those of `ngx_http_request_t` are read in C (`request_bits.rs`). A build for an NGINX
//! that changes another structure does not compile.

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
