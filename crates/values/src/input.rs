//! A value of a request and its place.

/// Place of a value in the request. It decides how the value is decoded and what is looked for in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The whole path.
    Path,
    /// A value of the query or of a form.
    Argument,
    /// The name of an argument or of a member of a JSON object.
    Name,
    /// A cookie or a segment of the path.
    Cookie,
    /// `User-Agent`.
    Agent,
    /// A header that applications read values from.
    Header,
    /// A string of a JSON body or a field of a multipart body.
    Text,
    /// A text body of another type, unchanged.
    Whole,
    /// A whole body whose values are also passed one by one, for content outside of these values.
    Raw,
    /// A JSON body, for operators among its member names.
    Object,
    /// Path or argument of the URL in `Referer`.
    Link,
    /// The content of an uploaded file.
    File,
}

impl Place {
    /// Whether values are percent-encoded there.
    pub fn is_encoded(self) -> bool {
        matches!(self, Self::Path | Self::Argument | Self::Name | Self::Cookie | Self::Link)
    }

    /// Whether a `+` means a space there.
    pub fn has_plus(self) -> bool {
        matches!(self, Self::Argument | Self::Name | Self::Link)
    }
}

/// Kind of input, as in the `place` of a record's `evidence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputKind {
    /// The path.
    Path,
    /// The query.
    Query,
    /// A cookie.
    Cookie,
    /// A header.
    Header,
    /// A field of a urlencoded body.
    Form,
    /// A field of a multipart body or the name of a file in it.
    Multipart,
    /// A string of a JSON body.
    Json,
    /// Text or an attribute of an XML body.
    Xml,
    /// A body of another type.
    Body,
}

impl InputKind {
    /// Its name in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Cookie => "cookie",
            Self::Header => "header",
            Self::Form => "form",
            Self::Multipart => "multipart",
            Self::Json => "json",
            Self::Xml => "xml",
            Self::Body => "body",
        }
    }
}

/// One value of a request.
#[derive(Debug, Clone, Copy)]
pub struct Input<'i> {
    /// The kind of input.
    pub source: InputKind,
    /// The place that decides how it is read.
    pub place: Place,
    /// Name of the argument, cookie, header, field, member or element; empty if it has none.
    pub name: &'i [u8],
    /// The value, still encoded.
    pub value: &'i [u8],
}

/// Whether a name contains `$`, encoded or not, as in `user[$ne]`.
pub fn has_operator(name: &[u8]) -> bool {
    let is_sign = |byte: &u8| matches!(byte, b'$' | b'%');
    name.iter().any(is_sign)
        && (name.contains(&b'$') || memchr::memmem::find(name, b"%24").is_some())
}
