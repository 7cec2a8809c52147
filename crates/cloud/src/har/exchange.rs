//! A HAR entry as points see it: what NGINX would have received, and what the application responded.

use api_sessions_extract::{Body, Exchange, JsonTypes, RequestLine, Side, VariableId};
use api_sessions_store::clock;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::entry::{Content, Entry, Pair};

/// Maximum length of a body that is read, bytes: the default of `api_sessions_body_size`.
const BODY_BYTES: usize = 16 * 1024;
/// A HAR file has one client and does not state its address; this one is reserved for documentation (RFC 5737).
const CLIENT: &[u8] = b"192.0.2.1";

/// One request and its response.
#[derive(Debug)]
pub(super) struct HarExchange {
    pub(super) method: String,
    /// Without port, in lower case.
    pub(super) host: String,
    pub(super) path: String,
    query: String,
    pub(super) status: Option<u16>,
    /// Time it was sent, ms since 1970; that of the previous entry if unknown.
    pub(super) started_ms: u64,
    /// Time the response was received, ms since 1970.
    pub(super) ended_ms: u64,
    request: Message,
    response: Message,
}

/// A request or a response.
#[derive(Debug)]
struct Message {
    headers: Vec<Pair>,
    body: Vec<u8>,
    is_complete: bool,
    content_type: String,
    json_types: JsonTypes,
}

impl HarExchange {
    /// Returns `None` if NGINX does not serve the URL, such as `data:` and `blob:`. An entry whose time cannot be
    /// parsed starts at `previous_ms`.
    pub(super) fn new(entry: Entry, previous_ms: u64) -> Option<Self> {
        let Entry { request, response, started_date_time, time, .. } = entry;
        let (scheme, _) = request.url.split_once("://")?;
        if !["http", "https", "ws", "wss"].contains(&&*scheme.to_ascii_lowercase()) {
            return None;
        }
        let line = RequestLine::of_target(request.url.as_bytes());
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        let (host, path, query) = (host(&text(line.origin)), text(line.path), text(line.query));
        let started_ms = clock::parse_ms(&started_date_time).unwrap_or(previous_ms);
        let taken = if time.is_finite() { time.max(0.0) as u64 } else { 0 };
        Some(Self {
            method: request.method,
            host,
            path,
            query,
            status: u16::try_from(response.status).ok().filter(|status| *status > 0),
            started_ms,
            ended_ms: started_ms.saturating_add(taken),
            request: Message::new(
                request_headers(request.headers, &request.cookies),
                request.post_data,
            ),
            response: Message::new(
                response_headers(response.headers, &response.cookies),
                response.content,
            ),
        })
    }

    /// Whether it carries cookies or credentials, which browsers export only on request.
    pub(super) fn has_credentials(&self) -> bool {
        self.header(Side::Request, b"cookie").is_some()
            || self.header(Side::Request, b"authorization").is_some()
            || self.header(Side::Response, b"set-cookie").is_some()
    }

    fn side(&self, side: Side) -> &Message {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }
}

impl Message {
    fn new(headers: Vec<Pair>, content: Content) -> Self {
        let content_type = headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("content-type"))
            .map_or(content.mime_type, |header| header.value.clone());
        let mut body = match &*content.encoding {
            "base64" => STANDARD.decode(&content.text).unwrap_or_default(),
            _ => content.text.into_bytes(),
        };
        let is_complete = body.len() <= BODY_BYTES;
        body.truncate(BODY_BYTES);
        // Hundreds of requests may be in flight, each with its body.
        body.shrink_to_fit();
        Self { headers, body, is_complete, content_type, json_types: JsonTypes::default() }
    }
}

/// Host of `scheme://user@host:port`.
fn host(origin: &str) -> String {
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(host, _)| host),
    };
    host.to_ascii_lowercase()
}

/// The headers as NGINX has them: without the pseudo-headers of HTTP/2, and with one `Cookie`.
fn request_headers(headers: Vec<Pair>, cookies: &[Pair]) -> Vec<Pair> {
    let (mut sent, mut others): (Vec<Pair>, Vec<Pair>) = headers
        .into_iter()
        .filter(|header| !header.name.starts_with(':'))
        .partition(|header| header.name.eq_ignore_ascii_case("cookie"));
    if sent.is_empty() {
        let value = |cookie: &Pair| format!("{}={}", cookie.name, cookie.value);
        sent.extend(
            cookies.iter().map(|cookie| Pair { name: "cookie".to_owned(), value: value(cookie) }),
        );
    }
    let values: Vec<&str> = sent.iter().map(|header| &*header.value).collect();
    if !values.is_empty() {
        others.push(Pair { name: "cookie".to_owned(), value: values.join("; ") });
    }
    others
}

