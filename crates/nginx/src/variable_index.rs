//! Which variables somebody defines.

use ngx::ffi::{ngx_hash_key_t, ngx_http_variable_t};
use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};

use super::conf::Conf;
use super::headers::bytes;

/// Whether NGINX will find a variable of that name (`ngx_http_variables_init_vars`). To be asked once the
/// `http` block has been read: variables may be defined below their use.
pub fn is_known_variable(cf: Conf<'_>, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // SAFETY: inside the `http` block, whose core module has its structure. `variables_keys` lives until
    // NGINX has looked all variables up, which is after postconfiguration, and is null from then on. Its
    // values are the variables that modules added; both arrays hold what they are read as.
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
