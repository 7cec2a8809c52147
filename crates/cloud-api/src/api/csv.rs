//! Requests as CSV (RFC 4180), safe to open in a spreadsheet.

use std::borrow::Cow;

use api_sessions_protocol::Evidence;
use api_sessions_store::StoredRequest;
use api_sessions_store::clock::rfc3339_ms;

const COLUMNS: [&str; 26] = [
    "time",
    "id",
    "session",
    "node",
    "application",
    "ip",
    "user_agent",
    "method",
    "scheme",
    "host",
    "path",
    "protocol",
    "status",
    "time_ms",
    "upstream_ms",
    "request_bytes",
    "response_bytes",
    "user",
    "role",
    "attacks",
    "denied",
    "parameters",
    "ja4",
    "evidence",
    "links",
    "previous",
];

/// A cell that no spreadsheet evaluates as a formula, even after leading blanks or with the full-width forms of
/// the signs, which some spreadsheets accept.
fn cell(text: &str) -> Cow<'_, str> {
    let is_blank = |c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}';
    let is_sign = |c: char| "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(c);
    let begins = text.starts_with(['\t', '\r', '\n']);
    if begins || text.trim_start_matches(is_blank).starts_with(is_sign) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Renders `requests`, preceded by the header line if `head` is set.
pub fn render(requests: &[StoredRequest], head: bool) -> Vec<u8> {
    let mut builder = csv::WriterBuilder::new();
    let mut writer = builder.terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if head {
        // Writing to memory does not fail, nor do lines of equal length.
        let _ = writer.write_record(COLUMNS);
    }
    for request in requests {
        let record = &request.record;
        let text = |value: &Option<Cow<'_, str>>| {
            value.as_deref().map(|value| cell(value).into_owned()).unwrap_or_default()
        };
        let attacks = record.attacks.join(" ");
        let params: Vec<_> =
            record.params.iter().map(|param| format!("{}={}", param.name, param.value)).collect();
        let evidence: Vec<_> = record.evidence.iter().map(evidence_text).collect();
        let links: Vec<_> =
            record.links.iter().map(|link| format!("{} {}", link.reason, link.session)).collect();
        let _ = writer.write_record([
            rfc3339_ms(record.ts),
            cell(&record.id).into_owned(),
            cell(&record.session).into_owned(),
            cell(&record.node).into_owned(),
            text(&record.app),
            cell(&record.ip).into_owned(),
            text(&record.ua),
            cell(&record.method).into_owned(),
            text(&record.scheme),
            text(&record.host),
            cell(&record.path).into_owned(),
            text(&record.proto),
            record.status.to_string(),
            record.time_ms.to_string(),
            record.upstream_ms.map(|ms| ms.to_string()).unwrap_or_default(),
            record.request_bytes.to_string(),
            record.response_bytes.to_string(),
            text(&record.user),
            text(&record.role),
            cell(&attacks).into_owned(),
            record.denied.to_string(),
            cell(&params.join("; ")).into_owned(),
            text(&record.ja4),
            cell(&evidence.join("; ")).into_owned(),
            cell(&links.join("; ")).into_owned(),
            text(&record.previous),
        ]);
    }
    writer.into_inner().unwrap_or_default()
}

/// `sqli query q: ' or 1=1`.
fn evidence_text(evidence: &Evidence<'_>) -> String {
    let name = evidence.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
    format!("{} {}{name}: {}", evidence.kind, evidence.place, evidence.matched)
}

#[cfg(test)]
mod tests {
    use api_sessions_protocol::Record;

    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for bad in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            " =1",
            "\u{a0}=1",
            "\u{feff}=1",
            "＝1",
            "＋1",
            "－1",
            " ＠A1",
        ] {
            let request = StoredRequest {
                record: Record {
                    id: bad.into(),
                    user: Some(bad.into()),
                    path: bad.into(),
                    ua: Some(bad.into()),
                    attacks: vec![bad.into()],
                    ..Record::default()
                },
                endpoint: String::new(),
                has_content: false,
            };
            let text = render(&[request], true);
            let mut reader = csv::Reader::from_reader(&*text);
            for cell in reader.records().next().unwrap().unwrap().iter() {
                assert!(
                    cell.is_empty() || cell.starts_with(|c: char| c == '\'' || c.is_alphanumeric()),
                    "{cell:?}"
                );
            }
            assert!(text.ends_with(b"\r\n"));
        }
    }
}
