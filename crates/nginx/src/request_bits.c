/*
 * Accessors of the bit-fields of ngx_http_request_t: bindgen misplaces them where a run of bit-fields does not start at
 * a multiple of four bytes, as in NGINX 1.29.3 and later (request_bits.rs). Also sets a variable's value, whose length
 * bindgen's accessors write bit by bit.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#define GET(bit)                                                                                   \
    ngx_uint_t api_sessions_get_##bit(const ngx_http_request_t *r) { return r->bit; }

#define SET(bit)                                                                                   \
    void api_sessions_set_##bit(ngx_http_request_t *r, ngx_uint_t value) { r->bit = value; }

GET(discard_body)
GET(expect_tested)
GET(filter_finalize)
GET(header_only)
GET(header_sent)
GET(internal)
GET(realloc_captures)

SET(error_page)
SET(expect_tested)
SET(header_only)
SET(preserve_body)
SET(realloc_captures)
SET(request_body_in_clean_file)
SET(request_body_in_persistent_file)
SET(request_body_in_single_buf)
SET(request_body_no_buffering)

void api_sessions_set_variable(ngx_http_variable_value_t *value, u_char *data, size_t len)
{
    value->data = data;
    value->len = len;
    value->valid = 1;
    value->not_found = 0;
}
