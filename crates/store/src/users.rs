//! What users did in sessions.

use std::collections::{BTreeMap, BTreeSet};

use crate::StoredRequest;

/// The requests of one user in one session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserPart {
    /// Session id.
    pub session: String,
    /// The user.
    pub user: String,
    /// Number of requests.
    pub requests: u64,
    /// Number of malicious requests.
    pub attacks: u64,
    /// Number of denied requests.
    pub denied: u64,
    /// Start of the oldest request, ms since 1970.
    pub first_ts: u64,
    /// Start of the newest request, ms since 1970.
    pub last_ts: u64,
    /// Client addresses.
    pub ips: BTreeSet<String>,
}

/// The parts of a session's users, by the name of the user; requests without a user are skipped.
pub fn parts(session: &str, requests: &[StoredRequest]) -> Vec<UserPart> {
    let mut by_user: BTreeMap<&str, UserPart> = BTreeMap::new();
    for StoredRequest { record, .. } in requests {
        let Some(user) = record.user.as_deref() else { continue };
        let part = by_user.entry(user).or_insert_with(|| UserPart {
            session: session.to_owned(),
            user: user.to_owned(),
            first_ts: u64::MAX,
            ..UserPart::default()
        });
        part.requests += 1;
        part.attacks += u64::from(!record.attacks.is_empty());
        part.denied += u64::from(record.denied);
        part.first_ts = part.first_ts.min(record.ts);
        part.last_ts = part.last_ts.max(record.ts);
        part.ips.insert(record.ip.clone().into_owned());
    }
    by_user.into_values().collect()
}
