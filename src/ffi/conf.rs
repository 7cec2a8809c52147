//! Reading the configuration: words, messages, memory, files, numbers.

use std::ffi::{CStr, c_char, c_void};
use std::fmt::Display;
use std::marker::PhantomData;
use std::ptr;

use ngx::core::Pool;
use ngx::ffi::{
    self, NGX_LOG_EMERG, ngx_command_t, ngx_conf_t, ngx_http_conf_ctx_t, ngx_module_t, ngx_str_t,
    ngx_uint_t,
};

use super::catch_unwind::guard;
use super::worker_user::CoreConf;
use crate::MODULE;

/// `NGX_CONF_ERROR`: the message has been logged already.
const CONF_ERROR: *mut c_char = usize::MAX as *mut c_char;

/// The configuration that is being read, at one directive.
#[derive(Clone, Copy)]
pub(crate) struct Conf<'a> {
    raw: *mut ngx_conf_t,
    lifetime: PhantomData<&'a ()>,
}

/// One directive: its name, where it may stand, and what it does with its words.
pub(crate) trait Directive {
    /// The structure of the level it is written in.
    type Level;
    /// The directive's name.
    const NAME: &'static CStr;
    /// What follows the name, for messages: `name:size [inactive=time]`.
    const SYNTAX: &'static str;
    /// Takes the words after the name. An error is shown with file, line and directive.
    fn set(cf: Conf<'_>, words: &[&str], level: &mut Self::Level) -> Result<(), String>;
}

/// The table entry of a directive.
pub(crate) const fn command<D: Directive>(contexts: u32, offset: usize) -> ngx_command_t {
    ngx_command_t {
        name: c_string(D::NAME),
        // Words are counted by the directive itself: its message says what would be accepted.
        type_: (contexts | ffi::NGX_CONF_ANY) as ngx_uint_t,
        set: Some(set::<D>),
        conf: offset,
        offset: 0,
        post: ptr::null_mut(),
    }
}

/// An `ngx_str_t` over a C string of the program.
pub(crate) const fn c_string(text: &'static CStr) -> ngx_str_t {
    ngx_str_t { len: text.count_bytes(), data: text.as_ptr() as *mut u8 }
}

extern "C" fn set<D: Directive>(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    level: *mut c_void,
) -> *mut c_char {
    guard(CONF_ERROR, || {
        // SAFETY: NGINX calls with a valid context, and with the structure of `D`'s level, which our
        // create functions made; configuration is read by one thread, without re-entry here.
        let (cf, level) = unsafe { (Conf::from_raw(cf), &mut *level.cast::<D::Level>()) };
        let words = match cf.words() {
            Ok(words) => words,
            Err(word) => {
                cf.error(&format_args!("\"{word}\" is not UTF-8"));
                return CONF_ERROR;
            }
        };
        match D::set(cf, &words[1..], level) {
            Ok(()) => ptr::null_mut(),
            Err(message) => {
                let name = D::NAME.to_string_lossy();
                cf.error(&format_args!("{message}, in \"{name}\" ({name} {};)", D::SYNTAX));
                CONF_ERROR
            }
        }
    })
}

/// What a server makes of headers with unusual names.
pub(crate) struct HeaderNames {
    /// `underscores_in_headers`.
    pub(crate) underscores: bool,
    /// `ignore_invalid_headers`: they are dropped.
    pub(crate) ignores_invalid: bool,
    /// `file:line` of the server.
    pub(crate) place: String,
}

impl Conf<'_> {
    /// # Safety
    /// `raw` is the context that NGINX handed to a configuration callback.
    pub(crate) unsafe fn from_raw(raw: *mut ngx_conf_t) -> Self {
        Self { raw, lifetime: PhantomData }
    }

    pub(crate) fn as_ptr(self) -> *mut ngx_conf_t {
        self.raw
    }

    /// The directive's name and its words; the offending one where it is not UTF-8.
    fn words(&self) -> Result<Vec<&str>, String> {
        // SAFETY: `args` holds the words of the directive being read, alive while it is.
        let raw = unsafe { (*(*self.raw).args).as_slice::<ngx_str_t>() };
        raw.iter()
            .map(|word| {
                std::str::from_utf8(word.as_bytes())
                    .map_err(|_| String::from_utf8_lossy(word.as_bytes()).into_owned())
            })
            .collect()
    }

