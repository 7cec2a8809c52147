//! `$request_id` at a fraction of its price.
//!
//! NGINX asks OpenSSL for 16 random bytes a request (`ngx_http_variable_request_id`), which costs more
//! instructions than all else that a record needs. Where records are exported, each request has to have
//! an id; so its bytes come from the operating system, 4 KB at a time. For all who ask it stays one
//! value a request: the variable itself gets another handler, before NGINX copies it to its indexes.

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

/// Bytes of an id, of which each is two digits.
const ID_BYTES: usize = 16;

/// Ids that one call to the operating system is for.
const IDS: usize = 256;

/// Random bytes that no request has had yet.
struct Stock {
    bytes: [u8; ID_BYTES * IDS],
    left: usize,
}

struct OfEventLoop(UnsafeCell<Stock>);

// SAFETY: variables are evaluated by the event loop alone, one thread of each process; the master
// evaluates none, so no process inherits bytes that another one uses.
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
        // Given once: what stays behind tells nobody of ids that were.
        ids.get_mut(self.left).map(std::mem::take)
    }
}

/// Gives the variable its other handler; from `postconfiguration`, where NGINX has yet to copy the
/// handlers of all variables (`ngx_http_variables_init_vars`).
pub fn install_request_id_getter(cf: Conf<'_>) {
    // SAFETY: during configuration the names of all variables and the variables behind them are plain
    // arrays and structures of the cycle's pools, which nobody else touches.
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

/// `data` is the address of NGINX's own handler, for when there are no random bytes to be had.
unsafe extern "C" fn get(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    catch_unwind_ffi(NGX_OK as ngx_int_t, || {
        // SAFETY: NGINX evaluates with a live request, whose pool lives as long as the variable, and
        // with a value to fill. The stock is the event loop's, and nothing in here evaluates another
        // variable. `data` is the handler that `install_request_id_getter` found in this variable.
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
