//! Read access to a request.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;

use api_sessions_extract::{RequestLine, builtin};
use ngx::ffi::{
    NGX_HTTP_PUT, NGX_HTTP_SATISFY_ANY, ngx_http_core_loc_conf_t, ngx_http_core_main_conf_t,
    ngx_http_core_module, ngx_http_core_srv_conf_t, ngx_http_request_t, ngx_http_upstream_state_t,
    ngx_http_variable_value_t, ngx_module_t,
};

use ngx::http::HttpModule;

use super::conf::{LocationLevel, MainLevel};
use super::headers::{self, Headers, bytes, known};
use super::request_bits as bits;

/// A live request; `'r` is the duration of the handler call. Returned references point to request memory and must not
/// outlive the call.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    raw: *mut ngx_http_request_t,
    lifetime: PhantomData<&'r ngx_http_request_t>,
}

impl<'r> Request<'r> {
    /// # Safety
    /// `raw` is the request that NGINX passed to a handler, and `'r` ends with that call.
    #[inline]
    pub unsafe fn from_raw(raw: *mut ngx_http_request_t) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    /// NGINX's structure.
    #[inline]
    pub fn as_ptr(self) -> *mut ngx_http_request_t {
        self.raw
    }

    #[inline]
    fn get(self) -> &'r ngx_http_request_t {
        // SAFETY: alive for 'r. Fields are read between calls into NGINX, on the only thread that modifies them.
        unsafe { &*self.raw }
    }

    /// The request is not a subrequest.
    #[inline]
    pub fn is_main(self) -> bool {
        ptr::eq(self.get().main, self.raw)
    }

    /// The request was redirected internally, or is a subrequest (`internal`).
    pub fn is_internal(self) -> bool {
        // SAFETY: alive for the handler.
        unsafe { bits::internal(self.raw) != 0 }
    }

    /// The main request, which the client sent.
    #[inline]
    pub fn main(self) -> Request<'r> {
        Request { raw: self.get().main, lifetime: PhantomData }
    }

    /// The module's configuration in the request's current location.
    #[inline]
    pub fn location<T: LocationLevel>(self) -> Option<&'r T> {
        // SAFETY: `T` is the type that our create function allocates for each location.
        unsafe { slot(self.get().loc_conf, T::Module::module()) }
    }

    /// The module's main configuration.
    #[inline]
    pub fn main_conf<T: MainLevel>(self) -> Option<&'r T> {
        // SAFETY: `T` is the type that our create function allocates.
        unsafe { slot(self.get().main_conf, T::Module::module()) }
    }

    /// Another module's main configuration; null if it has none.
    pub(super) fn module_main_conf<T>(self, module: *const ngx_module_t) -> *const T {
        // SAFETY: one slot for each HTTP module; only the address is returned.
        unsafe {
            let slots = self.get().main_conf;
            if slots.is_null() { ptr::null() } else { (*slots.add((*module).ctx_index)).cast() }
        }
    }

    /// The values of all indexed variables, whether evaluated yet or not.
    pub(super) fn variables(self) -> &'r [ngx_http_variable_value_t] {
        let core: *const ngx_http_core_main_conf_t =
            self.module_main_conf(&raw const ngx_http_core_module);
        let values = self.get().variables;
        // SAFETY: a request has as many values as the configuration has variables (`ngx_http_alloc_request`).
        unsafe {
            match core.as_ref() {
                Some(core) if !values.is_null() => {
                    std::slice::from_raw_parts(values, core.variables.nelts)
                }
                _ => &[],
            }
        }
    }

    /// Restores values copied from [`Self::variables`].
    pub(super) fn restore_variables(self, values: &[ngx_http_variable_value_t]) {
        // SAFETY: the array has this length; no reference to it is alive.
        unsafe {
            ptr::copy_nonoverlapping(values.as_ptr(), (*self.raw).variables, values.len());
        }
    }

    /// `satisfy any` is set in the current location.
    pub fn satisfies_any(self) -> bool {
        // SAFETY: the type of the core module's location structure.
        let core: Option<&ngx_http_core_loc_conf_t> =
            unsafe { slot(self.get().loc_conf, &raw const ngx_http_core_module) };
        core.is_some_and(|conf| conf.satisfy == NGX_HTTP_SATISFY_ANY as usize)
    }

    /// Headers of the request.
    #[inline]
    pub fn headers_in(self) -> Headers<'r> {
        // SAFETY: the list is initialized with the request; nothing is pushed while a handler reads it.
        unsafe { headers::walk(&self.get().headers_in.headers) }
    }

    /// Headers of the response, except those that NGINX stores outside the list.
    #[inline]
    pub fn headers_out(self) -> Headers<'r> {
        // SAFETY: as above.
        unsafe { headers::walk(&self.get().headers_out.headers) }
    }

    /// The first request header of that name. Names match case-insensitively.
    pub fn header_in(self, lower_case_name: &[u8]) -> Option<&'r [u8]> {
        named(self.headers_in(), lower_case_name)
    }

    /// The first response header of that name. Names match case-insensitively.
    pub fn header_out(self, lower_case_name: &[u8]) -> Option<&'r [u8]> {
        named(self.headers_out(), lower_case_name)
    }

    /// `Content-Type` of the response, without the charset that NGINX appends when it sends the header.
    pub fn response_content_type(self) -> Option<&'r [u8]> {
        // SAFETY: a string in request or configuration memory.
        let value = unsafe { bytes(&self.get().headers_out.content_type) };
        (!value.is_empty()).then_some(value)
    }

    /// `User-Agent`.
    #[inline]
    pub fn user_agent(self) -> Option<&'r [u8]> {
        // SAFETY: null or a header of this request.
        unsafe { known(self.get().headers_in.user_agent) }
    }

    /// `Authorization`.
    #[inline]
    pub fn authorization(self) -> Option<&'r [u8]> {
        // SAFETY: null or a header of this request.
        unsafe { known(self.get().headers_in.authorization) }
    }

    /// `Content-Type` of the request; empty if absent.
    pub fn content_type(self) -> &'r [u8] {
        // SAFETY: null or a header of this request.
        unsafe { known(self.get().headers_in.content_type) }.unwrap_or_default()
    }

    /// `$host`: from the request line, `Host` or `:authority`, else the server name.
    pub fn host(self) -> Option<&'r [u8]> {
        // SAFETY: strings in request and configuration memory.
        let sent = unsafe { bytes(&self.get().headers_in.server) };
        if !sent.is_empty() {
            return Some(sent);
        }
        // SAFETY: the type of the core module's server structure; the name lives in configuration memory.
        unsafe {
            let core = &raw const ngx_http_core_module;
            let server: &ngx_http_core_srv_conf_t = slot(self.get().srv_conf, core)?;
            let name = bytes(&server.server_name);
            (!name.is_empty()).then_some(name)
        }
    }

    /// The current method, which NGINX changes to `GET` after `error_page` and `X-Accel-Redirect`. [`Self::line`] has
    /// the method that the client sent.
    pub fn current_method(self) -> &'r [u8] {
        // SAFETY: a string in request memory.
        unsafe { bytes(&self.get().method_name) }
    }

    /// The current method is PUT.
    #[inline]
    pub fn is_put(self) -> bool {
        self.get().method == NGX_HTTP_PUT as usize
    }

    /// The request line as the client sent it, regardless of rewrites and redirects. For an HTTP/2 or HTTP/3 request
    /// that was rejected before NGINX composed a request line, it is built from the pseudo-headers.
    pub fn line(self) -> RequestLine<'r> {
        let line = RequestLine::parse(self.sent_line());
        if !line.method.is_empty() {
            return line;
        }
        // SAFETY: strings in request memory.
        let (target, protocol) =
            unsafe { (bytes(&self.get().unparsed_uri), bytes(&self.get().http_protocol)) };
        let method = self.current_method();
        RequestLine { method, protocol, ..RequestLine::of_target(target) }
    }

    /// The method is one whose bodies are searched for tokens.
    #[inline]
    pub fn may_carry_tokens(self) -> bool {
        // The first letter of the line excludes most methods.
        let is_another = matches!(self.sent_line().first(), Some(b'A'..=b'O' | b'Q'..=b'Z'));
        !is_another && builtin::may_carry_tokens(self.line().method)
    }

    /// `$request` (`ngx_http_variable_request_line`).
    fn sent_line(self) -> &'r [u8] {
        let r = self.get();
        if !r.request_line.data.is_null() {
            // SAFETY: a string in request memory.
            return unsafe { bytes(&r.request_line) };
        }
        if r.request_start.is_null() || r.header_in.is_null() {
            return &[];
        }
        // SAFETY: until the line has been parsed, it starts in `header_in`, which is filled up to `last`.
        let read = unsafe {
            let (start, last) = ((*r.header_in).start, (*r.header_in).last);
            match start <= r.request_start && r.request_start < last {
                true => {
                    let len = last.offset_from_unsigned(r.request_start);
                    std::slice::from_raw_parts(r.request_start, len)
                }
                false => &[],
            }
        };
        read.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default()
    }

    /// The client has announced a body. Looks at the header, which remains when NGINX has discarded the body and set
    /// `content_length_n` to 0.
    pub fn has_body(self) -> bool {
        let headers = &self.get().headers_in;
        // SAFETY: null or a header of this request.
        let length = unsafe { known(headers.content_length) };
        length.is_some_and(|length| length != b"0") || headers.chunked() != 0
    }

    /// `Content-Length` of the request; `None` if it is chunked or has no body. 0 once NGINX has discarded the body.
    pub fn content_length(self) -> Option<usize> {
        usize::try_from(self.get().headers_in.content_length_n).ok()
    }

    /// `Location` of the response, if NGINX has removed it from the list to send an absolute one
    /// (`ngx_http_header_filter`).
    pub fn location_out(self) -> Option<&'r [u8]> {
        // SAFETY: null or a header of this response.
        unsafe {
            let header = self.get().headers_out.location.as_ref()?;
            (header.hash == 0).then(|| bytes(&header.value))
        }
    }

    /// `Content-Length` of the response, which NGINX stores as a number; `None` if unknown.
    pub fn content_length_out(self) -> Option<u64> {
        u64::try_from(self.get().headers_out.content_length_n).ok()
    }

    /// The connection uses TLS.
    pub fn is_tls(self) -> bool {
        // SAFETY: a request always has a connection. QUIC streams have an `ssl` as well.
        unsafe { !(*self.get().connection).ssl.is_null() }
    }

    /// Client address as text (`$remote_addr`), as set by realip.
    #[inline]
    pub fn remote_addr(self) -> &'r [u8] {
        // SAFETY: a request always has a connection, whose address text is set at accept.
        unsafe { bytes(&(*self.get().connection).addr_text) }
    }

    /// Client address; IPv4 is mapped to IPv6. All zero for other families.
    #[inline]
    pub fn client_ip(self) -> [u8; 16] {
        // SAFETY: a connection's address has the type of its `sa_family`, aligned by NGINX.
        unsafe {
            let address = (*self.get().connection).sockaddr;
            if address.is_null() {
                return [0; 16];
            }
            match i32::from((*address).sa_family) {
                libc::AF_INET => {
                    let v4 = (*address.cast::<libc::sockaddr_in>()).sin_addr.s_addr.to_ne_bytes();
                    std::net::Ipv4Addr::from(v4).to_ipv6_mapped().octets()
                }
                libc::AF_INET6 => (*address.cast::<libc::sockaddr_in6>()).sin6_addr.s6_addr,
                _ => [0; 16],
            }
        }
    }

    /// Status as logged by `access_log` (`ngx_http_log_status`); 0 if there is none.
    pub fn logged_status(self) -> u16 {
        let r = self.get();
        let status = match (r.err_status, r.headers_out.status, r.http_version) {
            (0, 0, 9) => 9,
            (0, status, _) => status,
            (status, _, _) => status,
        };
        u16::try_from(status).unwrap_or(0)
    }

    /// Status of the response; `None` if not set yet.
    pub fn response_status(self) -> Option<u16> {
        Some(self.logged_status()).filter(|status| *status != 0)
    }

    /// Unix time of the request's start, in milliseconds.
    pub fn start_ms(self) -> u64 {
        let r = self.get();
        u64::try_from(r.start_sec).unwrap_or(0) * 1000 + r.start_msec as u64
    }

    /// `$request_length`: request line, headers and body, in bytes.
    pub fn request_length(self) -> u64 {
        u64::try_from(self.get().request_length).unwrap_or(0)
    }

    /// `$bytes_sent`.
    pub fn bytes_sent(self) -> u64 {
        // SAFETY: a request always has a connection (over HTTP/2, the stream's own).
        u64::try_from(unsafe { (*self.get().connection).sent }).unwrap_or(0)
    }

    /// Sum of `$upstream_response_time` in milliseconds; `None` if no upstream was contacted.
    pub fn upstream_ms(self) -> Option<u64> {
        // SAFETY: null or an array of states in request memory.
        unsafe {
            let states = self.get().upstream_states.as_ref()?;
            let mut sum = None;
            for state in states.as_slice::<ngx_http_upstream_state_t>() {
                // -1 in a state that was never started.
                if !state.peer.is_null() && state.response_time != usize::MAX {
                    *sum.get_or_insert(0) += state.response_time as u64;
                }
            }
            sum
        }
    }

    /// The response header has been sent or is being sent.
    pub fn has_response_begun(self) -> bool {
        // SAFETY: alive for the handler.
        unsafe { bits::header_sent(self.raw) != 0 }
    }

    /// The connection has switched protocols (WebSocket and the like).
    pub fn is_upgrade(self) -> bool {
        // SAFETY: null or the upstream of this request.
        unsafe { self.get().upstream.as_ref() }.is_some_and(|upstream| upstream.upgrade() != 0)
    }
}

/// A module's structure in one level of a request's configuration (`ngx_http_get_module_loc_conf`).
///
/// # Safety
/// `T` is the type that the module's create function for that level allocates.
#[inline]
pub(super) unsafe fn slot<'r, T>(
    slots: *mut *mut c_void,
    module: *const ngx_module_t,
) -> Option<&'r T> {
    if slots.is_null() {
        return None;
    }
    // SAFETY: one slot for each HTTP module. A configuration outlives its requests.
    unsafe { (*slots.add((*module).ctx_index)).cast::<T>().as_ref() }
}

fn named<'r>(mut headers: Headers<'r>, lower_case_name: &[u8]) -> Option<&'r [u8]> {
    headers.find(|(name, _)| name.eq_ignore_ascii_case(lower_case_name)).map(|(_, value)| value)
}
