//! A request as points see it.

use api_sessions_engine::point::{Body, Exchange, Side, VariableId};
use api_sessions_engine::session::Stage;

use crate::nginx::request::Request;
use crate::nginx::variable::PointVariables;

/// One request and what is known of its response at this moment.
pub(super) struct View<'v> {
    request: Request<'v>,
    variables: &'v PointVariables,
    path: &'v [u8],
    query: &'v [u8],
    /// Set in the log phase: before, the response is not complete.
    with_response: bool,
    request_body: Option<Body<'v>>,
    response_body: Option<Body<'v>>,
}

impl<'v> View<'v> {
    pub(super) fn new(
        request: Request<'v>,
        variables: &'v PointVariables,
        stage: Stage,
        request_body: Option<Body<'v>>,
        response_body: Option<Body<'v>>,
    ) -> Self {
        let (path, query) = request.target();
        let with_response = stage == Stage::Log;
        Self { request, variables, path, query, with_response, request_body, response_body }
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
            Side::Response if self.with_response => {
                // NGINX keeps these beside the list.
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
            }
            Side::Response => {}
        }
    }

    #[inline]
    fn header<'a>(&'a self, side: Side, lower_case_name: &[u8]) -> Option<&'a [u8]> {
        if side == Side::Request {
            // NGINX keeps pointers to these.
            match lower_case_name {
                b"user-agent" => return self.request.user_agent(),
                b"authorization" => return self.request.authorization(),
                _ => {}
            }
            return self.request.header_in(lower_case_name);
        }
        let mut found = None;
        self.headers(side, &mut |name, value| {
            if name.eq_ignore_ascii_case(lower_case_name) {
                found = Some(value);
            }
            found.is_none()
        });
        found
    }

    fn method(&self) -> &[u8] {
        self.request.method()
    }

    fn host(&self) -> Option<&[u8]> {
        self.request.host()
    }

    fn ip(&self) -> &[u8] {
        self.request.remote_addr()
    }

    fn path(&self) -> &[u8] {
        self.path
    }

    fn query(&self) -> &[u8] {
        self.query
    }

    fn status(&self) -> Option<u16> {
        if self.with_response { self.request.response_status() } else { None }
    }

    fn body(&self, side: Side) -> Option<Body<'_>> {
        match side {
            Side::Request => self.request_body,
            Side::Response => self.response_body,
        }
    }

    fn variable(&self, id: VariableId) -> Option<&[u8]> {
        self.variables.evaluate(self.request, id)
    }
}
