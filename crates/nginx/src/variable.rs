//! NGINX variables: those the module defines, and the complex values it evaluates.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use api_sessions_extract::{VariableCompiler, VariableId};
use api_sessions_identity::Phase;
use ngx::ffi::{
    self, NGX_OK, ngx_http_add_variable, ngx_http_compile_complex_value,
    ngx_http_compile_complex_value_t, ngx_http_complex_value, ngx_http_complex_value_t,
    ngx_http_get_indexed_variable, ngx_http_get_variable_index, ngx_http_request_t,
    ngx_http_variable_value_t, ngx_int_t, ngx_pnalloc, ngx_str_t, ngx_uint_t,
};

use super::catch_unwind::catch_unwind_ffi;
use super::conf::{Conf, c_string};
use super::evaluation::{Unsettled, without_traces};
use super::headers::bytes;
use super::request::Request;
use super::request_bits::set_variable;

/// Where a getter writes the variable's value.
pub struct Output<'r> {
    request: Request<'r>,
    value: &'r mut ngx_http_variable_value_t,
}

impl Output<'_> {
    /// Copies `text` into the request's pool as the value.
    pub fn text(self, text: &[u8]) {
        // SAFETY: the pool lives as long as the request, and so as the variable.
        unsafe {
            let data = ngx_pnalloc((*self.request.as_ptr()).pool, text.len().max(1)).cast::<u8>();
            if data.is_null() {
                return;
            }
            std::ptr::copy_nonoverlapping(text.as_ptr(), data, text.len());
            set_variable(self.value, data, text.len());
        }
    }

    /// Sets the value to a static string, without a copy.
    pub fn constant(self, text: &'static str) {
        // SAFETY: `value` is writable; NGINX never writes through a variable's `data`.
        unsafe { set_variable(self.value, text.as_ptr().cast_mut(), text.len()) };
    }
}

/// Computes a variable. A getter that writes nothing leaves the variable "not found".
pub trait Getter {
    /// Without the `$`.
    const NAME: &'static CStr;
    /// Writes the value for `r` to `output`.
    fn get(r: Request<'_>, output: Output<'_>);
}

/// Adds the variable (`ngx_http_add_variable`), from `preconfiguration`. It is not cacheable: a session's counts,
/// and even its id, may change between phases.
pub fn add<G: Getter>(cf: Conf<'_>) -> Option<()> {
    let mut name = c_string(G::NAME);
    // SAFETY: the function copies the name.
    unsafe {
        let variable = ngx_http_add_variable(
            cf.as_ptr(),
            &mut name,
            ffi::NGX_HTTP_VAR_NOCACHEABLE as ngx_uint_t,
        );
        variable.as_mut()?.get_handler = Some(get::<G>);
    }
    Some(())
}

unsafe extern "C" fn get<G: Getter>(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    _data: usize,
) -> ngx_int_t {
    catch_unwind_ffi(NGX_OK as ngx_int_t, || {
        // SAFETY: NGINX passes a live request and a writable value.
        let (request, value) = unsafe { (Request::from_raw(r), &mut *value) };
        value.set_valid(0);
        value.set_no_cacheable(1);
        value.set_not_found(1);
        G::get(request, Output { request, value });
        NGX_OK as ngx_int_t
    })
}

/// A compiled string with variables (`ngx_http_complex_value_t`).
pub struct ComplexValue {
    compiled: ngx_http_complex_value_t,
    unsettled: Unsettled,
}

