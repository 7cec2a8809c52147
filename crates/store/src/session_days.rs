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

/// Most values of one kind that a session's detail counts one by one; the others are counted together, as
/// [`OTHER_TEXT`].
pub(crate) const MAX_VALUES: usize = 300;

/// A part of a session: what a day, or a segment of a day, has of it.
pub(crate) struct SessionPart {
    pub(crate) day: SessionDay,
    /// The newest user and role, with the times of their requests (ms since 1970).
    pub(crate) user: Option<(u64, String)>,
    pub(crate) role: Option<(u64, String)>,
    /// Of the newest request.
    pub(crate) key: String,
    pub(crate) source: String,
    pub(crate) counts: Vec<(Kind, String, u64)>,
    /// How many endpoints it has.
    pub(crate) endpoints: u64,
}

/// The later of two values; of two of the same time, the second.
fn newer(a: Option<(u64, String)>, b: Option<(u64, String)>) -> Option<(u64, String)> {
    match (&a, &b) {
        (Some((a_ts, _)), Some((b_ts, _))) if a_ts > b_ts => a,
        (_, None) => a,
        _ => b,
    }
}

/// Puts the parts of a session together, which come by days, oldest first; `None`: there are none.
pub(crate) fn detail(session: &str, parts: Vec<SessionPart>) -> Option<SessionDetail> {
    let mut summary = SessionSummary {
        session: session.to_owned(),
        first_ts: u64::MAX,
        ..SessionSummary::default()
    };
    let mut counts: HashMap<(Kind, String), u64> = HashMap::new();
    let mut listed: Vec<SessionDay> = Vec::with_capacity(parts.len());
    let (mut user, mut role) = (None, None);
    let mut endpoint_count = 0;
    for part in parts {
        let day = part.day;
        if day.last_ts >= summary.last_ts {
            (summary.key, summary.source) = (part.key, part.source);
        }
        summary.first_ts = summary.first_ts.min(day.first_ts);
        summary.last_ts = summary.last_ts.max(day.last_ts);
        summary.requests += day.requests;
        summary.attacks += day.attacks;
        summary.denied += day.denied;
        (user, role) = (newer(user, part.user), newer(role, part.role));
        endpoint_count = endpoint_count.max(part.endpoints);
        for (kind, text, count) in part.counts {
            *counts.entry((kind, text)).or_default() += count;
        }
        match listed.last_mut().filter(|last| last.day == day.day) {
            None => listed.push(day),
            Some(last) => {
                last.first_ts = last.first_ts.min(day.first_ts);
                last.last_ts = last.last_ts.max(day.last_ts);
                last.requests += day.requests;
                last.attacks += day.attacks;
                last.denied += day.denied;
            }
        }
    }
    summary.days = listed.iter().map(|day| day.day.clone()).collect();
    (summary.user, summary.role) = (user.map(|user| user.1), role.map(|role| role.1));
    if listed.is_empty() {
        return None;
    }
    let mut by: BTreeMap<String, Vec<ValueCount>> =
        Kind::ALL.iter().map(|(_, name)| ((*name).to_owned(), Vec::new())).collect();
    let share = |count: u64| count as f64 / summary.requests.max(1) as f64;
    for ((kind, value), count) in counts {
        let name = Kind::ALL.iter().find(|entry| entry.0 == kind).map(|entry| entry.1);
        if let Some(values) = name.and_then(|name| by.get_mut(name)) {
            values.push(ValueCount { value, count, share: share(count) });
        }
    }
    for values in by.values_mut() {
        let order = |a: &ValueCount, b: &ValueCount| {
            b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value))
        };
        values.sort_by(order);
        let is_other = |value: &ValueCount| value.value == OTHER_TEXT;
        if values.iter().filter(|value| !is_other(value)).count() > MAX_VALUES {
            let (mut kept, mut other) = (0, 0);
            values.retain(|value| {
                kept += usize::from(!is_other(value));
                let is_kept = !is_other(value) && kept <= MAX_VALUES;
                other += if is_kept { 0 } else { value.count };
                is_kept
            });
            let value = OTHER_TEXT.to_owned();
            values.push(ValueCount { value, count: other, share: share(other) });
            values.sort_by(order);
        }
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
