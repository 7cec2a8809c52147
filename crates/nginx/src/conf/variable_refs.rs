//! The variables that the module's directives use, with file and line: NGINX resolves variables after reading the
//! configuration, when the line is no longer known.

use std::ffi::CStr;

use api_sessions_extract::variable_names;

use super::super::variable_index::is_known_variable;
use super::Conf;

/// A variable in a directive.
struct Mention {
    variable: String,
    directive: &'static CStr,
    /// `file:line`.
    place: String,
}

/// All mentions in a configuration.
#[derive(Default)]
pub struct Mentions(Vec<Mention>);

impl Mentions {
    /// Adds the variables of a complex value.
    pub fn add(&mut self, cf: Conf<'_>, directive: &'static CStr, text: &str) {
        // `$1` is a capture of a regular expression.
        let is_name = |name: &&str| name.starts_with(|c: char| !c.is_ascii_digit());
        self.0.extend(variable_names(text).filter(is_name).map(|name| Mention {
            variable: name.to_owned(),
            directive,
            place: cf.place(),
        }));
    }

    /// Logs the variables that no module defines. Rejecting the configuration is left to NGINX, which checks next.
    pub fn tell_unknown(&self, cf: Conf<'_>) {
        for Mention { variable, directive, place } in &self.0 {
            if !is_known_variable(cf, variable) {
                let directive = directive.to_string_lossy();
                cf.error_at(
                    place,
                    &format_args!("unknown \"{variable}\" variable, in \"{directive}\""),
                );
            }
        }
    }
}