impl ComplexValue {
    /// Compiles a copy of `text` in the cycle's pool.
    pub fn compile(cf: Conf<'_>, text: &str) -> Result<Self, String> {
        let mut source = cf.intern(text).ok_or("out of memory")?;
        let mut value = MaybeUninit::<ngx_http_complex_value_t>::zeroed();
        // SAFETY: all three structures are plain C data. NGINX keeps pointers only to the bytes of `source` and to
        // its own allocations in the cycle's pool, so the value itself may be moved.
        unsafe {
            let mut compile: ngx_http_compile_complex_value_t = std::mem::zeroed();
            compile.cf = cf.as_ptr();
            compile.value = &mut source;
            compile.complex_value = value.as_mut_ptr();
            if ngx_http_compile_complex_value(&mut compile) != NGX_OK as ngx_int_t {
                return Err(format!("\"{text}\" is not a valid text with variables"));
            }
            Ok(Self { compiled: value.assume_init(), unsettled: Unsettled::default() })
        }
    }

    /// The value for this request; `None` if it is empty or evaluation fails.
    #[inline]
    pub fn evaluate<'r>(&self, r: Request<'r>, phase: Phase) -> Option<&'r [u8]> {
        let mut text = ngx_str_t { len: 0, data: std::ptr::null_mut() };
        // SAFETY: the function only reads the compiled value, although its parameter is not const, and points
        // `text` at request or configuration memory.
        let evaluated = without_traces(r, phase, &self.unsettled, || unsafe {
            let compiled = (&raw const self.compiled).cast_mut();
            ngx_http_complex_value(r.as_ptr(), compiled, &mut text)
        });
        if evaluated != NGX_OK as ngx_int_t {
            return None;
        }
        // SAFETY: as above.
        Some(unsafe { bytes(&text) }).filter(|text| !text.is_empty())
    }

    /// Whether the value is neither empty nor `0`, as NGINX evaluates conditions.
    pub fn is_true(&self, r: Request<'_>, phase: Phase) -> bool {
        self.evaluate(r, phase).is_some_and(|value| value != b"0")
    }
}

/// An NGINX variable, by index.
#[derive(Clone, Copy)]
pub struct IndexedVariable(ngx_uint_t);

impl IndexedVariable {
    /// Looks up `name`, without the `$` (`ngx_http_get_variable_index`). NGINX rejects the configuration if no module
    /// defines it.
    pub fn find(cf: Conf<'_>, name: &'static CStr) -> Option<Self> {
        let mut name = c_string(name);
        // SAFETY: the function copies the name.
        let index = unsafe { ngx_http_get_variable_index(cf.as_ptr(), &mut name) };
        ngx_uint_t::try_from(index).ok().map(Self)
    }

    /// The value for this request; `None` if it is empty or not found.
    #[inline]
    pub fn evaluate<'r>(self, r: Request<'r>) -> Option<&'r [u8]> {
        // SAFETY: the index came from the same configuration; the value is in request memory.
        unsafe {
            let value = ngx_http_get_indexed_variable(r.as_ptr(), self.0).as_ref()?;
            if value.not_found() != 0 || value.valid() == 0 || value.len() == 0 {
                return None;
            }
            Some(std::slice::from_raw_parts(value.data, value.len() as usize))
        }
    }
}

/// Complex values of points, indexed by `VariableId`.
#[derive(Default)]
pub struct PointVariables(Vec<ComplexValue>);

impl PointVariables {
    /// The value of one of them for this request; `None` if it is empty or evaluation fails.
    #[inline]
    pub fn evaluate<'r>(&self, r: Request<'r>, phase: Phase, id: VariableId) -> Option<&'r [u8]> {
        self.0.get(id.0 as usize)?.evaluate(r, phase)
    }
}

/// Compiles the points of one directive.
pub struct PointCompiler<'a> {
    /// The directive being read.
    pub cf: Conf<'a>,
    /// Receives the compiled values.
    pub variables: &'a mut PointVariables,
}

impl VariableCompiler for PointCompiler<'_> {
    fn compile(&mut self, text: &str) -> Result<VariableId, String> {
        let value = ComplexValue::compile(self.cf, text)?;
        self.variables.0.push(value);
        u32::try_from(self.variables.0.len() - 1)
            .map(VariableId)
            .map_err(|_| "too many points".to_owned())
    }
}
