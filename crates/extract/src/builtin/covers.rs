//! Whether a point reads a value that the set treats as a session identifier.

use super::cookies::without_prefix;
use super::table::{Rule, TABLE};
use crate::{Decoder, Point, PointSource, Side};

/// Whether a point yields an entire live credential that the set knows. A click in the Console must not export such a
/// value in clear text. A claim or member inside it is not covered.
pub fn covers(point: &Point) -> bool {
    let is_inside = |decoder: &Decoder| matches!(decoder, Decoder::Jwt { .. } | Decoder::Json(_));
    if point.decoders().iter().any(is_inside) {
        return false;
    }
    match point.source() {
        PointSource::Header { side: Side::Request, name, .. } => {
            TABLE.iter().any(|entry| match entry.rule {
                Rule::Header(known) => known.as_bytes() == &**name,
                Rule::OpaqueAuthorization => &**name == b"authorization",
                _ => false,
            })
        }
        PointSource::Cookie(name) | PointSource::SetCookie(name) => {
            let name = without_prefix(name);
            let lower = name.to_ascii_lowercase();
            TABLE.iter().any(|entry| entry.rule.cookie(name, &lower).is_some())
        }
        // Whatever a pattern matches is used as an identifier.
        PointSource::CookieLike(_) => true,
        PointSource::Query { name, .. } => TABLE
            .iter()
            .any(|entry| matches!(entry.rule, Rule::Query(known) if known.as_bytes() == &**name)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoVariables;

    #[test]
    fn identifiers_are_known_and_what_is_inside_of_them_is_not_one() {
        let covers = |text: &str| covers(&Point::parse(text, &mut NoVariables).unwrap());
        for known in [
            "request.cookie.PHPSESSID",
            "request.cookie.__Host-phpsessid",
            "request.cookie.sid.urldecode",
            "response.cookie.JSESSIONID",
            "request.header.X-Session-Id",
            "request.header.authorization.bearer",
            "request.query.access_token",
        ] {
            assert!(covers(known), "{known}");
        }
        for other in [
            "request.cookie.theme",
            "request.header.Authorization.jwt.payload.sub",
            "request.header.X-User",
            "request.query.q",
            "request.ip",
        ] {
            assert!(!covers(other), "{other}");
        }
    }
}
