//! Places of candidates in a request.

/// The place of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Place {
    /// A cookie of the request.
    Cookie = 1,
    /// A request header.
    Header = 2,
    /// An argument of the query.
    Query = 3,
    /// A claim of the token in `Authorization`.
    Claim = 4,
}
