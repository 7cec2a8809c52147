//! Warnings about points on request headers that NGINX drops before modules see them: by default, those whose names
//! contain anything but letters, digits and hyphens.

use std::cell::Cell;
use std::ffi::CStr;
use std::rc::Rc;

use api_sessions_extract::{Point, PointSource, Side};

use super::{Conf, HeaderNames};

/// A request header that a point of a directive names.
#[derive(Clone)]
pub struct HeaderMention(Rc<Mention>);

struct Mention {
    name: String,
    directive: &'static CStr,
    /// `file:line`.
    place: String,
    warned: Cell<bool>,
}

impl HeaderMention {
    /// The mention, if the point reads a request header that NGINX may drop.
    pub fn of(cf: Conf<'_>, directive: &'static CStr, point: &Point) -> Option<Self> {
        let (PointSource::Header { side: Side::Request, name, .. } | PointSource::HeaderLike(name)) =
            point.source()
        else {
            return None;
        };
        let name = String::from_utf8_lossy(name).into_owned();
        invalid_character(&name, false).map(|_| {
            let (place, warned) = (cf.place(), Cell::new(false));
            Self(Rc::new(Mention { name, directive, place, warned }))
        })
    }

    /// The warning if a server with these settings drops the header; given once per mention.
    pub fn warning(&self, server: &HeaderNames) -> Option<String> {
        let Mention { name, directive, place, warned } = &*self.0;
        if !server.ignores_invalid || warned.get() {
            return None;
        }
        let character = invalid_character(name, server.underscores)?;
        warned.set(true);
        let directive = directive.to_string_lossy();
        let (cause, cure) = match character {
            '_' => ("\"underscores_in_headers\" is off", "set \"underscores_in_headers on\""),
            _ => ("\"ignore_invalid_headers\" is on", "set \"ignore_invalid_headers off\""),
        };
        let of = &server.place;
        Some(format!(
            "NGINX drops the header \"{name}\" for its \"{character}\", so \"{directive}\" never sees it: {cause} in the server at {of}; {cure} there or in \"http\", or use another header, in {place}"
        ))
    }
}

/// The first character that makes a header name invalid for NGINX (`ngx_http_parse_header_line`).
fn invalid_character(name: &str, underscores: bool) -> Option<char> {
    let is_valid = |c: &char| c.is_ascii_alphanumeric() || *c == '-' || underscores && *c == '_';
    name.chars().find(|c| !is_valid(c))
}
