//! The request line as the client sent it.
//!
//! NGINX changes the request while it answers it: `error_page` and `X-Accel-Redirect` make it a GET
//! (`ngx_http_send_error_page`, `ngx_http_upstream_process_headers`), `rewrite`, `try_files` and `index` change URI
//! and arguments. The line itself is never changed (`$request`); over HTTP/2 and HTTP/3 NGINX writes one. Of a line
//! that it refuses, as `GET /../../etc/passwd`, NGINX keeps nothing else.

/// A request line in parts (RFC 9112, 3). Parts that are not there are empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestLine<'l> {
    /// A token.
    pub method: &'l [u8],
    /// Scheme and authority of a target in absolute form (`http://host`); a target in another form that has no
    /// path (`*`, `host:443`).
    pub origin: &'l [u8],
    /// Undecoded; `/` where a target in absolute form has none.
    pub path: &'l [u8],
    /// Without the `?`.
    pub query: &'l [u8],
    /// `HTTP/1.1`; empty for HTTP/0.9.
    pub protocol: &'l [u8],
}

impl<'l> RequestLine<'l> {
    /// Of a line without its end. One that does not begin with a token and a target has no parts.
    pub fn parse(line: &'l [u8]) -> Self {
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Self::default();
        };
        let is_token =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        if !method.iter().all(is_token) {
            return Self::default();
        }
        let protocol = words.next().filter(|word| word.starts_with(b"HTTP/")).unwrap_or_default();
        Self { method, protocol, ..Self::of_target(target) }
    }

    /// Of a target alone.
    pub fn of_target(target: &'l [u8]) -> Self {
        let target = before(target, |byte| byte == b'#').unwrap_or(target);
        let (origin, rest) = target.split_at(origin_len(target));
        let (path, query) = match before(rest, |byte| byte == b'?') {
            Some(path) => (path, rest.get(path.len() + 1..).unwrap_or_default()),
            None => (rest, &b""[..]),
        };
        let path = if path.is_empty() && has_scheme(origin) { b"/" } else { path };
        Self { origin, path, query, ..Self::default() }
    }
}

/// Length of what stands in front of the path.
fn origin_len(target: &[u8]) -> usize {
    if target.starts_with(b"/") {
        return 0;
    }
    let authority = target.windows(3).position(|three| three == b"://").map_or(0, |at| at + 3);
    let rest = target.get(authority..).unwrap_or_default();
    before(rest, |byte| matches!(byte, b'/' | b'?')).map_or(target.len(), |it| authority + it.len())
}

fn has_scheme(origin: &[u8]) -> bool {
    origin.windows(3).any(|three| three == b"://")
}

/// What stands before the first such byte, if there is one.
fn before(text: &[u8], is: impl Fn(u8) -> bool) -> Option<&[u8]> {
    text.get(..text.iter().position(|byte| is(*byte))?)
}

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
