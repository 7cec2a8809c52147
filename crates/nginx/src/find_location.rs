//! Which location a request is going to, before NGINX looks for it: as `ngx_http_core_find_location` does, without a
//! change to the request.

#[cfg(nginx_feature = "pcre")]
use ngx::ffi::{NGX_OK, ngx_http_regex_exec, ngx_int_t};
use ngx::ffi::{
    ngx_filename_cmp, ngx_http_core_loc_conf_t, ngx_http_core_module, ngx_http_location_tree_node_t,
};
use ngx::http::HttpModule;

use super::conf::LocationLevel;
use super::headers::bytes;
use super::request::{Request, slot};

impl Request<'_> {
    /// In the server-rewrite phase: the path leads to a location of which `is_wanted` holds, unless the directives of
    /// `server` or an expression that comes first lead elsewhere.
    pub fn leads_to<T: LocationLevel>(self, is_wanted: fn(&T) -> bool) -> bool {
        // SAFETY: the location of a request in this phase is its server's; locations live as long as their cycle.
        unsafe {
            let here = slot((*self.as_ptr()).loc_conf, &raw const ngx_http_core_module);
            here.is_some_and(|here| self.leads_below(here, is_wanted))
        }
    }

    /// # Safety
    /// `above` belongs to the configuration of the request.
    unsafe fn leads_below<T: LocationLevel>(
        self,
        above: &ngx_http_core_loc_conf_t,
        is_wanted: fn(&T) -> bool,
    ) -> bool {
        // SAFETY: as the caller says; a tree and a list of the same configuration.
        unsafe {
            if let Some(found) = self.longest(above.static_locations)
                && (is_one(found, is_wanted) || self.leads_below(found, is_wanted))
            {
                return true;
            }
            self.matches_expression(above, is_wanted)
        }
    }

    /// The exact location, or that of the longest prefix (`ngx_http_core_find_static_location`).
    ///
    /// # Safety
    /// `node` is null or a tree of the request's configuration.
    unsafe fn longest<'c>(
        self,
        mut node: *const ngx_http_location_tree_node_t,
    ) -> Option<&'c ngx_http_core_loc_conf_t> {
        // SAFETY: a string in request memory.
        let mut rest = unsafe { bytes(&(*self.as_ptr()).uri) };
        let mut found = None;
        // SAFETY: as the caller says; a node has `len` bytes of its name behind it, and at least one location.
        unsafe {
            while let Some(here) = node.as_ref() {
                let len = usize::from(here.len);
                let (name, compared) = (here.name.as_ptr().cast_mut(), rest.len().min(len));
                let order = ngx_filename_cmp(rest.as_ptr().cast_mut(), name, compared);
                node = if order != 0 {
                    if order < 0 { here.left } else { here.right }
                } else if rest.len() == len {
                    return here.exact.as_ref().or(here.inclusive.as_ref());
                } else if rest.len() < len {
                    here.left
                } else if let Some(inclusive) = here.inclusive.as_ref() {
                    found = Some(inclusive);
                    rest = &rest[len..];
                    here.tree
                } else {
                    here.right
                };
            }
        }
        found
    }
}

#[cfg(nginx_feature = "pcre")]
impl Request<'_> {
    /// An expression matches, of a location that is wanted or that one is in.
    ///
    /// # Safety
    /// `above` belongs to the configuration of the request.
    unsafe fn matches_expression<T: LocationLevel>(
        self,
        above: &ngx_http_core_loc_conf_t,
        is_wanted: fn(&T) -> bool,
    ) -> bool {
        let mut next = above.regex_locations;
        // SAFETY: a list that null ends, or null; an expression of the same configuration. Captures are as before.
        unsafe {
            while let Some(location) = next.as_ref().and_then(|location| location.as_ref()) {
                next = next.add(1);
                if is_one(location, is_wanted) || self.leads_below(location, is_wanted) {
                    let raw = self.as_ptr();
                    let captures = (*raw).ncaptures;
                    let found = ngx_http_regex_exec(raw, location.regex, &raw mut (*raw).uri);
                    (*raw).ncaptures = captures;
                    if found == NGX_OK as ngx_int_t {
                        return true;
                    }
                }
            }
        }
        false
    }
}

#[cfg(not(nginx_feature = "pcre"))]
impl Request<'_> {
    /// There are no expressions.
    unsafe fn matches_expression<T: LocationLevel>(
        self,
        _above: &ngx_http_core_loc_conf_t,
        _is_wanted: fn(&T) -> bool,
    ) -> bool {
        false
    }
}

/// # Safety
/// `location` is complete.
unsafe fn is_one<T: LocationLevel>(
    location: &ngx_http_core_loc_conf_t,
    is_wanted: fn(&T) -> bool,
) -> bool {
    // SAFETY: a location has the structures of all modules; `T` is what our create function made.
    unsafe { slot(location.loc_conf, T::Module::module()) }.is_some_and(is_wanted)
}
