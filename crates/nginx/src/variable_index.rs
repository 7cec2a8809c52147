//! Whether a variable is defined.

use ngx::ffi::{ngx_hash_key_t, ngx_http_variable_t};
use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};

use super::conf::Conf;
use super::headers::bytes;

/// Whether NGINX will find a variable of that name (`ngx_http_variables_init_vars`). Valid once the `http` block has
/// been read, since variables may be defined after their use.
pub fn is_known_variable(cf: Conf<'_>, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // SAFETY: the core module has its main configuration inside the `http` block. `variables_keys` lives until NGINX
    // has resolved all variables, after postconfiguration, and is null afterwards. Its values are the variables that
    // modules added; both arrays have the element types they are read as.
    unsafe {
        let Some(core) = NgxHttpCoreModule::main_conf(&*cf.as_ptr()) else { return true };
        let Some(all) = core.variables_keys.as_ref() else { return true };
        let is_it = |key: &ngx_hash_key_t| {
            let variable = key.value.cast::<ngx_http_variable_t>().as_ref();
            bytes(&key.key) == name.as_bytes()
                && variable.is_some_and(|variable| variable.get_handler.is_some())
        };
        all.keys.as_slice::<ngx_hash_key_t>().iter().any(is_it)
            || core
                .prefix_variables
                .as_slice::<ngx_http_variable_t>()
                .iter()
                .any(|prefix| name.as_bytes().starts_with(bytes(&prefix.name)))
    }
}
