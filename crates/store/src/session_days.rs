//! Day parts of a session put together, whichever engine keeps them.

use std::collections::{BTreeMap, HashMap};

use crate::{MAX_ENDPOINTS, MAX_LISTED, SessionDay, SessionDetail, SessionSummary, ValueCount};

/// What a value is a value of. The numbers are in the files of the
/// embedded store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    Application = 1,
    Host = 2,
    Ip = 3,
    User = 4,
    Role = 5,
    Status = 6,
    Method = 7,
    Attack = 8,
    Endpoint = 9,
    Ua = 10,
    Key = 11,
    Ja4 = 12,
}

impl Kind {
    /// All of them, with their names in a detail.
    pub(crate) const ALL: [(Kind, &str); 12] = [
        (Kind::Application, "application"),
        (Kind::Host, "host"),
        (Kind::Ip, "ip"),
        (Kind::User, "user"),
        (Kind::Role, "role"),
        (Kind::Status, "status"),
        (Kind::Method, "method"),
        (Kind::Attack, "attack"),
        (Kind::Endpoint, "endpoint"),
        (Kind::Ua, "ua"),
        (Kind::Key, "key"),
        (Kind::Ja4, "ja4"),
    ];

    /// Sessions are found by it.
    pub(crate) const fn is_searched(self) -> bool {
        !matches!(self, Kind::Ua | Kind::Key)
    }
}

/// What is shown for values beyond the limit of values kept.
pub(crate) const OTHER_TEXT: &str = "(other)";

/// Most values of one kind that a day part counts one by one; the others are counted together, as
/// [`OTHER_TEXT`].
pub(crate) const MAX_VALUES: usize = 300;

/// One day part, as far as its day knows.
pub(crate) struct SessionDayCounts {
    pub(crate) part: SessionDay,
    pub(crate) user: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) key: String,
    pub(crate) source: String,
    pub(crate) counts: Vec<(Kind, String, u64)>,
    /// How many endpoints it has.
    pub(crate) endpoints: u64,
}

/// Puts the parts of a session together; `None`: there are none.
pub(crate) fn detail(session: &str, parts: Vec<SessionDayCounts>) -> Option<SessionDetail> {
    let mut summary = SessionSummary {
        session: session.to_owned(),
        first_ts: u64::MAX,
        ..SessionSummary::default()
    };
    let mut counts: HashMap<(Kind, String), u64> = HashMap::new();
    let mut listed = Vec::with_capacity(parts.len());
    let mut endpoint_count = 0;
    // Oldest first: the newest user, role and key are what stays.
    for part in parts {
        summary.first_ts = summary.first_ts.min(part.part.first_ts);
        summary.last_ts = summary.last_ts.max(part.part.last_ts);
        summary.requests += part.part.requests;
        summary.attacks += part.part.attacks;
        summary.denied += part.part.denied;
        summary.user = part.user.or(summary.user);
        summary.role = part.role.or(summary.role);
        summary.key = part.key;
        summary.source = part.source;
        summary.days.push(part.part.day.clone());
        endpoint_count = endpoint_count.max(part.endpoints);
        for (kind, text, count) in part.counts {
            *counts.entry((kind, text)).or_default() += count;
        }
        listed.push(part.part);
    }
    if listed.is_empty() {
        return None;
    }
    let mut by: BTreeMap<String, Vec<ValueCount>> =
        Kind::ALL.iter().map(|(_, name)| ((*name).to_owned(), Vec::new())).collect();
    for ((kind, value), count) in counts {
        let name = Kind::ALL.iter().find(|entry| entry.0 == kind).map(|entry| entry.1);
        if let Some(values) = name.and_then(|name| by.get_mut(name)) {
            let share = count as f64 / summary.requests.max(1) as f64;
            values.push(ValueCount { value, count, share });
        }
    }
    for values in by.values_mut() {
        values.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    }
    let first = |name: &str| -> Vec<String> {
        by.get(name)
            .into_iter()
            .flatten()
            .filter(|counted| counted.value != OTHER_TEXT)
            .take(MAX_LISTED)
            .map(|counted| counted.value.clone())
            .collect()
    };
    summary.ips = first("ip");
    summary.hosts = first("host");
    summary.applications = first("application");
    summary.attack_types = first("attack");
    let endpoints = by.get("endpoint").map(Vec::as_slice).unwrap_or_default();
    summary.endpoints = endpoints.iter().take(MAX_ENDPOINTS).cloned().collect();
    summary.endpoint_count = endpoint_count.max(endpoints.len() as u64);
    Some(SessionDetail { summary, parts: listed, by, incomplete: Vec::new() })
}
