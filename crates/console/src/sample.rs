//! Parses a pasted request, so that the preview can read points from it.

use api_sessions_extract::{Body, Exchange, JsonTypes, Side, VariableId};

/// A request as text: request line, headers, an empty line, body; with any line endings.
#[derive(Debug, Default)]
pub(super) struct Sample {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
    content_type: String,
}

impl Sample {
    pub(super) fn parse(text: &str) -> Self {
        let text = text.replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let mut line = lines.next().unwrap_or_default().split_whitespace();
        let method = line.next().unwrap_or_default().to_owned();
        let target = line.next().unwrap_or("/");
        // Browsers' developer tools copy absolute targets.
        let target = match target.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => target,
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect();
        let named = |wanted: &str| {
            headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|pair| &pair.1)
        };
        let content_type = named("content-type").cloned().unwrap_or_default();
        // Multipart bodies require CR LF.
        let body = if content_type.starts_with("multipart/") {
            body.replace('\n', "\r\n")
        } else {
            body.trim_end().to_owned()
        };
        Self { method, path: path.to_owned(), query: query.to_owned(), content_type, body, headers }
    }
}

impl Exchange for Sample {
    fn headers<'a>(&'a self, side: Side, each: &mut dyn FnMut(&'a [u8], &'a [u8]) -> bool) {
        if side == Side::Request {
            let _ =
                self.headers.iter().all(|(name, value)| each(name.as_bytes(), value.as_bytes()));
        }
    }

    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }

    fn host(&self) -> Option<&[u8]> {
        let host = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"))?;
        Some(host.1.split(':').next()?.as_bytes())
    }

    fn ip(&self) -> &[u8] {
        b"192.0.2.1"
    }

    fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }

    fn query(&self) -> &[u8] {
        self.query.as_bytes()
    }

    fn status(&self) -> Option<u16> {
        None
    }

    fn body(&self, side: Side) -> Option<Body<'_>> {
        let (bytes, content_type) = (self.body.as_bytes(), self.content_type.as_bytes());
        let body = Body::new(bytes, content_type, true, &JsonTypes::default());
        (side == Side::Request && !bytes.is_empty()).then_some(body)
    }

    fn variable(&self, _id: VariableId) -> Option<&[u8]> {
        None
    }
}
