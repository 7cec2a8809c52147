//! Evaluation of complex values without side effects on the request.
//!
//! NGINX caches the values of variables in the request (`ngx_http_get_indexed_variable`), along with the captures of
//! the last regular expression. Evaluating `map $status $x …` in the access phase would leave "000" in `$x` for
//! `access_log`, and a `map` with regular expressions would change `$1` for `proxy_pass`.

use std::cell::OnceCell;

use api_sessions_identity::Phase;
use ngx::ffi::{
    ngx_http_core_main_conf_t, ngx_http_core_module, ngx_http_request_t, ngx_http_variable_t,
    ngx_http_variable_value_t, ngx_uint_t,
};

use super::headers::bytes;
use super::request::Request;
use super::request_bits as bits;

/// Names and prefixes of variables that describe the response or the body. Their values change after the access
/// phase, so values that depend on them are evaluated again.
const NAMES: &[&[u8]] = &[
    b"status",
    b"body_bytes_sent",
    b"bytes_sent",
    b"gzip_ratio",
    b"request_body",
    b"request_body_file",
    b"request_completion",
    b"request_length",
    b"request_time",
];
const BEGINNINGS: &[&[u8]] = &[b"sent_http_", b"sent_trailer_", b"upstream_"];

/// Indexes of those variables in the configuration, collected on first use.
#[derive(Default)]
pub struct Unsettled(OnceCell<Box<[usize]>>);

impl Unsettled {
    fn places(&self, r: Request<'_>) -> &[usize] {
        self.0.get_or_init(|| {
            // SAFETY: once requests are served, the core module's array holds all indexed variables in index order;
            // their names live in configuration memory.
            let all = unsafe {
                let core: *const ngx_http_core_main_conf_t =
                    r.module_main_conf(&raw const ngx_http_core_module);
                match core.as_ref() {
                    Some(core) => core.variables.as_slice::<ngx_http_variable_t>(),
                    None => &[],
                }
            };
            let is_unsettled = |variable: &ngx_http_variable_t| {
                // SAFETY: as above.
                let name = unsafe { bytes(&variable.name) };
                NAMES.contains(&name) || BEGINNINGS.iter().any(|begin| name.starts_with(begin))
            };
            let places = all.iter().enumerate().filter(|(_, variable)| is_unsettled(variable));
            places.map(|(place, _)| place).collect()
        })
    }
}

/// Runs `evaluate`, which reads NGINX variables.
///
/// Before the log phase, if it evaluated an unsettled variable, all of the request's cached values are restored.
/// Otherwise they stay cached: `$request_id` must be the same for every reader.
pub(super) fn without_traces<T>(
    r: Request<'_>,
    phase: Phase,
    unsettled: &Unsettled,
    evaluate: impl FnOnce() -> T,
) -> T {
    let _groups = Groups::keep(r);
    let places = match phase {
        Phase::Early | Phase::Access => unsettled.places(r),
        Phase::Log => &[],
    };
    if places.is_empty() {
        return evaluate();
    }
    let before: Vec<ngx_http_variable_value_t> = r.variables().to_vec();
    let value = evaluate();
    let is_known = |values: &[ngx_http_variable_value_t], place: usize| {
        values.get(place).is_some_and(|value| value.valid() != 0 || value.not_found() != 0)
    };
    let after = r.variables();
    if places.iter().any(|place| is_known(after, *place) && !is_known(&before, *place)) {
        r.restore_variables(&before);
    }
    value
}

/// The captures of the last regular expression (`$1`), restored on drop.
struct Groups {
    request: *mut ngx_http_request_t,
    count: usize,
    places: *mut i32,
    text: *mut u8,
    reallocate: ngx_uint_t,
}

impl Groups {
    fn keep(r: Request<'_>) -> Self {
        let request = r.as_ptr();
        // SAFETY: a live request. With the flag set, the next match allocates its own array (`ngx_http_regex_exec`),
        // as for subrequests.
        unsafe {
            let kept = Self {
                request,
                count: (*request).ncaptures,
                places: (*request).captures,
                text: (*request).captures_data,
                reallocate: bits::realloc_captures(request),
            };
            bits::set_realloc_captures(request, 1);
            kept
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        // SAFETY: dropped before the handler returns, while the request lives; the values are its own.
        unsafe {
            (*self.request).ncaptures = self.count;
            (*self.request).captures = self.places;
            (*self.request).captures_data = self.text;
            bits::set_realloc_captures(self.request, self.reallocate);
        }
    }
}
