//! The request line, as sent by the client.
//!
//! NGINX changes a request while processing it: `error_page` and `X-Accel-Redirect` turn it into a GET
//! (`ngx_http_send_error_page`, `ngx_http_upstream_process_headers`), and `rewrite`, `try_files` and `index` change URI
//! and arguments. The line itself (`$request`) never changes; for HTTP/2 and HTTP/3 NGINX composes one. The line is
//! also all that NGINX keeps of a request that it rejects, such as `GET /../../etc/passwd`.

use memchr::memchr2;

use super::near::find_near;

/// The parts of a request line (RFC 9112, 3). Missing parts are empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestLine<'l> {
    /// The method.
    pub method: &'l [u8],
    /// Scheme and authority of a target in absolute form (`http://host`), or a whole target that has no path (`*`,
    /// `host:443`).
    pub origin: &'l [u8],
    /// The path, undecoded; `/` if a target in absolute form has none.
    pub path: &'l [u8],
    /// The query, without the `?`.
    pub query: &'l [u8],
    /// `HTTP/1.1`; empty for HTTP/0.9.
    pub protocol: &'l [u8],
}

impl<'l> RequestLine<'l> {
    /// Splits a line without its CRLF. A line that does not begin with a token and a target yields no parts.
    pub fn parse(line: &'l [u8]) -> Self {
        let (method, rest) = short_word(line);
        let rest = without_spaces(rest);
        let (target, rest) = rest.split_at(find_near(b' ', rest).unwrap_or(rest.len()));
        if target.is_empty() || !method.iter().all(|byte| IS_TOKEN[usize::from(*byte)]) {
            return Self::default();
        }
        let (version, _) = short_word(rest);
        let protocol = if version.starts_with(b"HTTP/") { version } else { b"" };
        Self { method, protocol, ..Self::of_target(target) }
    }

    /// Splits a request target.
    pub fn of_target(target: &'l [u8]) -> Self {
        let target = before(target, find_near(b'#', target)).unwrap_or(target);
        let (origin, rest) = target.split_at(origin_len(target));
        let path = before(rest, find_near(b'?', rest)).unwrap_or(rest);
        let query = rest.get(path.len() + 1..).unwrap_or_default();
        let path = if path.is_empty() && has_scheme(origin) { b"/" } else { path };
        Self { origin, path, query, ..Self::default() }
    }
}

/// Length of the part before the path.
fn origin_len(target: &[u8]) -> usize {
    if target.starts_with(b"/") {
        return 0;
    }
    let authority = target.windows(3).position(|three| three == b"://").map_or(0, |at| at + 3);
    let rest = target.get(authority..).unwrap_or_default();
    memchr2(b'/', b'?', rest).map_or(target.len(), |at| authority + at)
}

fn has_scheme(origin: &[u8]) -> bool {
    origin.windows(3).any(|three| three == b"://")
}

/// The first word of a text, and the rest. Words are separated by spaces. A byte loop, since the word is short.
fn short_word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = without_spaces(text);
    text.split_at(text.iter().position(|byte| *byte == b' ').unwrap_or(text.len()))
}

fn without_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().position(|byte| *byte != b' ').unwrap_or(text.len());
    text.get(spaces..).unwrap_or_default()
}

/// The text before an index, if there is one.
fn before(text: &[u8], at: Option<usize>) -> Option<&[u8]> {
    text.get(..at?)
}

/// Characters of a token (RFC 9110, 5.6.2).
static IS_TOKEN: [bool; 256] = {
    let mut is_token = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        is_token[byte as usize] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < marks.len() {
        is_token[marks[at] as usize] = true;
        at += 1;
    }
    is_token
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(line: &str) -> [String; 5] {
        let RequestLine { method, origin, path, query, protocol } =
            RequestLine::parse(line.as_bytes());
        [method, origin, path, query, protocol].map(|part| String::from_utf8_lossy(part).into())
    }

    #[test]
    fn a_line_is_taken_apart_as_it_was_sent() {
        for (line, expected) in [
            (
                "POST /a//b/../c%20?x=1?&y#z HTTP/1.1",
                ["POST", "", "/a//b/../c%20", "x=1?&y", "HTTP/1.1"],
            ),
            ("GET /a#b?c HTTP/1.0", ["GET", "", "/a", "", "HTTP/1.0"]),
            ("GET   /  HTTP/1.1", ["GET", "", "/", "", "HTTP/1.1"]),
            ("GET /", ["GET", "", "/", "", ""]),
            ("GET http://h:1/a?b HTTP/1.1", ["GET", "http://h:1", "/a", "b", "HTTP/1.1"]),
            ("GET http://h HTTP/1.1", ["GET", "http://h", "/", "", "HTTP/1.1"]),
            ("GET http://h?b=/c HTTP/1.1", ["GET", "http://h", "/", "b=/c", "HTTP/1.1"]),
            ("OPTIONS * HTTP/1.1", ["OPTIONS", "*", "", "", "HTTP/1.1"]),
            ("CONNECT h:443 HTTP/1.1", ["CONNECT", "h:443", "", "", "HTTP/1.1"]),
            ("GET /?u=http://x/ HTTP/2.0", ["GET", "", "/", "u=http://x/", "HTTP/2.0"]),
            ("get /x y", ["get", "", "/x", "", ""]),
            ("G\u{1}T / HTTP/1.1", ["", "", "", "", ""]),
            ("GARBAGE", ["", "", "", "", ""]),
            ("", ["", "", "", "", ""]),
        ] {
            assert_eq!(parts(line), expected, "{line}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn parts_of_any_line_lie_in_it_in_order(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let RequestLine { method, origin, path, query, protocol } = RequestLine::parse(&line);
            let mut from = 0;
            for part in [method, origin, if path == b"/" { b"" } else { path }, query, protocol] {
                let rest = &line[from..];
                let at = if part.is_empty() { 0 } else {
                    rest.windows(part.len()).position(|window| window == part).unwrap() + part.len()
                };
                from += at;
            }
        }
    }
}
