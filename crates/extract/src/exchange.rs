//! What points read from: one request and, later, its response.

use super::cookie;
use super::json_types::JsonTypes;
use super::media_type::MediaType;

/// The two sides of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// What the client sent.
    Request,
    /// What the server responded.
    Response,
}

/// Forms of JA4, the fingerprint of a TLS client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ja4Form {
    /// As FoxIO specifies it.
    Plain,
    /// Without the parts that change between connections of the same client.
    Stable,
}

/// Handle of a complex value that NGINX compiled at configuration time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VariableId(pub u32);

/// Compiles the text of a point that contains a `$`.
///
/// The module uses `ngx_http_compile_complex_value`; tests use a stub.
pub trait VariableCompiler {
    /// Returns a handle for [`Exchange::variable`], or why the text is not a complex value.
    fn compile(&mut self, text: &str) -> Result<VariableId, String>;
}

/// The part of a body that is read.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// The first bytes, at most `api_sessions_body_size`, decompressed.
    pub bytes: &'a [u8],
    /// `Content-Type` with parameters, as sent; empty if there is none.
    pub content_type: &'a [u8],
    /// False if the body continues after `bytes`.
    pub complete: bool,
    /// Whether it is read as JSON ([`JsonTypes::is_json`]).
    pub json: bool,
}

impl<'a> Body<'a> {
    /// A body that is read as JSON if `types` say so.
    pub fn new(bytes: &'a [u8], content_type: &'a [u8], complete: bool, types: &JsonTypes) -> Self {
        Self { bytes, content_type, complete, json: types.is_json(content_type, bytes) }
    }

    /// Whether it is read as a urlencoded form.
    pub fn is_form(&self) -> bool {
        !self.json && MediaType::of(self.content_type) == MediaType::Form
    }
}

/// The first header with a lower-case name, found by walking through [`Exchange::headers`].
pub fn find_header<'a, X: Exchange + ?Sized>(
    exchange: &'a X,
    side: Side,
    lower_case_name: &[u8],
) -> Option<&'a [u8]> {
    let mut found = None;
    exchange.headers(side, &mut |name, value| {
        if name.eq_ignore_ascii_case(lower_case_name) {
            found = Some(value);
        }
        found.is_none()
    });
    found
}

/// One request and its response, as NGINX sees them.
///
/// Nothing here allocates on the process heap (the module may use the request's pool). The response side yields nothing
/// until there is a response.
pub trait Exchange {
    /// Calls `each` with name and value of every header of a side, in order of arrival, until it returns `false`. Names
    /// keep the case in which they were sent.
    fn headers<'a>(&'a self, side: Side, each: &mut dyn FnMut(&'a [u8], &'a [u8]) -> bool);

    /// The first header with a lower-case name. The default walks through [`Exchange::headers`]; NGINX's pointers to
    /// known headers are faster.
    fn header<'a>(&'a self, side: Side, lower_case_name: &[u8]) -> Option<&'a [u8]> {
        find_header(self, side, lower_case_name)
    }

    /// Calls `each` with name and value of every cookie of the request, in order, until it returns `false`. Covers all
    /// `Cookie` headers (RFC 9113, 8.2.3 allows several).
    fn cookies<'a>(&'a self, each: &mut dyn FnMut(&'a [u8], &'a [u8]) -> bool) {
        let mut goes_on = true;
        self.headers(Side::Request, &mut |name, value| {
            if name.eq_ignore_ascii_case(b"cookie") {
                goes_on = cookie::pairs(value).all(|(name, value)| each(name, value));
            }
            goes_on
        });
    }

    /// Request method, as sent by the client.
    fn method(&self) -> &[u8];

    /// The part of the request target before the path: [`RequestLine::origin`](super::RequestLine::origin).
    fn origin(&self) -> &[u8] {
        &[]
    }

    /// Host as NGINX sees it: lower-case, without port, even if there is no `Host` header.
    fn host(&self) -> Option<&[u8]>;

    /// Client address as text, after `realip`.
    fn ip(&self) -> &[u8];

    /// JA4 of the TLS client; `None` if unknown, as over plain HTTP.
    fn ja4(&self, _form: Ja4Form) -> Option<&[u8]> {
        None
    }

    /// Path as sent by the client, undecoded, up to the `?`.
    fn path(&self) -> &[u8];

    /// Query as sent by the client, without the `?`; empty if there is none.
    fn query(&self) -> &[u8];

    /// Response status, once there is one.
    fn status(&self) -> Option<u16>;

    /// The captured part of a body, once there is one.
    fn body(&self, side: Side) -> Option<Body<'_>>;

    /// Result of a complex value; `None` if it is empty or could not be evaluated.
    fn variable(&self, id: VariableId) -> Option<&[u8]>;
}
