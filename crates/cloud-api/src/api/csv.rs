//! Requests as CSV (RFC 4180), safe to open in a spreadsheet.

use crate::aggregate::UserSummary;
use crate::scored::ListedSession;
use api_sessions_endpoints::Endpoint;
use api_sessions_protocol::{Evidence, Record, RuleHit, record_fields};
use api_sessions_store::StoredRequest;
use api_sessions_store::clock::rfc3339_ms;

/// Column names: the fields of a record in order, some under more readable names.
macro_rules! column_names {
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)*) => { [$(column_name!($name)),*] };
}
macro_rules! column_name {
    (ts) => {
        "time"
    };
    (app) => {
        "application"
    };
    (ua) => {
        "user_agent"
    };
    (proto) => {
        "protocol"
    };
    (params) => {
        "parameters"
    };
    ($name:ident) => {
        stringify!($name)
    };
}
macro_rules! declare_cells {
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)*) => {
        fn cells(record: &Record<'_>) -> [String; COLUMNS.len()] {
            [$(cell_of!($name $kind record.$name)),*]
        }
    };
}
/// The text of a field, by its kind.
macro_rules! cell_of {
    (ts $kind:ident $value:expr) => {
        rfc3339_ms($value)
    };
    ($name:ident text $value:expr) => {
        cell(&$value)
    };
    ($name:ident text_or_empty $value:expr) => {
        cell(&$value)
    };
    ($name:ident optional_text $value:expr) => {
        $value.as_deref().map(cell).unwrap_or_default()
    };
    ($name:ident optional_number $value:expr) => {
        $value.map(|number| number.to_string()).unwrap_or_default()
    };
    ($name:ident source $value:expr) => {
        $value.as_str().to_owned()
    };
    ($name:ident words $value:expr) => {
        cell(&$value.join(" "))
    };
    ($name:ident parameters $value:expr) => {
        listed(&$value, |param| format!("{}={}", param.name, param.value))
    };
    ($name:ident rules $value:expr) => {
        listed(&$value, rule_text)
    };
    ($name:ident links $value:expr) => {
        listed(&$value, |link| format!("{} {}", link.reason, link.session))
    };
    ($name:ident evidence $value:expr) => {
        listed(&$value, evidence_text)
    };
    ($name:ident $kind:ident $value:expr) => {
        $value.to_string()
    };
}

const COLUMNS: &[&str] = &record_fields!(column_names);
record_fields!(declare_cells);

/// Escapes text that a spreadsheet could evaluate as a formula, including after leading blanks and with full-width
/// signs, which some spreadsheets accept.
fn cell(text: &str) -> String {
    let is_blank = |c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}';
    let is_sign = |c: char| "=+-@\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(c);
    let begins = text.starts_with(['\t', '\r', '\n']);
    let is_formula = begins || text.trim_start_matches(is_blank).starts_with(is_sign);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

/// A cell with several values.
fn listed<T>(values: &[T], text: impl Fn(&T) -> String) -> String {
    let texts: Vec<String> = values.iter().map(text).collect();
    cell(&texts.join("; "))
}

/// Renders `requests`, preceded by the header line if `head` is set.
pub fn render(requests: &[StoredRequest], head: bool) -> Vec<u8> {
    let mut builder = csv::WriterBuilder::new();
    let mut writer = builder.terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    if head {
        // Writing rows of equal length to memory cannot fail.
        let _ = writer.write_record(COLUMNS);
    }
    for request in requests {
        let _ = writer.write_record(cells(&request.record));
    }
    writer.into_inner().unwrap_or_default()
}

/// The columns of endpoints.
const ENDPOINT_COLUMNS: &str = "application method endpoint first last requests attacks denied sessions users \
    statuses sources time_ms_p50 time_ms_p95 response_bytes_p50 response_bytes_p95 by_key \
    new unused probe";

