//! Error-log macros with NGINX's level names. The first argument is anything that implements [`AsLog`].

use ngx::ffi::{ngx_connection_t, ngx_cycle_t, ngx_log_t};

/// Something that has an error log.
pub trait AsLog {
    /// The log to write to; never null while NGINX runs.
    fn as_log(&self) -> *mut ngx_log_t;
}

impl AsLog for *mut ngx_log_t {
    fn as_log(&self) -> *mut ngx_log_t {
        *self
    }
}

impl AsLog for *mut ngx_cycle_t {
    fn as_log(&self) -> *mut ngx_log_t {
        // SAFETY: NGINX passes valid cycles to hooks, and a cycle always has a log.
        unsafe { (**self).log }
    }
}

impl AsLog for *mut ngx_connection_t {
    fn as_log(&self) -> *mut ngx_log_t {
        // SAFETY: a connection in use always has a log.
        unsafe { (**self).log }
    }
}

/// Logs at the level of an NGINX constant: `log_at!(NGX_LOG_ERR, cycle, "…")`.
#[macro_export]
macro_rules! log_at {
    ($level:ident, $to:expr, $($arg:tt)+) => {{
        #[allow(unused_unsafe, clippy::macro_metavars_in_unsafe, clippy::undocumented_unsafe_blocks)]
        {
            ngx::ngx_log_error!(ngx::ffi::$level, $crate::log::AsLog::as_log(&$to), $($arg)+);
        }
    }};
}

/// Logs at `error`.
#[macro_export]
macro_rules! log_error { ($($t:tt)+) => { $crate::log_at!(NGX_LOG_ERR, $($t)+) }; }

/// Logs at `warn`.
#[macro_export]
macro_rules! log_warn { ($($t:tt)+) => { $crate::log_at!(NGX_LOG_WARN, $($t)+) }; }

/// Logs at `notice`.
#[macro_export]
macro_rules! log_notice { ($($t:tt)+) => { $crate::log_at!(NGX_LOG_NOTICE, $($t)+) }; }
