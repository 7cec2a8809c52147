//! Fields of a multipart/form-data body (RFC 7578), found in the captured part of the body.

use super::exchange::Body;
use super::media_type::MediaType;
use crate::limits::{MAX_BOUNDARY_BYTES, MAX_PART_HEAD_BYTES};

/// Content of the first part with this name that is not a file and is complete in the captured body.
pub fn field<'b>(body: &Body<'b>, wanted: &[u8]) -> Option<&'b [u8]> {
    let delimiter = delimiter(body.content_type)?;
    let finder = memchr::memmem::Finder::new(&delimiter);
    // The first delimiter has no line break before it.
    let opening = &delimiter[2..];
    let start = memchr::memmem::find(body.bytes, opening)?;
    if start != 0 && !body.bytes[..start].ends_with(b"\r\n") {
        return None;
    }
    let mut rest = &body.bytes[start + opening.len()..];
    loop {
        rest = behind_delimiter(rest)?;
        let end = finder.find(rest)?;
        let part = &rest[..end];
        let head_end =
            memchr::memmem::find(&part[..part.len().min(MAX_PART_HEAD_BYTES)], b"\r\n\r\n")?;
        let (head, content) = (&part[..head_end], &part[head_end + 4..]);
        if is_field(head, wanted) {
            return Some(content);
        }
        rest = &rest[end + delimiter.len()..];
    }
}

/// What a part contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// The content of a field.
    Field,
    /// The name of a file.
    FileName,
    /// The content of a file.
    File,
}

/// Passes the content of each part that is complete in the captured body, and the name of each file, to `take`, until
/// it returns `false`. Returns whether it never did.
pub fn parts(body: &Body<'_>, take: &mut dyn FnMut(Piece, &[u8]) -> bool) -> bool {
    let Some(delimiter) = delimiter(body.content_type) else { return true };
    let finder = memchr::memmem::Finder::new(&delimiter);
    let opening = &delimiter[2..];
    let Some(start) = memchr::memmem::find(body.bytes, opening) else { return true };
    let mut rest = &body.bytes[start + opening.len()..];
    while let Some(behind) = behind_delimiter(rest) {
        let Some(end) = finder.find(behind) else { return true };
        let part = &behind[..end];
        let head = memchr::memmem::find(&part[..part.len().min(MAX_PART_HEAD_BYTES)], b"\r\n\r\n");
        let Some(head_end) = head else { return true };
        let (head, content) = (&part[..head_end], &part[head_end + 4..]);
        let goes_on = match file_name(head) {
            Some(name) => take(Piece::FileName, name) && take(Piece::File, content),
            None => take(Piece::Field, content),
        };
        if !goes_on {
            return false;
        }
        rest = &behind[end + delimiter.len()..];
    }
    true
}

/// The part after a delimiter, which blanks may follow (RFC 2046, 5.1.1, transport padding); `None` after the last one,
/// which ends with `--`.
fn behind_delimiter(rest: &[u8]) -> Option<&[u8]> {
    let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    rest.get(padding..)?.strip_prefix(b"\r\n")
}

/// `\r\n--boundary`.
fn delimiter(content_type: &[u8]) -> Option<Vec<u8>> {
    if MediaType::of(content_type) != MediaType::Multipart {
        return None;
    }
    let (_, boundary) = (Parameters { rest: content_type })
        .find(|(name, _)| name.eq_ignore_ascii_case(b"boundary"))?;
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY_BYTES {
        return None;
    }
    Some([b"\r\n--", boundary].concat())
}

/// Value of `Content-Disposition` in the header section of a part.
fn disposition(head: &[u8]) -> Option<&[u8]> {
    head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).find_map(|line| {
        let at = memchr::memchr(b':', line)?;
        line[..at].eq_ignore_ascii_case(b"content-disposition").then_some(&line[at + 1..])
    })
}

fn file_name(head: &[u8]) -> Option<&[u8]> {
    let is_file = |name: &[u8]| {
        name.eq_ignore_ascii_case(b"filename") || name.eq_ignore_ascii_case(b"filename*")
    };
    (Parameters { rest: disposition(head)? })
        .find(|(name, _)| is_file(name))
        .map(|(_, value)| value)
}

/// Whether the part's `Content-Disposition` has this name and no file name.
fn is_field(head: &[u8], wanted: &[u8]) -> bool {
    let Some(disposition) = disposition(head) else { return false };
    let mut named = false;
    for (name, value) in (Parameters { rest: disposition }) {
        if name.eq_ignore_ascii_case(b"filename") || name.eq_ignore_ascii_case(b"filename*") {
            return false;
        }
        named |= name.eq_ignore_ascii_case(b"name") && value == wanted;
    }
    named
}

/// `; name=value` and `; name="value"`; a quoted value may contain semicolons.
struct Parameters<'h> {
    rest: &'h [u8],
}

impl<'h> Iterator for Parameters<'h> {
    type Item = (&'h [u8], &'h [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let start = memchr::memchr(b';', self.rest)?;
        let rest = &self.rest[start + 1..];
        let Some(equals) = memchr::memchr(b'=', rest) else {
            self.rest = &[];
            return None;
        };
        let name = rest[..equals].trim_ascii();
        let value = &rest[equals + 1..];
        if let Some(quoted) = value.strip_prefix(b"\"") {
            let end = memchr::memchr(b'"', quoted).unwrap_or(quoted.len());
            self.rest = &quoted[end..];
            return Some((name, &quoted[..end]));
        }
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        self.rest = &value[end..];
        Some((name, value[..end].trim_ascii()))
    }
}
