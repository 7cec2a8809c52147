//! Reading the configuration: arguments, messages, memory and paths.

use std::ffi::CStr;
use std::fmt::Display;
use std::marker::PhantomData;
use std::ptr;

use ngx::core::Pool;
use ngx::ffi::{self, NGX_LOG_EMERG, NGX_LOG_WARN, ngx_conf_t, ngx_http_conf_ctx_t, ngx_str_t};

use super::worker_user::CoreConf;

mod directive;
mod dropped_headers;
mod levels;
pub mod options;
mod quotes;
mod units;
mod variable_refs;

pub use directive::{CONF_ERROR, Directive, command};
pub use dropped_headers::HeaderMention;
pub use levels::{LocationLevel, MainLevel, current_main_conf, main_conf};
use ngx::http::HttpModuleMainConf;
pub use units::{parse_offset, parse_size, parse_time_ms};
pub use variable_refs::Mentions;

/// The configuration being read (`ngx_conf_t`), at one directive.
#[derive(Clone, Copy)]
pub struct Conf<'a> {
    raw: *mut ngx_conf_t,
    lifetime: PhantomData<&'a ()>,
}

/// How a server treats headers with unusual names.
pub struct HeaderNames {
    /// `underscores_in_headers`.
    pub underscores: bool,
    /// `ignore_invalid_headers`: drops them.
    pub ignores_invalid: bool,
    /// `file:line` of the server block.
    pub place: String,
}

/// An `ngx_str_t` that points to a static C string.
pub const fn c_string(text: &'static CStr) -> ngx_str_t {
    ngx_str_t { len: text.count_bytes(), data: text.as_ptr() as *mut u8 }
}

