//! Merges the day parts of a session, whichever engine stores them.

use std::collections::{BTreeMap, HashMap};

use crate::limits::{MAX_DETAIL_VALUES, MAX_SUMMARY_ENDPOINTS, MAX_SUMMARY_VALUES};
use crate::{SessionDay, SessionDetail, SessionSummary, ValueCount};

/// Kind of a value. The numbers are stored in the files of the
/// embedded store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Stable form of [`Kind::Ja4`]. The number is the last that is free: files have four bits for it.
    Ja4Stable = 0,
    /// Application.
    Application = 1,
    /// Host.
    Host = 2,
    /// Address of the client.
    Ip = 3,
    /// Parameter of type `user`.
    User = 4,
    /// Parameter of type `role`.
    Role = 5,
    /// Status of the response.
    Status = 6,
    /// Method of the request.
    Method = 7,
    /// Type of an attack.
    Attack = 8,
    /// Method and shape of the path.
    Endpoint = 9,
    /// `User-Agent`.
    Ua = 10,
    /// Key that found the session.
    Key = 11,
    /// Fingerprint of the TLS client.
    Ja4 = 12,
    /// Country of the client address.
    Country = 13,
    /// Autonomous system of the client address.
    Asn = 14,
    /// Organisation of that system.
    Organisation = 15,
}

impl Kind {
    /// All kinds, with their names in a session's detail.
    pub const ALL: [(Kind, &str); 16] = [
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
        (Kind::Ja4Stable, "ja4_stable"),
        (Kind::Country, "country"),
        (Kind::Asn, "asn"),
        (Kind::Organisation, "organisation"),
    ];

    /// Whether sessions can be filtered by it.
    pub const fn is_searched(self) -> bool {
        !matches!(self, Kind::Ua | Kind::Key)
    }

    /// Whether a [`SessionSummary`] has its most frequent values.
    pub const fn is_listed(self) -> bool {
        matches!(
            self,
            Kind::Ip
                | Kind::Host
                | Kind::Application
                | Kind::Attack
                | Kind::Endpoint
                | Kind::Country
                | Kind::Organisation
                | Kind::User
                | Kind::Role
                | Kind::Ja4
                | Kind::Ja4Stable
        )
    }
}

/// Placeholder for values beyond the limit.
pub const OTHER_TEXT: &str = "(other)";

/// A part of a session: its requests in a day, or in a segment of a day.
pub struct SessionPart {
    /// Its day, times and totals.
    pub day: SessionDay,
    /// The newest user, with the time of its request (ms since 1970).
    pub user: Option<(u64, String)>,
    /// The newest role, with the time of its request (ms since 1970).
    pub role: Option<(u64, String)>,
    /// Key of the newest request.
    pub key: String,
    /// Source of the newest request.
    pub source: String,
    /// Values and how many requests have each.
    pub counts: Vec<(Kind, String, u64)>,
    /// Number of its endpoints.
    pub endpoints: u64,
}

/// The later of two values; the second if their times are equal.
fn newer(a: Option<(u64, String)>, b: Option<(u64, String)>) -> Option<(u64, String)> {
    match (&a, &b) {
        (Some((a_ts, _)), Some((b_ts, _))) if a_ts > b_ts => a,
        (_, None) => a,
        _ => b,
    }
}

/// Merges the parts of a session, given by days, oldest first; `None`: there are none.
pub fn detail(session: &str, parts: Vec<SessionPart>) -> Option<SessionDetail> {
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
        if values.iter().filter(|value| !is_other(value)).count() > MAX_DETAIL_VALUES {
            let (mut kept, mut other) = (0, 0);
            values.retain(|value| {
                kept += usize::from(!is_other(value));
                let is_kept = !is_other(value) && kept <= MAX_DETAIL_VALUES;
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
            .take(MAX_SUMMARY_VALUES)
            .map(|counted| counted.value.clone())
            .collect()
    };
    summary.ips = first("ip");
    summary.countries = first("country");
    summary.organisations = first("organisation");
    summary.ja4 = first("ja4");
    summary.ja4_stable = first("ja4_stable");
    summary.users = first("user");
    summary.with_user = by.get("user").into_iter().flatten().map(|user| user.count).sum();
    summary.roles = first("role");
    summary.hosts = first("host");
    summary.applications = first("application");
    summary.attack_types = first("attack");
    let endpoints = by.get("endpoint").map(Vec::as_slice).unwrap_or_default();
    summary.endpoints = endpoints.iter().take(MAX_SUMMARY_ENDPOINTS).cloned().collect();
    summary.endpoint_count = endpoint_count.max(endpoints.len() as u64);
    Some(SessionDetail { summary, parts: listed, by, incomplete: Vec::new() })
}
