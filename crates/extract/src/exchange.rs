//! What a point can see: one request and, later, its response.

use super::cookie;
use super::json_types::JsonTypes;
use super::media_type::MediaType;

/// Which half of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// What the client sent.
    Request,
    /// What the server answered.
    Response,
}

/// A form of JA4, the fingerprint of a client's TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ja4Form {
    /// As FoxIO specifies it.
    Plain,
    /// Without what changes between the connections of one client.
    Stable,
}

/// Handle of a complex value that the server compiled at configuration time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VariableId(pub u32);

/// Compiles the text of a point that begins with `$` or contains one.
///
/// The module does it with `ngx_http_compile_complex_value`; tests with a map.
pub trait VariableCompiler {
    /// Returns a handle for [`Exchange::variable`], or why the text is not a complex value.
    fn compile(&mut self, text: &str) -> Result<VariableId, String>;
}

/// The part of a body that is read.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// Its first bytes, at most `api_sessions_body_size`, already decompressed.
    pub bytes: &'a [u8],
    /// `Content-Type`, with parameters, as it was sent; empty where there is none.
    pub content_type: &'a [u8],
    /// False if the body continues after `bytes`.
    pub complete: bool,
    /// It is read as JSON ([`JsonTypes::is_json`]).
    pub json: bool,
}

impl<'a> Body<'a> {
    /// A body that is read as JSON if `types` say so.
    pub fn new(bytes: &'a [u8], content_type: &'a [u8], complete: bool, types: &JsonTypes) -> Self {
        Self { bytes, content_type, complete, json: types.is_json(content_type, bytes) }
    }

    /// Whether its media type is that of a form.
    pub fn is_form(&self) -> bool {
        !self.json && MediaType::of(self.content_type) == MediaType::Form
    }
}

/// The first header of a lower-case name, among all that [`Exchange::headers`] walks through.
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

/// One request and its response, as the server sees them.
///
/// Nothing here allocates on the heap of the process (the module may use the request's pool). Before
/// the response exists, its side yields nothing.
pub trait Exchange {
    /// Calls `each` with name and value of every header of that side, in order of arrival, until it
    /// returns `false`. Names come in the case they were sent in.
    fn headers<'a>(&'a self, side: Side, each: &mut dyn FnMut(&'a [u8], &'a [u8]) -> bool);

    /// The first header of that lower-case name. The default walks [`Exchange::headers`]; a server
    /// that keeps pointers to known headers answers faster.
    fn header<'a>(&'a self, side: Side, lower_case_name: &[u8]) -> Option<&'a [u8]> {
        find_header(self, side, lower_case_name)
    }

    /// Calls `each` with name and value of every cookie of the request, over all `Cookie` headers (RFC 9113, 8.2.3
    /// allows several) and in their order, until it returns `false`.
    fn cookies<'a>(&'a self, each: &mut dyn FnMut(&'a [u8], &'a [u8]) -> bool) {
        let mut goes_on = true;
        self.headers(Side::Request, &mut |name, value| {
            if name.eq_ignore_ascii_case(b"cookie") {
                goes_on = cookie::pairs(value).all(|(name, value)| each(name, value));
            }
            goes_on
        });
    }

    /// Request method, as the client sent it.
    fn method(&self) -> &[u8];

    /// What stands in front of the path in the request target: [`RequestLine::origin`](super::RequestLine::origin).
    fn origin(&self) -> &[u8] {
        &[]
    }

    /// Host as the server sees it: without port, lower-case, also where no `Host` header exists.
    fn host(&self) -> Option<&[u8]>;

    /// Client address as text, after `realip`.
    fn ip(&self) -> &[u8];

    /// JA4 of the client's TLS; `None` where it is not known, as over plain HTTP.
    fn ja4(&self, _form: Ja4Form) -> Option<&[u8]> {
        None
    }

    /// Path as the client sent it, undecoded, up to the `?`.
    fn path(&self) -> &[u8];

    /// Query as the client sent it, without the `?`; empty where there is none.
    fn query(&self) -> &[u8];

    /// Response status, once there is one.
    fn status(&self) -> Option<u16>;

    /// The part of a body that was captured, once it was.
    fn body(&self, side: Side) -> Option<Body<'_>>;

    /// Value of a complex value; `None` where it is empty or could not be evaluated.
    fn variable(&self, id: VariableId) -> Option<&[u8]>;
}