impl Conf<'_> {
    /// # Safety
    /// `raw` is the context that NGINX passed to a configuration callback.
    pub unsafe fn from_raw(raw: *mut ngx_conf_t) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    /// NGINX's structure.
    pub fn as_ptr(self) -> *mut ngx_conf_t {
        self.raw
    }

    /// The directive's name and arguments; an error holds the first one that is not UTF-8.
    fn words(&self) -> Result<Vec<&str>, String> {
        // SAFETY: `args` holds the words of the directive being read, and lives until it has been read.
        let raw = unsafe { (*(*self.raw).args).as_slice::<ngx_str_t>() };
        raw.iter()
            .map(|word| {
                std::str::from_utf8(word.as_bytes())
                    .map_err(|_| String::from_utf8_lossy(word.as_bytes()).into_owned())
            })
            .collect()
    }

    /// Logs at `emerg`, with file and line.
    pub fn error(&self, message: &dyn Display) {
        ngx::ngx_conf_log_error!(NGX_LOG_EMERG, self.raw, "{message}");
    }

    /// Logs at `notice`.
    pub fn notice(&self, message: &dyn Display) {
        // SAFETY: a context always has a log.
        let log = unsafe { (*self.raw).log };
        crate::log_notice!(log, "{message}");
    }

    /// Logs at `emerg`, with a `place` noted earlier.
    pub fn error_at(&self, place: &str, message: &dyn Display) {
        // SAFETY: a context always has a log.
        let log = unsafe { (*self.raw).log };
        crate::log_at!(NGX_LOG_EMERG, log, "{message} in {place}");
    }

    /// Logs at `warn`, with file and line.
    pub fn warn_here(&self, message: &dyn Display) {
        ngx::ngx_conf_log_error!(NGX_LOG_WARN, self.raw, "{message}");
    }

    /// Logs at `warn` without file and line, to standard error and the log of the previous cycle.
    pub fn warn(&self, message: &str) {
        // SAFETY: a context always has a log.
        let log = unsafe { (*self.raw).log };
        crate::log_warn!(log, "{message}");
    }

    /// How the server whose configuration is being merged treats header names. NGINX merges modules in order, so the
    /// core module's settings are final.
    pub fn header_names(&self) -> HeaderNames {
        // SAFETY: `ngx_http_merge_servers` puts the server's configurations into the context; the core module's
        // has the line and the NUL-terminated file name of its block.
        unsafe {
            let context = &*(*self.raw).ctx.cast::<ngx_http_conf_ctx_t>();
            let core = *context.srv_conf.add(ffi::ngx_http_core_module.ctx_index);
            let core = &*core.cast::<ffi::ngx_http_core_srv_conf_t>();
            let file = match core.file_name.is_null() {
                true => String::new(),
                false => CStr::from_ptr(core.file_name.cast()).to_string_lossy().into_owned(),
            };
            HeaderNames {
                underscores: core.underscores_in_headers == 1,
                ignores_invalid: core.ignore_invalid_headers == 1,
                place: format!("{file}:{}", core.line),
            }
        }
    }

    /// The level being merged is an `if` or `limit_except` block of a location.
    pub fn is_in_location(&self) -> bool {
        // SAFETY: `ngx_http_merge_locations` puts the location's structures into the context.
        unsafe {
            let context = &*(*self.raw).ctx.cast::<ngx_http_conf_ctx_t>();
            let core = *context.loc_conf.add(ffi::ngx_http_core_module.ctx_index);
            (*core.cast::<ffi::ngx_http_core_loc_conf_t>()).noname() == 1
        }
    }

    /// The position being read, as `file:line`; empty for `-g`.
    pub fn place(&self) -> String {
        // SAFETY: `conf_file` is null or lives while the configuration is read; its name is in the pool.
        unsafe {
            let Some(file) = (*self.raw).conf_file.as_ref() else { return String::new() };
            let name = String::from_utf8_lossy(super::headers::bytes(&file.file.name));
            format!("{name}:{}", file.line)
        }
    }

    /// The pool of the cycle: its content is freed with the configuration.
    pub fn pool(&self) -> Pool {
        // SAFETY: a context always has a pool.
        unsafe { Pool::from_ngx_pool((*self.raw).pool) }
    }

    /// Copies text into the cycle's pool, NUL-terminated. `None` if out of memory.
    pub fn intern(&self, text: &str) -> Option<ngx_str_t> {
        // SAFETY: the allocation has room for text and NUL.
        unsafe {
            let data = ffi::ngx_pnalloc((*self.raw).pool, text.len() + 1).cast::<u8>();
            if data.is_null() {
                return None;
            }
            ptr::copy_nonoverlapping(text.as_ptr(), data, text.len());
            *data.add(text.len()) = 0;
            Some(ngx_str_t { len: text.len(), data })
        }
    }

    /// Resolves the path of a file against the directory of the configuration file (`ngx_conf_full_name`).
    pub fn full_name(&self, path: &str) -> Option<String> {
        let mut name = self.intern(path)?;
        // SAFETY: `name` is NUL-terminated and in the cycle's pool, as the function requires.
        let rc = unsafe { ffi::ngx_conf_full_name((*self.raw).cycle, &mut name, 1) };
        if rc != ffi::NGX_OK as isize {
            return None;
        }
        std::str::from_utf8(name.as_bytes()).ok().map(str::to_owned)
    }

    /// Resolves the path of a directory against NGINX's prefix (`ngx_conf_full_name`), as NGINX does for its own
    /// temporary paths.
    pub fn directory_name(&self, path: &str) -> Option<String> {
        let mut name = self.intern(path)?;
        // SAFETY: `name` is NUL-terminated and in the cycle's pool, as the function requires.
        let rc = unsafe { ffi::ngx_conf_full_name((*self.raw).cycle, &mut name, 0) };
        if rc != ffi::NGX_OK as isize {
            return None;
        }
        std::str::from_utf8(name.as_bytes()).ok().map(str::to_owned)
    }

    /// The core module's configuration of this cycle.
    pub fn core(&self) -> CoreConf {
        // SAFETY: created before the first directive is read, and lives as long as the cycle; only objects of the same
        // cycle use it.
        unsafe {
            let contexts = (*(*self.raw).cycle).conf_ctx.cast::<*const ffi::ngx_core_conf_t>();
            CoreConf::new(*contexts.add(ffi::ngx_core_module.index))
        }
    }

    /// `worker_processes`, if it has been read already.
    pub fn workers(&self) -> Option<usize> {
        // SAFETY: the core module's configuration is created before the first directive is read.
        unsafe {
            let contexts = (*(*self.raw).cycle).conf_ctx.cast::<*mut ffi::ngx_core_conf_t>();
            let core = (*contexts.add(ffi::ngx_core_module.index)).as_ref()?;
            usize::try_from(core.worker_processes).ok().filter(|workers| *workers > 0)
        }
    }

    /// The hostname, as in `$hostname`.
    pub fn hostname(&self) -> String {
        // SAFETY: `ngx_init_cycle` sets it in the cycle's pool before the configuration is read.
        let name = unsafe { super::headers::bytes(&(*(*self.raw).cycle).hostname) };
        String::from_utf8_lossy(name).into_owned()
    }

    /// The module's active main configuration, while a reload reads a new one; `None` on the first start.
    pub fn main_conf_in_force<T: MainLevel>(&self) -> Option<&'static T> {
        // SAFETY: called only while the new configuration is read, which the old cycle outlives. The initial cycle
        // has no `conf_ctx` (`ngx_is_init_cycle`).
        unsafe {
            let old = (*(*self.raw).cycle).old_cycle;
            if old.is_null() || (*old).conf_ctx.is_null() {
                return None;
            }
            main_conf(old)
        }
    }

    /// The module's main configuration, while the `http` block is being read.
    pub fn main_conf<'c, T: MainLevel>(self) -> &'c mut T
    where
        Self: 'c,
    {
        // SAFETY: NGINX creates it before it reads the first directive, and stops if it cannot. One thread reads the
        // directives one at a time, and none holds this reference while it takes another.
        unsafe { T::Module::main_conf_mut(&*self.raw).unwrap_unchecked() }
    }
}
