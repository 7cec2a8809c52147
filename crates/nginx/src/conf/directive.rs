//! Directives: declaration, and parsing of their arguments.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use ngx::ffi::{self, ngx_command_t, ngx_conf_t, ngx_uint_t};

use super::super::catch_unwind::catch_unwind_ffi;
use super::{Conf, c_string, quotes};

/// `NGX_CONF_ERROR`: a message has already been logged.
pub const CONF_ERROR: *mut c_char = usize::MAX as *mut c_char;

/// A directive: its name, syntax and effect.
pub trait Directive {
    /// The configuration structure that it modifies.
    type Level;
    /// The directive's name.
    const NAME: &'static CStr;
    /// The arguments, for messages: `name:size [inactive=time]`.
    const SYNTAX: &'static str;
    /// A parameter that may be quoted as `name="some words"` as well as `"name=some words"`.
    const QUOTED: Option<&'static str> = None;
    /// Applies the arguments.
    ///
    /// # Errors
    /// A message, which is logged with file, line, directive and syntax.
    fn set(cf: Conf<'_>, words: &[&str], level: &mut Self::Level) -> Result<(), String>;
}

/// The table entry of a directive.
pub const fn command<D: Directive>(contexts: u32, offset: usize) -> ngx_command_t {
    ngx_command_t {
        name: c_string(D::NAME),
        // NGX_CONF_ANY: the directive checks the number of arguments itself, for a message that says what is accepted.
        type_: (contexts | ffi::NGX_CONF_ANY) as ngx_uint_t,
        set: Some(set::<D>),
        conf: offset,
        offset: 0,
        post: ptr::null_mut(),
    }
}

extern "C" fn set<D: Directive>(
    cf: *mut ngx_conf_t,
    _command: *mut ngx_command_t,
    level: *mut c_void,
) -> *mut c_char {
    catch_unwind_ffi(CONF_ERROR, || {
        // SAFETY: NGINX passes a valid context and the structure of `D`'s level, made by our create functions. One
        // thread reads the configuration, without reentering this function.
        let (cf, level) = unsafe { (Conf::from_raw(cf), &mut *level.cast::<D::Level>()) };
        let words = match cf.words() {
            Ok(words) => words,
            Err(word) => {
                cf.error(&format_args!("\"{word}\" is not UTF-8"));
                return CONF_ERROR;
            }
        };
        let joined = D::QUOTED.map(|name| quotes::join(&words[1..], name));
        let joined = joined.as_ref().map(|words| words.iter().map(String::as_str).collect());
        let words = joined.unwrap_or_else(|| words[1..].to_vec());
        match quotes::check(&words, D::SYNTAX).and_then(|()| take::<D>(cf, &words, level)) {
            Ok(()) => ptr::null_mut(),
            Err(message) => {
                let name = D::NAME.to_string_lossy();
                cf.error(&format_args!("{message}, in \"{name}\" ({name} {};)", D::SYNTAX));
                CONF_ERROR
            }
        }
    })
}

fn take<D: Directive>(cf: Conf<'_>, words: &[&str], level: &mut D::Level) -> Result<(), String> {
    D::set(cf, words, level).map_err(|message| message + quotes::hint(words))
}
