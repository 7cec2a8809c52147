//! multipart/form-data (RFC 7578) and other multipart bodies: the content of secret parts is cut out.

use super::cuts::{Cuts, Mark};
use super::text::{Redactor, argument_class};
use crate::limits::MAX_BOUNDARY_BYTES;

/// Adds the secret ranges of a body. Returns false if it is no multipart body.
pub(super) fn cut(
    r: &mut Redactor<'_>,
    body: &[u8],
    content_type: &[u8],
    is_complete: bool,
    cuts: &mut Cuts,
) -> bool {
    parameter(content_type, b"boundary")
        .is_some_and(|boundary| cut_at(r, body, boundary, is_complete, 0, cuts))
}

/// The boundary of a body without a multipart content type: its first line, if a field header follows.
pub(super) fn boundary(body: &[u8]) -> Option<&[u8]> {
    const HEAD: &[u8] = b"content-disposition:";
    let line = body.strip_prefix(b"--")?.split(|byte| *byte == b'\n').next()?;
    let head = body.get(2 + line.len() + 1..)?.get(..HEAD.len())?;
    head.eq_ignore_ascii_case(HEAD).then_some(line.trim_ascii_end())
}

/// Like [`cut`], with a known boundary.
pub(super) fn cut_at(
    r: &mut Redactor<'_>,
    body: &[u8],
    boundary: &[u8],
    is_complete: bool,
    depth: u8,
    cuts: &mut Cuts,
) -> bool {
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY_BYTES {
        return false;
    }
    let delimiter = [b"--", boundary].concat();
    let finder = memchr::memmem::Finder::new(&delimiter);
    let Some(mut at) = finder.find(body) else { return body.is_empty() };
    // The preamble.
    shifted(cuts, 0, |cuts| r.free(body.get(..at).unwrap_or_default(), cuts));
    loop {
        at += delimiter.len();
        let rest = body.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            shifted(cuts, at + 2, |cuts| r.free(rest.get(2..).unwrap_or_default(), cuts));
            return true;
        }
        let end = finder.find(rest).map(|end| at + end);
        let part = body.get(at..end.unwrap_or(body.len())).unwrap_or_default();
        if !self::part(r, part, at, depth, cuts) {
            if is_complete {
                return false;
            }
            // Its header is cut.
            cuts.push(at, at + part.len(), Mark::Hidden);
        }
        match end {
            Some(end) => at = end,
            None => return !is_complete,
        }
    }
}

/// Handles a part, from the end of its delimiter to the next one. Returns false if it has no header.
fn part(r: &mut Redactor<'_>, part: &[u8], base: usize, depth: u8, cuts: &mut Cuts) -> bool {
    let blank = |line: &[u8]| memchr::memmem::find(part, line).map(|at| (at, at + line.len()));
    let Some((head_end, start)) = blank(b"\r\n\r\n").or_else(|| blank(b"\n\n")) else {
        return false;
    };
    let head = part.get(..head_end).unwrap_or_default();
    let content = part.get(start..).unwrap_or_default();
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    let content = content.strip_suffix(b"\r").unwrap_or(content);
    let mut name = &b""[..];
    let mut from = 0;
    for line in head.split(|byte| *byte == b'\n') {
        let is_disposition =
            line.get(..20).is_some_and(|start| start.eq_ignore_ascii_case(b"content-disposition:"));
        if is_disposition {
            name = parameter(line, b"name").unwrap_or_default();
            if let Some(file) = parameter(line, b"filename") {
                let at = base + from + offset(line, file);
                shifted(cuts, at, |cuts| r.free(file, cuts));
            }
        } else {
            shifted(cuts, base + from, |cuts| r.free(line, cuts));
        }
        from += line.len() + 1;
    }
    if !name.is_empty() {
        let at = base + offset(part, name);
        shifted(cuts, at, |cuts| r.free(name, cuts));
    }
    // Points read only bodies, not nested values.
    let hidden = depth == 0 && r.hidden.multipart(name);
    let shown = depth == 0 && r.shown.multipart(name);
    shifted(cuts, base + start, |cuts| match (hidden, shown) {
        (true, _) => cuts.push(0, content.len(), Mark::Hidden),
        (_, true) => r.only_hidden(content, cuts),
        _ => r.value(content, argument_class(name), depth, cuts),
    });
    true
}

fn shifted(cuts: &mut Cuts, by: usize, add: impl FnOnce(&mut Cuts)) {
    let first = cuts.len();
    add(cuts);
    cuts.shift(first, by);
}

/// Offset of a slice within its text.
fn offset(text: &[u8], slice: &[u8]) -> usize {
    (slice.as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// Value of a header parameter: `; name="value"` or `; name=value`.
fn parameter<'h>(header: &'h [u8], wanted: &[u8]) -> Option<&'h [u8]> {
    let mut rest = header;
    loop {
        rest = rest.get(memchr::memchr(b';', rest)? + 1..)?;
        let equals = memchr::memchr(b'=', rest)?;
        let name = rest.get(..equals)?.trim_ascii();
        let value = rest.get(equals + 1..)?;
        let value = match value.strip_prefix(b"\"") {
            Some(quoted) => quoted.get(..memchr::memchr(b'"', quoted).unwrap_or(quoted.len()))?,
            None => value.get(..memchr::memchr(b';', value).unwrap_or(value.len()))?.trim_ascii(),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = rest.get(equals + 1 + offset(rest.get(equals + 1..)?, value) + value.len()..)?;
    }
}