    /// Logs at `emerg`, with file and line.
    pub(crate) fn error(&self, message: &dyn Display) {
        ngx::ngx_conf_log_error!(NGX_LOG_EMERG, self.raw, "{message}");
    }

    /// Logs at `notice`.
    pub(crate) fn notice(&self, message: &dyn Display) {
        // SAFETY: a context always has a log.
        let log = unsafe { (*self.raw).log };
        super::log::log_notice!(log, "{message}");
    }

    /// Logs at `emerg`, with a place that was read before.
    pub(crate) fn error_at(&self, place: &str, message: &dyn Display) {
        // SAFETY: a context always has a log.
        let log = unsafe { (*self.raw).log };
        super::log::log_at!(NGX_LOG_EMERG, log, "{message} in {place}");
    }

    /// Logs at `warn`, to standard error and the log in force before this configuration.
    pub(crate) fn warn(&self, message: &str) {
        // SAFETY: a context always has a log.
        let log = unsafe { (*self.raw).log };
        super::log::log_warn!(log, "{message}");
    }

    /// Which names of headers the server takes whose locations are being merged. The core module has merged its
    /// own settings by then: modules are merged in their order.
    pub(crate) fn header_names(&self) -> HeaderNames {
        // SAFETY: `ngx_http_merge_servers` puts the server's configurations into the context; the core module's
        // has the file and line of its block, NUL-terminated.
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

    /// The file and line that are being read, `file:line`; empty for `-g`.
    pub(crate) fn place(&self) -> String {
        // SAFETY: `conf_file` is null or alive while the configuration is read; its name is in the pool.
        unsafe {
            let Some(file) = (*self.raw).conf_file.as_ref() else { return String::new() };
            let name = String::from_utf8_lossy(super::headers::bytes(&file.file.name));
            format!("{name}:{}", file.line)
        }
    }

    /// The pool of the cycle: what lives in it goes with the configuration.
    pub(crate) fn pool(&self) -> Pool {
        // SAFETY: a context always has a pool.
        unsafe { Pool::from_ngx_pool((*self.raw).pool) }
    }

    /// Copies text into the cycle's pool, with a terminating NUL behind it.
    pub(crate) fn intern(&self, text: &str) -> Option<ngx_str_t> {
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

    /// Absolute path of a file named in the configuration, relative to the configuration prefix
    /// (`ngx_conf_full_name`).
    pub(crate) fn full_name(&self, path: &str) -> Option<String> {
        let mut name = self.intern(path)?;
        // SAFETY: `name` is NUL-terminated and in the cycle's pool, as the function asks.
        let rc = unsafe { ffi::ngx_conf_full_name((*self.raw).cycle, &mut name, 1) };
        if rc != ffi::NGX_OK as isize {
            return None;
        }
        std::str::from_utf8(name.as_bytes()).ok().map(str::to_owned)
    }

    /// Absolute path of a directory named in the configuration, relative to the prefix of NGINX
    /// (`ngx_conf_full_name`), as NGINX's own temporary paths are.
    pub(crate) fn directory_name(&self, path: &str) -> Option<String> {
        let mut name = self.intern(path)?;
        // SAFETY: `name` is NUL-terminated and in the cycle's pool, as the function asks.
        let rc = unsafe { ffi::ngx_conf_full_name((*self.raw).cycle, &mut name, 0) };
        if rc != ffi::NGX_OK as isize {
            return None;
        }
        std::str::from_utf8(name.as_bytes()).ok().map(str::to_owned)
    }

    /// The core module's configuration of this cycle.
    pub(crate) fn core(&self) -> CoreConf {
        // SAFETY: made before the first directive is read, and alive as long as the cycle; read by what
        // lives in the cycle alone.
        unsafe {
            let contexts = (*(*self.raw).cycle).conf_ctx.cast::<*const ffi::ngx_core_conf_t>();
            CoreConf::new(*contexts.add(ffi::ngx_core_module.index))
        }
    }

    /// `worker_processes`, if it was read by now.
    pub(crate) fn workers(&self) -> Option<usize> {
        // SAFETY: the core module's configuration is there before the first directive is read.
        unsafe {
            let contexts = (*(*self.raw).cycle).conf_ctx.cast::<*mut ffi::ngx_core_conf_t>();
            let core = (*contexts.add(ffi::ngx_core_module.index)).as_ref()?;
            usize::try_from(core.worker_processes).ok().filter(|workers| *workers > 0)
        }
    }

    /// Name of the machine, as NGINX knows it.
    pub(crate) fn hostname(&self) -> String {
        // SAFETY: set by ngx_init_cycle before the configuration is read; lives in the cycle's pool.
        let name = unsafe { super::headers::bytes(&(*(*self.raw).cycle).hostname) };
        String::from_utf8_lossy(name).into_owned()
    }

    /// The module's main configuration that is in force while this one is read: in a reload.
    pub(crate) fn main_conf_in_force<T: MainLevel>(&self) -> Option<&'static T> {
        // SAFETY: the old cycle outlives the reading of the new configuration, which alone may ask; the first
        // one is an empty one without `conf_ctx` (ngx_is_init_cycle).
        unsafe {
            let old = (*(*self.raw).cycle).old_cycle;
            if old.is_null() || (*old).conf_ctx.is_null() {
                return None;
            }
            main_conf(old)
        }
    }

    /// The module's main configuration, while the `http` block is being read.
    pub(crate) fn main_conf<'c, T: MainLevel>(self) -> &'c mut T
    where
        Self: 'c,
    {
        // SAFETY: `T` is what our create function made. Directives are read one at a time by one
        // thread, and none holds this reference while asking for it again.
        unsafe { &mut *http_main_conf(self.raw, MODULE.get()).cast::<T>() }
    }
}

/// `ngx_http_conf_get_module_main_conf`.
///
/// # Safety
/// `cf` is a context inside the `http` block.
pub(crate) unsafe fn http_main_conf(
    cf: *mut ngx_conf_t,
    module: *const ngx_module_t,
) -> *mut c_void {
    // SAFETY: as the caller says; every http module has a slot at its ctx_index.
    unsafe { *(*(*cf).ctx.cast::<ngx_http_conf_ctx_t>()).main_conf.add((*module).ctx_index) }
}

/// The module's main configuration in the cycle in force; `None` without an `http` block.
///
/// The reference is for one hook or handler: in single-process mode a reload replaces the cycle.
pub(crate) fn current_main_conf<T: MainLevel>() -> Option<&'static T> {
    // SAFETY: the cycle in force has its configuration.
    unsafe { main_conf(ffi::ngx_cycle) }
}

