//! One value of a request, and where it stands.

/// Most bytes of a name that is kept.
pub const MAX_NAME_BYTES: usize = 128;

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The whole path.
    Path,
    /// Value of the query or of a form.
    Argument,
    /// Name of an argument, or of a member of a JSON object.
    Name,
    /// A cookie, or a segment of the path.
    Cookie,
    /// `User-Agent`.
    Agent,
    /// A header in which applications look for values.
    Header,
    /// A string of a JSON body, or a field of a multipart body.
    Text,
    /// A body of text of another type, as it is.
    Whole,
    /// A body whose values are handed out by themselves, for what is in none of them.
    Raw,
    /// A JSON body, for the operators among its names.
    Object,
    /// What a link that led here held.
    Link,
    /// The content of a file that is uploaded.
    File,
}

impl Place {
    /// It is percent-encoded there.
    pub fn is_encoded(self) -> bool {
        matches!(self, Self::Path | Self::Argument | Self::Name | Self::Cookie | Self::Link)
    }

    /// A `+` is a space there.
    pub fn has_plus(self) -> bool {
        matches!(self, Self::Argument | Self::Name | Self::Link)
    }
}

/// Kind of input, as in the `place` of a record's `evidence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
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
    /// A field of a multipart body, or the name of a file in it.
    Multipart,
    /// A string of a JSON body.
    Json,
    /// Text or an attribute of an XML body.
    Xml,
    /// A body of another type.
    Body,
}

impl Source {
    /// As in records.
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
    /// Which kind of input it is.
    pub source: Source,
    /// What it is read as.
    pub place: Place,
    /// Name of the argument, cookie, header, field, member or element; empty where it has none.
    pub name: &'i [u8],
    /// As it was sent.
    pub value: &'i [u8],
}

/// `[$`, encoded or not.
pub fn has_operator(name: &[u8]) -> bool {
    let is_sign = |byte: &u8| matches!(byte, b'$' | b'%');
    name.iter().any(is_sign)
        && (name.contains(&b'$') || memchr::memmem::find(name, b"%24").is_some())
}
