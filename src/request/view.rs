//! A request as points see it.

use std::cell::OnceCell;

use api_sessions_extract::cookie::CookieList;
use api_sessions_extract::{Body, Exchange, Ja4Form, RequestLine, Side, VariableId, find_header};
use api_sessions_identity::Phase;
use api_sessions_nginx::request::Request;
use api_sessions_nginx::variable::PointVariables;

use crate::directives::LocationConf;
use crate::limits::MAX_U64_DIGITS;

/// A request, with its response as far as it exists.
pub(super) struct View<'v> {
    request: Request<'v>,
    variables: &'v PointVariables,
    /// Parsed on first use.
    line: OnceCell<RequestLine<'v>>,
    phase: Phase,
    request_body: Option<Body<'v>>,
    response_body: Option<Body<'v>>,
    content_length: OnceCell<([u8; MAX_U64_DIGITS], usize)>,
    cookies: CookieList<'v>,
}

impl<'v> View<'v> {
    pub(super) fn new(
        request: Request<'v>,
        variables: &'v PointVariables,
        phase: Phase,
        request_body: Option<Body<'v>>,
        response_body: Option<Body<'v>>,
    ) -> Self {
        Self {
            request,
            variables,
            line: OnceCell::new(),
            phase,
            request_body,
            response_body,
            content_length: OnceCell::new(),
            cookies: CookieList::default(),
        }
    }

    fn line(&self) -> &RequestLine<'v> {
        self.line.get_or_init(|| self.request.line())
    }

    pub(super) fn protocol(&self) -> &[u8] {
        self.line().protocol
    }

    /// Set in the log phase, when the response is complete.
    #[inline]
    fn has_response(&self) -> bool {
        self.phase == Phase::Log
    }

    /// `Content-Type`; empty where there is none.
    pub(super) fn content_type(&self, side: Side) -> &[u8] {
        match side {
            Side::Request => self.request.content_type(),
            Side::Response => self.request.response_content_type().unwrap_or_default(),
        }
    }

    /// In decimal digits, written on first use.
    fn content_length(&self) -> Option<&[u8]> {
        let length = self.request.content_length_out()?;
        let (digits, len) = self.content_length.get_or_init(|| {
            let mut buffer = itoa::Buffer::new();
            let text = buffer.format(length).as_bytes();
            let mut digits = [0; MAX_U64_DIGITS];
            digits.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
            (digits, text.len())
        });
        digits.get(..*len)
    }
}

impl Exchange for View<'_> {
    fn headers<'a>(&'a self, side: Side, each: &mut dyn FnMut(&'a [u8], &'a [u8]) -> bool) {
        match side {
            Side::Request => {
                for (name, value) in self.request.headers_in() {
                    if !each(name, value) {
                        return;
                    }
                }
            }
            Side::Response if self.has_response() => {
                // NGINX does not keep all headers in the list.
                if let Some(value) = self.request.response_content_type()
                    && !each(b"Content-Type", value)
                {
                    return;
                }
                for (name, value) in self.request.headers_out() {
                    if !each(name, value) {
                        return;
                    }
                }
                if let Some(value) = self.request.location_out()
                    && !each(b"Location", value)
                {
                    return;
                }
                if let Some(value) = self.content_length() {
                    each(b"Content-Length", value);
                }
            }
            Side::Response => {}
        }
    }

    #[inline]
    fn header<'a>(&'a self, side: Side, lower_case_name: &[u8]) -> Option<&'a [u8]> {
        if side == Side::Request {
            // NGINX has pointers to these headers.
            match lower_case_name {
                b"user-agent" => return self.request.user_agent(),
                b"authorization" => return self.request.authorization(),
                _ => {}
            }
            return self.request.header_in(lower_case_name);
        }
        find_header(self, side, lower_case_name)
    }

    fn cookies<'a>(&'a self, each: &mut dyn FnMut(&'a [u8], &'a [u8]) -> bool) {
        self.cookies.each(|| self.request.headers_in(), each);
    }

    fn method(&self) -> &[u8] {
        self.line().method
    }

    fn origin(&self) -> &[u8] {
        self.line().origin
    }

    fn host(&self) -> Option<&[u8]> {
        self.request.host()
    }

    fn ip(&self) -> &[u8] {
        self.request.remote_addr()
    }

    fn ja4(&self, form: Ja4Form) -> Option<&[u8]> {
        self.request.location::<LocationConf>()?.ja4(self.request, self.phase, form)
    }

    fn path(&self) -> &[u8] {
        self.line().path
    }

    fn query(&self) -> &[u8] {
        self.line().query
    }

    fn status(&self) -> Option<u16> {
        if self.has_response() { self.request.response_status() } else { None }
    }

    fn body(&self, side: Side) -> Option<Body<'_>> {
        match side {
            Side::Request => self.request_body,
            Side::Response => self.response_body,
        }
    }

    fn variable(&self, id: VariableId) -> Option<&[u8]> {
        self.variables.evaluate(self.request, self.phase, id)
    }
}
