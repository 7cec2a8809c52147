//! The TLS contexts of the configured servers.

use std::ffi::CStr;

use ngx::ffi::{SSL_CTX, ngx_http_core_srv_conf_t, ngx_http_ssl_srv_conf_t, ngx_module_t};
use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};

use crate::conf::Conf;

const SSL_MODULE: &CStr = c"ngx_http_ssl_module";

/// The context of each server, created when its configuration is merged (`ngx_http_ssl_merge_srv_conf`). A server
/// without certificates has none. Valid from `postconfiguration` on.
pub(super) fn tls_contexts(cf: Conf<'_>) -> impl Iterator<Item = *mut SSL_CTX> {
    let servers = match ssl_module(cf) {
        // SAFETY: the core module has its main configuration inside the `http` block, with an array of pointers to
        // the servers' structures.
        Some(_) => unsafe {
            NgxHttpCoreModule::main_conf(&*cf.as_ptr())
                .map_or(&[][..], |core| core.servers.as_slice::<*const ngx_http_core_srv_conf_t>())
        },
        None => &[],
    };
    let slot = ssl_module(cf).map_or(0, |module| module.ctx_index);
    servers.iter().filter_map(move |server| {
        // SAFETY: a server's context has a structure of every HTTP module, at the module's index. NGINX checks that the
        // module was built for its own structure layout.
        let context = unsafe {
            let servers = (*(**server).ctx).srv_conf;
            (*servers.add(slot)).cast::<ngx_http_ssl_srv_conf_t>().as_ref()?.ssl.ctx
        };
        (!context.is_null()).then_some(context)
    })
}

/// Looked up by name: a reference to its symbol would not resolve in an NGINX built without it.
fn ssl_module<'c>(cf: Conf<'c>) -> Option<&'c ngx_module_t> {
    // SAFETY: the cycle being read has a null-terminated list of all modules; modules and their names live as long as
    // the process.
    unsafe {
        let modules = (*(*cf.as_ptr()).cycle).modules;
        (0..)
            .map(|at| *modules.add(at))
            .map_while(|module| module.as_ref())
            .find(|module| !module.name.is_null() && CStr::from_ptr(module.name) == SSL_MODULE)
    }
}
