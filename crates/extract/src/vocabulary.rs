//! Beginnings of points and decoders, as an operator chooses them.

/// Beginnings of points, and what they read. A name, a path or an index may follow.
pub const SOURCES: &[(&str, &str)] = &[
    ("request.header.", "header: name"),
    ("request.cookie.", "cookie: name"),
    ("request.query.", "query argument: name"),
    ("request.path", "path segment: [0]"),
    ("request.body.form.", "form field: name"),
    ("request.body.multipart.", "multipart form field: name"),
    ("request.body.json.", "value in a JSON body: path"),
    ("request.ip", "client address"),
    ("request.host", "host"),
    ("request.method", "method"),
    ("request.tls.ja4_stable", "JA4, stable form"),
    ("request.tls.ja4", "JA4"),
    ("response.header.", "response header: name"),
    ("response.cookie.", "cookie set by the response: name"),
    ("response.status", "response status"),
    ("response.body.json.", "value in a JSON response: path"),
];

/// Decoders, and what they yield.
pub const DECODERS: &[(&str, &str)] = &[
    (".jwt.payload.sub", "JWT claim"),
    (".jwt.header.kid", "JWT header"),
    (".bearer", "strip \"Bearer\""),
    (".basic.user", "user of Basic credentials"),
    (".base64", "base64"),
    (".json.", "JSON value"),
    (".urldecode", "percent-decoded"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoVariables, Point};

    #[test]
    fn an_entry_was_no_point() {
        let completed = |text: &str| match text {
            "request.path" => "request.path[0]".to_owned(),
            text if text.ends_with('.') => format!("{text}name"),
            text => text.to_owned(),
        };
        let points = SOURCES.iter().map(|(source, _)| completed(source));
        let decoders =
            DECODERS.iter().map(|(decoder, _)| completed(&format!("request.host{decoder}")));
        for point in points.chain(decoders) {
            Point::parse(&point, &mut NoVariables).unwrap();
        }
    }
}