/// As [`current_main_conf`], of another cycle.
///
/// # Safety
/// The cycle's configuration was read, and lives for as long as the hook that asks.
pub(crate) unsafe fn main_conf<T: MainLevel>(cycle: *mut ffi::ngx_cycle_t) -> Option<&'static T> {
    // SAFETY: `conf_ctx` has a slot for each module; the slot of ngx_http_module is its context or
    // null; `T` is what our create function made.
    unsafe {
        let http = *(*cycle).conf_ctx.add(ffi::ngx_http_module.index);
        let http = http.cast::<ngx_http_conf_ctx_t>().as_ref()?;
        (*http.main_conf.add((*MODULE.get()).ctx_index)).cast::<T>().as_ref()
    }
}

/// The structure that the module's `create_main_conf` makes.
///
/// # Safety
/// Only that structure may say so.
pub(crate) unsafe trait MainLevel {}

/// The structure that the module's `create_loc_conf` makes.
///
/// # Safety
/// Only that structure may say so.
pub(crate) unsafe trait LocationLevel {}

/// `16m`, `512k`, `4096`: bytes (`ngx_parse_size`).
pub(crate) fn parse_size(text: &str) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    let mut line = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
    // SAFETY: the function reads `len` bytes, of which there is at least one, and changes nothing.
    let size = unsafe { ffi::ngx_parse_size(&mut line) };
    usize::try_from(size).ok()
}

/// `2g`, `16m`, `4096`: bytes of files (`ngx_parse_offset`).
pub(crate) fn parse_offset(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut line = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
    // SAFETY: as above.
    let size = unsafe { ffi::ngx_parse_offset(&mut line) };
    u64::try_from(size).ok()
}

/// `24h`, `500ms`, `1m 30s`: milliseconds (`ngx_parse_time`).
pub(crate) fn parse_time_ms(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut line = ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() };
    // SAFETY: as above.
    let ms = unsafe { ffi::ngx_parse_time(&mut line, 0) };
    u64::try_from(ms).ok()
}
