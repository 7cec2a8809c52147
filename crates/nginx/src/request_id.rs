//! A cheaper `$request_id`.
//!
//! NGINX asks OpenSSL for 16 random bytes per request (`ngx_http_variable_request_id`), which costs more instructions
//! than the rest of a record. Every exported record needs an id, so the bytes come from the operating system instead,
//! 4 KB at a time. The variable's own handler is replaced, before NGINX copies it to indexed variables, so that every
//! reader still gets the same value for a request.

use std::cell::UnsafeCell;

use ngx::ffi::{
    NGX_OK, ngx_http_get_variable_pt, ngx_http_request_t, ngx_http_variable_t,
    ngx_http_variable_value_t, ngx_int_t, ngx_pnalloc,
};
use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};

use super::catch_unwind::catch_unwind_ffi;
use super::conf::Conf;
use super::headers::bytes;
use super::request_bits::set_variable;

const NAME: &[u8] = b"request_id";

/// Bytes of an id; each is two hex digits.
const ID_BYTES: usize = 16;

/// Ids per call to the operating system.
const IDS: usize = 256;

/// Unused random bytes.
struct Stock {
    bytes: [u8; ID_BYTES * IDS],
    left: usize,
}

struct OfEventLoop(UnsafeCell<Stock>);

// SAFETY: only the event-loop thread of a process evaluates variables. The master evaluates none, so the stock is empty
// at a fork and no two processes share bytes.
unsafe impl Sync for OfEventLoop {}

static STOCK: OfEventLoop =
    OfEventLoop(UnsafeCell::new(Stock { bytes: [0; ID_BYTES * IDS], left: 0 }));

impl Stock {
    fn next(&mut self) -> Option<[u8; ID_BYTES]> {
        if self.left == 0 {
            getrandom::fill(&mut self.bytes).ok()?;
            self.left = IDS;
        }
        self.left -= 1;
        let (ids, _) = self.bytes.as_chunks_mut::<ID_BYTES>();
        // Zeroes the bytes: a memory dump must not reveal earlier ids.
        ids.get_mut(self.left).map(std::mem::take)
    }
}

/// Replaces the variable's handler. Called from `postconfiguration`, before NGINX copies handlers to indexed variables
/// (`ngx_http_variables_init_vars`).
pub fn install_request_id_getter(cf: Conf<'_>) {
    // SAFETY: during configuration, variable names and variables are plain arrays and structures in the cycle's pools,
    // accessed by this thread only.
    unsafe {
        let core = NgxHttpCoreModule::main_conf(&*cf.as_ptr());
        let Some(names) = core.and_then(|core| core.variables_keys.as_ref()) else { return };
        for name in names.keys.as_slice::<ngx::ffi::ngx_hash_key_t>() {
            if bytes(&name.key) != NAME {
                continue;
            }
            if let Some(variable) = name.value.cast::<ngx_http_variable_t>().as_mut()
                && variable.data == 0
                && let Some(own) = variable.get_handler
            {
                variable.data = own as usize;
                variable.get_handler = Some(get);
            }
        }
    }
}

/// `data` is the address of NGINX's own handler, the fallback if random bytes or memory are unavailable.
unsafe extern "C" fn get(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    catch_unwind_ffi(NGX_OK as ngx_int_t, || {
        // SAFETY: NGINX passes a live request, whose pool outlives the variable, and a writable value. The stock
        // belongs to the event loop, and nothing here evaluates another variable. `data` is the handler that
        // `install_request_id_getter` found in this variable.
        unsafe {
            let text = ngx_pnalloc((*r).pool, 2 * ID_BYTES).cast::<[u8; 2 * ID_BYTES]>();
            let (Some(id), Some(text)) = ((*STOCK.0.get()).next(), text.as_mut()) else {
                let own: ngx_http_get_variable_pt = std::mem::transmute(data);
                return own.map_or(NGX_OK as ngx_int_t, |own| own(r, value, 0));
            };
            *text = api_sessions_protocol::hex(&id);
            set_variable(value, text.as_mut_ptr(), text.len());
            (*value).set_no_cacheable(0);
            NGX_OK as ngx_int_t
        }
    })
}