/// Renders endpoints, with the header line.
pub fn render_endpoints(endpoints: &[Endpoint]) -> Vec<u8> {
    let row = |one: &Endpoint| {
        let counts = |name: String, count: &u64| format!("{name}={count}");
        let statuses = one.statuses.iter().map(|(status, count)| counts(status.to_string(), count));
        let sources = one.sources.iter().map(|(source, count)| counts(source.clone(), count));
        [
            one.application.as_deref().map(cell).unwrap_or_default(),
            cell(&one.method),
            cell(&one.endpoint),
            rfc3339_ms(one.first_ts),
            rfc3339_ms(one.last_ts),
            one.requests.to_string(),
            one.attacks.to_string(),
            one.denied.to_string(),
            one.sessions.to_string(),
            one.users.to_string(),
            cell(&statuses.collect::<Vec<_>>().join(" ")),
            cell(&sources.collect::<Vec<_>>().join(" ")),
            one.time_ms.p50.to_string(),
            one.time_ms.p95.to_string(),
            one.response_bytes.p50.to_string(),
            one.response_bytes.p95.to_string(),
            format!("{:.2}", one.by_key()),
            one.is_new.to_string(),
            one.is_unused.to_string(),
            one.is_probe.to_string(),
        ]
    };
    table(ENDPOINT_COLUMNS, endpoints.iter().map(row))
}

/// The columns of sessions.
const SESSION_COLUMNS: &str = "session first last score requests attacks denied user role users roles key source ips \
    countries organisations hosts applications attack_types endpoints endpoint_count days";

/// Renders sessions, with the header line.
pub fn render_sessions(sessions: &[ListedSession]) -> Vec<u8> {
    let row = |ListedSession { summary: one, score }: &ListedSession| {
        let joined = |values: &[String]| listed(values, String::clone);
        [
            cell(&one.session),
            rfc3339_ms(one.first_ts),
            rfc3339_ms(one.last_ts),
            score.map(|score| score.to_string()).unwrap_or_default(),
            one.requests.to_string(),
            one.attacks.to_string(),
            one.denied.to_string(),
            one.user.as_deref().map(cell).unwrap_or_default(),
            one.role.as_deref().map(cell).unwrap_or_default(),
            joined(&one.users),
            joined(&one.roles),
            cell(&one.key),
            cell(&one.source),
            joined(&one.ips),
            joined(&one.countries),
            joined(&one.organisations),
            joined(&one.hosts),
            joined(&one.applications),
            joined(&one.attack_types),
            listed(&one.endpoints, |endpoint| format!("{} {}", endpoint.count, endpoint.value)),
            one.endpoint_count.to_string(),
            one.days.join(" "),
        ]
    };
    table(SESSION_COLUMNS, sessions.iter().map(row))
}

/// The columns of users.
const USER_COLUMNS: &str = "user sessions requests attacks denied first last ips ip_count";

/// Renders users, with the header line.
pub fn render_users(users: &[UserSummary]) -> Vec<u8> {
    let row = |one: &UserSummary| {
        [
            cell(&one.user),
            one.sessions.to_string(),
            one.requests.to_string(),
            one.attacks.to_string(),
            one.denied.to_string(),
            rfc3339_ms(one.first_ts),
            rfc3339_ms(one.last_ts),
            listed(&one.ips, String::clone),
            one.ip_count.to_string(),
        ]
    };
    table(USER_COLUMNS, users.iter().map(row))
}

/// A table with its header line.
fn table<const N: usize>(columns: &str, rows: impl Iterator<Item = [String; N]>) -> Vec<u8> {
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Writing to memory does not fail, nor do lines of equal length.
    let _ = writer.write_record(columns.split(' '));
    rows.for_each(|row| drop(writer.write_record(row)));
    writer.into_inner().unwrap_or_default()
}

/// `login 12 deny=1h`; for a rule that only monitors, `login 12 deny=1h (monitor)`.
fn rule_text(hit: &RuleHit<'_>) -> String {
    let mode = if hit.enforced { "" } else { " (monitor)" };
    format!("{} {} {}{mode}", hit.name, hit.count, hit.then)
}

/// `sqli query q: ' or 1=1`.
fn evidence_text(evidence: &Evidence<'_>) -> String {
    let name = evidence.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
    format!("{} {}{name}: {}", evidence.kind, evidence.place, evidence.matched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_did_not_have_the_rules_that_fired() {
        let hit = |name: &'static str, enforced| RuleHit {
            name: name.into(),
            count: 12,
            then: "deny=1h".into(),
            enforced,
        };
        let rules = vec![hit("login", true), hit("scan", false)];
        let record = Record { rules, ..Record::default() };
        let request = StoredRequest { record, endpoint: String::new(), has_content: false };
        let text = render(&[request], true);
        let mut reader = csv::Reader::from_reader(&*text);
        let at = reader.headers().unwrap().iter().position(|name| name == "rules").unwrap();
        let row = reader.records().next().unwrap().unwrap();
        assert_eq!(&row[at], "login 12 deny=1h; scan 12 deny=1h (monitor)");
    }

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