/// Splits repeated headers: Chromium exports them as lines of one value.
fn response_headers(headers: Vec<Pair>, cookies: &[Pair]) -> Vec<Pair> {
    let is_set_cookie = |header: &Pair| header.name.eq_ignore_ascii_case("set-cookie");
    let lacks_cookies = !headers.iter().any(is_set_cookie);
    let mut each: Vec<Pair> = Vec::with_capacity(headers.len());
    for header in headers.into_iter().filter(|header| !header.name.starts_with(':')) {
        each.extend(
            header
                .value
                .lines()
                .map(|value| Pair { name: header.name.clone(), value: value.to_owned() }),
        );
    }
    if lacks_cookies {
        each.extend(cookies.iter().map(|cookie| Pair {
            name: "set-cookie".to_owned(),
            value: format!("{}={}", cookie.name, cookie.value),
        }));
    }
    each
}

impl Exchange for HarExchange {
    fn headers<'a>(&'a self, side: Side, each: &mut dyn FnMut(&'a [u8], &'a [u8]) -> bool) {
        for header in &self.side(side).headers {
            if !each(header.name.as_bytes(), header.value.as_bytes()) {
                return;
            }
        }
    }

    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }

    fn host(&self) -> Option<&[u8]> {
        Some(self.host.as_bytes())
    }

    fn ip(&self) -> &[u8] {
        CLIENT
    }

    fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }

    fn query(&self) -> &[u8] {
        self.query.as_bytes()
    }

    fn status(&self) -> Option<u16> {
        self.status
    }

    fn body(&self, side: Side) -> Option<Body<'_>> {
        let Message { body, is_complete, content_type, json_types, .. } = self.side(side);
        let content_type = content_type.as_bytes();
        (!body.is_empty()).then(|| Body::new(body, content_type, *is_complete, json_types))
    }

    fn variable(&self, _id: VariableId) -> Option<&[u8]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(entry: serde_json::Value) -> HarExchange {
        HarExchange::new(serde_json::from_value(entry).unwrap(), 0).unwrap()
    }

    #[test]
    fn lines_of_one_set_cookie_are_headers_of_their_own() {
        let exchange = exchange(serde_json::json!({
            "startedDateTime": "2026-11-26T10:00:00.250+01:00",
            "time": 12.7,
            "request": {
                "method": "GET",
                "url": "https://user@Shop.Example:8443/a/b?c=d#e",
                "headers": [
                    {"name": ":authority", "value": "shop.example"},
                    {"name": "cookie", "value": "a=1"},
                    {"name": "Cookie", "value": "b=2"},
                ],
            },
            "response": {
                "status": 200,
                "headers": [{"name": "set-cookie", "value": "sid=1; Path=/\nlang=de"}],
            },
        }));
        assert_eq!(exchange.host, "shop.example");
        assert_eq!((&*exchange.path, &*exchange.query), ("/a/b", "c=d"));
        assert_eq!(exchange.ended_ms - exchange.started_ms, 12);
        assert_eq!(exchange.header(Side::Request, b"cookie"), Some(&b"a=1; b=2"[..]));
        let mut set = Vec::new();
        exchange.headers(Side::Response, &mut |_, value| {
            set.push(String::from_utf8_lossy(value).into_owned());
            true
        });
        assert_eq!(set, ["sid=1; Path=/", "lang=de"]);
    }

    #[test]
    fn cookies_count_where_an_exporter_leaves_their_headers_out() {
        let exchange = exchange(serde_json::json!({
            "request": {
                "method": "GET",
                "url": "http://[2001:db8::1]:80",
                "headers": null,
                "cookies": [{"name": "a", "value": "1"}, {"name": "b", "value": null}],
            },
            "response": {"status": 0, "cookies": [{"name": "c", "value": "3"}]},
        }));
        assert_eq!(exchange.host, "2001:db8::1");
        assert_eq!((&*exchange.path, exchange.status), ("/", None));
        assert_eq!(exchange.header(Side::Request, b"cookie"), Some(&b"a=1; b="[..]));
        assert_eq!(exchange.header(Side::Response, b"set-cookie"), Some(&b"c=3"[..]));
    }
}
