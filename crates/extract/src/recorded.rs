//! Values of sources in stored records.

use api_sessions_protocol::{HIDDEN, Record};

use super::exchange::{Ja4Form, Side};
use super::source::PointSource;

/// What a record's own fields tell about a source. Parameters are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded<'r> {
    /// The value.
    Value(&'r [u8]),
    /// The response status.
    Status(u16),
    /// The request has none.
    Absent,
    /// Nothing: no field has it, or it is hidden.
    Unknown,
}

impl PointSource {
    /// The value in a record; `path` is that of the record, normalised or not.
    pub fn recorded<'r>(&self, record: &'r Record<'_>, path: &'r [u8]) -> Recorded<'r> {
        let value = match self {
            PointSource::Ip => Some(&*record.ip),
            PointSource::Host => record.host.as_deref(),
            PointSource::Method => Some(&*record.method),
            PointSource::Ja4(Ja4Form::Plain) => record.ja4.as_deref(),
            PointSource::Ja4(Ja4Form::Stable) => record.ja4_stable.as_deref(),
            PointSource::Header { side: Side::Request, name, nth: 0 }
                if **name == *b"user-agent" =>
            {
                record.ua.as_deref()
            }
            PointSource::Path(nth) => {
                let path = path.strip_prefix(b"/").unwrap_or(path);
                let segment = path.split(|byte| *byte == b'/').nth(*nth as usize);
                return match segment {
                    None | Some(b"") => Recorded::Absent,
                    Some(segment) if segment == HIDDEN.as_bytes() => Recorded::Unknown,
                    Some(segment) => Recorded::Value(segment),
                };
            }
            PointSource::Status => return Recorded::Status(record.status),
            PointSource::Header { .. }
            | PointSource::HeaderLike(_)
            | PointSource::Cookie(_)
            | PointSource::CookieLike(_)
            | PointSource::SetCookie(_)
            | PointSource::Query { .. }
            | PointSource::Form(_)
            | PointSource::Multipart(_)
            | PointSource::Json { .. }
            | PointSource::Variable(_) => return Recorded::Unknown,
        };
        match value {
            Some(HIDDEN) => Recorded::Unknown,
            Some(value) if !value.is_empty() => Recorded::Value(value.as_bytes()),
            _ => Recorded::Absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoVariables, Point};

    #[test]
    fn fields_of_a_record_are_values_of_points() {
        let record = Record {
            ip: "192.0.2.1".into(),
            method: "GET".into(),
            path: "/users/7".into(),
            status: 404,
            ua: Some(HIDDEN.into()),
            ..Record::default()
        };
        let of = |point: &str| {
            let point = Point::parse(point, &mut NoVariables).unwrap();
            point.source().recorded(&record, record.path.as_bytes())
        };
        assert_eq!(of("request.ip"), Recorded::Value(b"192.0.2.1"));
        assert_eq!(of("request.path[1]"), Recorded::Value(b"7"));
        assert_eq!(of("request.path[2]"), Recorded::Absent);
        assert_eq!(of("request.host"), Recorded::Absent);
        assert_eq!(of("response.status"), Recorded::Status(404));
        assert_eq!(of("request.header.User-Agent"), Recorded::Unknown, "hidden");
        assert_eq!(of("request.cookie.sid"), Recorded::Unknown);
    }
}
