//! Sources of values.

use std::ops::BitOr;

use super::exchange::{Ja4Form, Side, VariableCompiler, VariableId};
use super::json::Path;
use super::media_type::MediaType;

/// Where a value comes from. Names of headers are lower-case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PointSource {
    /// The n-th header of a name.
    Header {
        /// Of the request or of the response.
        side: Side,
        /// Lower-case name.
        name: Box<[u8]>,
        /// Which occurrence, from 0.
        nth: u32,
    },
    /// The first request header whose name has this prefix, in lower case.
    HeaderLike(Box<[u8]>),
    /// A cookie of `Cookie`.
    Cookie(Box<[u8]>),
    /// The first cookie of `Cookie` whose name has this prefix.
    CookieLike(Box<[u8]>),
    /// A cookie of `Set-Cookie`.
    SetCookie(Box<[u8]>),
    /// The n-th query argument of a name.
    Query {
        /// Decoded name.
        name: Box<[u8]>,
        /// Which occurrence, from 0.
        nth: u32,
    },
    /// A segment of the path, from 0.
    Path(u32),
    /// A field of a urlencoded body.
    Form(Box<[u8]>),
    /// A field of a multipart body.
    Multipart(Box<[u8]>),
    /// A value in a JSON body.
    Json {
        /// Of the request or of the response.
        side: Side,
        /// Path within the document.
        path: Path,
    },
    /// Client address, after `realip`.
    Ip,
    /// Host as NGINX sees it: lower-case, without port.
    Host,
    /// Method, as sent by the client.
    Method,
    /// JA4 of the client's TLS.
    Ja4(Ja4Form),
    /// Response status.
    Status,
    /// An NGINX complex value.
    Variable(VariableId),
}

/// Parts of an exchange that have to be available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// The body of the request.
    pub request_body: bool,
    /// Status and headers of the response.
    pub response: bool,
    /// The body of the response.
    pub response_body: bool,
}

impl Needs {
    /// Whether it includes a body.
    pub fn has_bodies(self) -> bool {
        self.request_body || self.response_body
    }

    /// Whether it includes anything of the response.
    pub fn has_response(self) -> bool {
        self.response || self.response_body
    }
}

impl BitOr for Needs {
    type Output = Needs;

    fn bitor(self, other: Needs) -> Needs {
        Needs {
            request_body: self.request_body | other.request_body,
            response: self.response | other.response,
            response_body: self.response_body | other.response_body,
        }
    }
}

impl PointSource {
    pub(super) fn needs(&self) -> Needs {
        let none = Needs::default();
        match self {
            PointSource::Form(_)
            | PointSource::Multipart(_)
            | PointSource::Json { side: Side::Request, .. } => Needs { request_body: true, ..none },
            PointSource::Json { side: Side::Response, .. } => Needs { response_body: true, ..none },
            PointSource::Header { side: Side::Response, .. }
            | PointSource::SetCookie(_)
            | PointSource::Status => Needs { response: true, ..none },
            PointSource::Header { side: Side::Request, .. }
            | PointSource::HeaderLike(_)
            | PointSource::Cookie(_)
            | PointSource::CookieLike(_)
            | PointSource::Query { .. }
            | PointSource::Path(_)
            | PointSource::Ip
            | PointSource::Host
            | PointSource::Method
            | PointSource::Ja4(_)
            | PointSource::Variable(_) => none,
        }
    }

    /// Whether it is a place that full content shows: `api_sessions_show` opens it.
    pub fn is_shown(&self) -> bool {
        match self {
            PointSource::Header { side, .. } | PointSource::Json { side, .. } => {
                *side == Side::Request
            }
            PointSource::Cookie(_)
            | PointSource::Query { .. }
            | PointSource::Path(_)
            | PointSource::Form(_)
            | PointSource::Multipart(_) => true,
            PointSource::HeaderLike(_)
            | PointSource::CookieLike(_)
            | PointSource::SetCookie(_)
            | PointSource::Ip
            | PointSource::Host
            | PointSource::Method
            | PointSource::Ja4(_)
            | PointSource::Status
            | PointSource::Variable(_) => false,
        }
    }

    /// Whether it matches more than one name.
    pub fn is_pattern(&self) -> bool {
        matches!(self, PointSource::HeaderLike(_) | PointSource::CookieLike(_))
    }

    /// Whether it can yield a value from a body of this type.
    pub(super) fn reads_body_of(&self, of: Side, media_type: MediaType) -> bool {
        match self {
            PointSource::Form(_) => of == Side::Request && media_type == MediaType::Form,
            PointSource::Multipart(_) => of == Side::Request && media_type == MediaType::Multipart,
            PointSource::Json { side, .. } => {
                of == *side && matches!(media_type, MediaType::Json | MediaType::Unstated)
            }
            _ => false,
        }
    }
}

/// Rejects NGINX variables, for points that come from the cloud.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVariables;

impl VariableCompiler for NoVariables {
    fn compile(&mut self, _text: &str) -> Result<VariableId, String> {
        Err("NGINX variables are not accepted here".to_owned())
    }
}
