//! Cookies, as servers read them.

/// Name and value of each pair of a `Cookie` header (RFC 6265, 4.2.1), in order. Quotes around a value
/// are stripped; what has no `=` is skipped.
pub fn pairs(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    Split { rest: Some(header) }.filter_map(pair)
}

/// Name and value of a `Set-Cookie` header, without its attributes (RFC 6265, 5.2).
pub fn set_cookie(header: &[u8]) -> Option<(&[u8], &[u8])> {
    pair(header.split(|byte| *byte == b';').next()?)
}

/// Pieces between semicolons.
struct Split<'h> {
    rest: Option<&'h [u8]>,
}

impl<'h> Iterator for Split<'h> {
    type Item = &'h [u8];

    #[inline]
    fn next(&mut self) -> Option<&'h [u8]> {
        let rest = self.rest?;
        match memchr::memchr(b';', rest) {
            Some(at) => {
                self.rest = Some(&rest[at + 1..]);
                Some(&rest[..at])
            }
            None => {
                self.rest = None;
                Some(rest)
            }
        }
    }
}

fn pair(piece: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b'=', piece)?;
    let (name, value) = (piece[..at].trim_ascii(), piece[at + 1..].trim_ascii());
    let value = match value {
        [b'"', inner @ .., b'"'] => inner,
        value => value,
    };
    Some((name, value))
}
