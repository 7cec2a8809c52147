//! The TLS contexts of the servers that NGINX was configured with.

use std::ffi::CStr;

use ngx::ffi::{SSL_CTX, ngx_http_core_srv_conf_t, ngx_http_ssl_srv_conf_t, ngx_module_t};
use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};

use crate::conf::Conf;

const SSL_MODULE: &CStr = c"ngx_http_ssl_module";

/// Each server's context, made when its level was merged (`ngx_http_ssl_merge_srv_conf`). A server without
/// certificates has none. To be asked in `postconfiguration`.
pub(super) fn tls_contexts(cf: Conf<'_>) -> impl Iterator<Item = *mut SSL_CTX> {
    let servers = match ssl_module(cf) {
        // SAFETY: inside the `http` block, whose core module has its structure, with an array of pointers to
        // the servers' structures.
        Some(_) => unsafe {
            NgxHttpCoreModule::main_conf(&*cf.as_ptr())
                .map_or(&[][..], |core| core.servers.as_slice::<*const ngx_http_core_srv_conf_t>())
        },
        None => &[],
    };
    let slot = ssl_module(cf).map_or(0, |module| module.ctx_index);
    servers.iter().filter_map(move |server| {
        // SAFETY: a server has a structure of every http module in its context, at the module's place; the
        // layout is that of the NGINX that the module is built for, which NGINX checks.
        let context = unsafe {
            let servers = (*(**server).ctx).srv_conf;
            (*servers.add(slot)).cast::<ngx_http_ssl_srv_conf_t>().as_ref()?.ssl.ctx
        };
        (!context.is_null()).then_some(context)
    })
}

/// By its name: an NGINX may be built without it, and its symbol must not be missed then.
fn ssl_module<'c>(cf: Conf<'c>) -> Option<&'c ngx_module_t> {
    // SAFETY: the cycle that is being read has a list of all modules, which ends with null; they live as long
    // as the process, and their names too.
    unsafe {
        let modules = (*(*cf.as_ptr()).cycle).modules;
        (0..)
            .map(|at| *modules.add(at))
            .map_while(|module| module.as_ref())
            .find(|module| !module.name.is_null() && CStr::from_ptr(module.name) == SSL_MODULE)
    }
}
