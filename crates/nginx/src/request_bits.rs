//! Accessors of the bit-fields of `ngx_http_request_t`, compiled from C (`request_bits.c`).
//!
//! bindgen counts the bits of a run of bit-fields from the start of the run, a C compiler from the preceding multiple
//! of four bytes. If a run starts in between (after `port` since NGINX 1.29.3), bindgen's accessors read and write the
//! wrong bits. `layout.rs` checks the structures that still use bindgen's accessors.
//!
//! A variable's value is set in C too: bindgen's accessor writes the 28 bits of its length one by one, which dominates
//! the cost of a variable.

use ngx::ffi::{ngx_http_request_t, ngx_http_variable_value_t, ngx_uint_t};

// All need a live request; a bit is 0 or 1.
unsafe extern "C" {
    #[link_name = "api_sessions_get_discard_body"]
    pub(super) fn discard_body(r: *const ngx_http_request_t) -> ngx_uint_t;
    #[link_name = "api_sessions_get_expect_tested"]
    pub(super) fn expect_tested(r: *const ngx_http_request_t) -> ngx_uint_t;
    #[link_name = "api_sessions_get_filter_finalize"]
    pub(super) fn filter_finalize(r: *const ngx_http_request_t) -> ngx_uint_t;
    #[link_name = "api_sessions_get_header_only"]
    pub(super) fn header_only(r: *const ngx_http_request_t) -> ngx_uint_t;
    #[link_name = "api_sessions_get_header_sent"]
    pub(super) fn header_sent(r: *const ngx_http_request_t) -> ngx_uint_t;
    #[link_name = "api_sessions_get_internal"]
    pub(super) fn internal(r: *const ngx_http_request_t) -> ngx_uint_t;
    #[link_name = "api_sessions_get_realloc_captures"]
    pub(super) fn realloc_captures(r: *const ngx_http_request_t) -> ngx_uint_t;

    #[link_name = "api_sessions_set_error_page"]
    pub(super) fn set_error_page(r: *mut ngx_http_request_t, value: ngx_uint_t);
    #[link_name = "api_sessions_set_expect_tested"]
    pub(super) fn set_expect_tested(r: *mut ngx_http_request_t, value: ngx_uint_t);
    #[link_name = "api_sessions_set_header_only"]
    pub(super) fn set_header_only(r: *mut ngx_http_request_t, value: ngx_uint_t);
    #[link_name = "api_sessions_set_preserve_body"]
    pub(super) fn set_preserve_body(r: *mut ngx_http_request_t, value: ngx_uint_t);
    #[link_name = "api_sessions_set_realloc_captures"]
    pub(super) fn set_realloc_captures(r: *mut ngx_http_request_t, value: ngx_uint_t);
    #[link_name = "api_sessions_set_request_body_in_clean_file"]
    pub(super) fn set_request_body_in_clean_file(r: *mut ngx_http_request_t, value: ngx_uint_t);
    #[link_name = "api_sessions_set_request_body_in_persistent_file"]
    pub(super) fn set_request_body_in_persistent_file(
        r: *mut ngx_http_request_t,
        value: ngx_uint_t,
    );
    #[link_name = "api_sessions_set_request_body_in_single_buf"]
    pub(super) fn set_request_body_in_single_buf(r: *mut ngx_http_request_t, value: ngx_uint_t);
    #[link_name = "api_sessions_set_request_body_no_buffering"]
    pub(super) fn set_request_body_no_buffering(r: *mut ngx_http_request_t, value: ngx_uint_t);

    /// Sets the value to `data`, valid and found. `data` must outlive the value.
    #[link_name = "api_sessions_set_variable"]
    pub(super) fn set_variable(value: *mut ngx_http_variable_value_t, data: *mut u8, len: usize);
}
