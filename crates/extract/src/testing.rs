//! A hand-made exchange, for tests and benchmarks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;

use super::{Body, Exchange, Ja4Form, JsonTypes, Side, VariableCompiler, VariableId};

/// An exchange as described by a test.
#[derive(Debug, Clone, Default)]
pub struct FakeExchange {
    /// Headers of the request.
    pub request_headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Headers of the response.
    pub response_headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Method.
    pub method: Vec<u8>,
    /// Host.
    pub host: Option<Vec<u8>>,
    /// Client address.
    pub ip: Vec<u8>,
    /// JA4, plain and stable.
    pub ja4: Option<[Vec<u8>; 2]>,
    /// The part of the target before the path.
    pub origin: Vec<u8>,
    /// Undecoded path.
    pub path: Vec<u8>,
    /// Undecoded query.
    pub query: Vec<u8>,
    /// Response status.
    pub status: Option<u16>,
    /// Body of the request and its type.
    pub request_body: Option<(Vec<u8>, Vec<u8>)>,
    /// The request body continues after the part that was seen.
    pub request_body_cut: bool,
    /// Body of the response and its type.
    pub response_body: Option<(Vec<u8>, Vec<u8>)>,
    /// Which bodies are JSON.
    pub json_types: JsonTypes,
    /// Complex values by handle.
    pub variables: HashMap<u32, Vec<u8>>,
}

impl FakeExchange {
    /// A `GET` request for a target, from 192.0.2.1.
    pub fn get(target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: b"GET".to_vec(),
            ip: b"192.0.2.1".to_vec(),
            path: path.into(),
            query: query.into(),
            ..Self::default()
        }
    }

    /// A `POST` request for a target, from 192.0.2.1.
    pub fn post(target: &str) -> Self {
        Self { method: b"POST".to_vec(), ..Self::get(target) }
    }

    /// Adds a request header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.request_headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// Adds a response header.
    #[must_use]
    pub fn answered(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.response_headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// Sets the request body.
    #[must_use]
    pub fn body(mut self, content_type: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.request_body = Some((bytes.as_ref().to_vec(), content_type.into()));
        self
    }

    /// Sets the response body.
    #[must_use]
    pub fn answered_body(mut self, content_type: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.response_body = Some((bytes.as_ref().to_vec(), content_type.into()));
        self
    }
}

impl Exchange for FakeExchange {
    fn headers<'a>(&'a self, side: Side, each: &mut dyn FnMut(&'a [u8], &'a [u8]) -> bool) {
        let list = match side {
            Side::Request => &self.request_headers,
            Side::Response => &self.response_headers,
        };
        for (name, value) in list {
            if !each(name, value) {
                return;
            }
        }
    }

    fn method(&self) -> &[u8] {
        &self.method
    }

    fn origin(&self) -> &[u8] {
        &self.origin
    }

    fn host(&self) -> Option<&[u8]> {
        self.host.as_deref()
    }

    fn ip(&self) -> &[u8] {
        &self.ip
    }

    fn ja4(&self, form: Ja4Form) -> Option<&[u8]> {
        let [plain, stable] = self.ja4.as_ref()?;
        Some(match form {
            Ja4Form::Plain => plain,
            Ja4Form::Stable => stable,
        })
    }

    fn path(&self) -> &[u8] {
        &self.path
    }

    fn query(&self) -> &[u8] {
        &self.query
    }

    fn status(&self) -> Option<u16> {
        self.status
    }

    fn body(&self, side: Side) -> Option<Body<'_>> {
        let (body, cut) = match side {
            Side::Request => (&self.request_body, self.request_body_cut),
            Side::Response => (&self.response_body, false),
        };
        let (bytes, content_type) = body.as_ref()?;
        Some(Body::new(bytes, content_type, !cut, &self.json_types))
    }

    fn variable(&self, id: VariableId) -> Option<&[u8]> {
        self.variables.get(&id.0).map(Vec::as_slice)
    }
}

/// Accepts any text and counts handles up from 0.
#[derive(Debug, Default)]
pub struct AnyVariables(u32);

impl VariableCompiler for AnyVariables {
    fn compile(&mut self, _text: &str) -> Result<VariableId, String> {
        self.0 += 1;
        Ok(VariableId(self.0 - 1))
    }
}
