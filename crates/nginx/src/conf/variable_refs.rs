//! Variables that the module's directives name, with the place: NGINX looks for them once all is read,
//! and knows no line then.

use std::ffi::CStr;

use api_sessions_extract::variable_names;

use super::super::variable_index::is_known_variable;
use super::Conf;

/// One variable in one directive.
struct Mention {
    variable: String,
    directive: &'static CStr,
    /// `file:line`.
    place: String,
}

/// All of a configuration.
#[derive(Default)]
pub struct Mentions(Vec<Mention>);

impl Mentions {
    /// Notes the variables of a complex value.
    pub fn add(&mut self, cf: Conf<'_>, directive: &'static CStr, text: &str) {
        // `$1` is a capture of an expression.
        let is_name = |name: &&str| name.starts_with(|c: char| !c.is_ascii_digit());
        self.0.extend(variable_names(text).filter(is_name).map(|name| Mention {
            variable: name.to_owned(),
            directive,
            place: cf.place(),
        }));
    }

    /// Says which of them nobody defines. Whether that is an error is left to NGINX, which asks next.
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
