//! Whether the bindings place the bits of NGINX's structures where its compiler does.
//!
//! bindgen counts the bits of a run of bit-fields from the run's own start, a C compiler from the last multiple of four
//! bytes. Where a run starts in between (in `ngx_http_request_t` since NGINX 1.29.3, behind `port`), a bit-field
//! that would cross the next multiple is moved by one of them alone, and all behind it are read and written wrongly.
//! Such a build does not compile.

use std::mem::offset_of;

use ngx::ffi::{ngx_buf_t, ngx_connection_t, ngx_event_t, ngx_http_request_t, ngx_http_upstream_t};

const UNIT: usize = size_of::<u32>();

const _: () = assert!(
    offset_of!(ngx_http_request_t, _bitfield_1).is_multiple_of(UNIT),
    "this version of NGINX is not supported: bindgen misplaces the bits of ngx_http_request_t (1.29.3 and later)"
);
const _: () = assert!(
    offset_of!(ngx_connection_t, _bitfield_1).is_multiple_of(UNIT)
        && offset_of!(ngx_event_t, _bitfield_1).is_multiple_of(UNIT)
        && offset_of!(ngx_http_upstream_t, _bitfield_1).is_multiple_of(UNIT)
        && offset_of!(ngx_buf_t, _bitfield_1).is_multiple_of(UNIT),
    "this version of NGINX is not supported: bindgen misplaces bits of its structures"
);
