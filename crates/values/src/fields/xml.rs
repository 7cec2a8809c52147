//! Text and attributes of an XML body, well-formed or not. References are resolved later, with those of HTML.

/// Calls `take` with each non-blank text, each CDATA section and each attribute value, with the name of its
/// element or attribute. Returns whether `take` wants more.
pub(super) fn values(document: &[u8], take: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> bool {
    let mut at = 0;
    let mut element: &[u8] = b"";
    while at < document.len() {
        let open = memchr::memchr(b'<', &document[at..]).map_or(document.len(), |found| at + found);
        let text = document[at..open].trim_ascii();
        if !text.is_empty() && !take(element, text) {
            return false;
        }
        let rest = &document[open..];
        if let Some(section) = rest.strip_prefix(b"<![CDATA[") {
            let end = memchr::memmem::find(section, b"]]>").unwrap_or(section.len());
            if !section[..end].is_empty() && !take(element, &section[..end]) {
                return false;
            }
            at = open + 9 + end + 3;
            continue;
        }
        if rest.starts_with(b"<!--") {
            let end = memchr::memmem::find(rest, b"-->").unwrap_or(rest.len());
            at = open + end + 3;
            continue;
        }
        let end = end_of_tag(rest);
        let tag = &rest[..end];
        if tag.len() > 1 && !matches!(tag[1], b'/' | b'!' | b'?') {
            let length = tag[1..]
                .iter()
                .take_while(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'>'))
                .count();
            element = &tag[1..=length];
            if !attributes(&tag[length + 1..], take) {
                return false;
            }
        }
        at = open + end + 1;
    }
    true
}

/// Index of the first `>` outside of quotes, or the length if there is none.
fn end_of_tag(tag: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr3(b'>', b'"', b'\'', &tag[at..]) {
        at += found;
        let quote = tag[at];
        if quote == b'>' {
            return at;
        }
        match memchr::memchr(quote, &tag[at + 1..]) {
            Some(length) => at += length + 2,
            // An unclosed quote: the rest is no attribute.
            None => return memchr::memchr(b'>', &tag[at..]).map_or(tag.len(), |found| at + found),
        }
    }
    tag.len()
}

fn attributes(mut rest: &[u8], take: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> bool {
    while let Some(equals) = memchr::memchr(b'=', rest) {
        let name = rest[..equals].trim_ascii();
        let name = name.rsplit(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
        let value = rest[equals + 1..].trim_ascii_start();
        let Some((quote @ (b'"' | b'\''), value)) =
            value.split_first().map(|(first, rest)| (*first, rest))
        else {
            rest = value;
            continue;
        };
        let end = memchr::memchr(quote, value).unwrap_or(value.len());
        let declares = name.starts_with(b"xmlns") || name == b"xsi:schemaLocation";
        if end > 0 && !declares && !take(name, &value[..end]) {
            return false;
        }
        rest = value.get(end + 1..).unwrap_or_default();
    }
    true
}
