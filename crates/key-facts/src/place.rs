//! Where candidates are.

/// Where a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Place {
    /// `Cookie`.
    Cookie = 1,
    /// A request header.
    Header = 2,
    /// The query.
    Query = 3,
    /// The payload of the token in `Authorization`.
    Claim = 4,
}
