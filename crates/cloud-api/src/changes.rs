//! Changes within a session: its client, user and identifiers, and rules that fired.

use std::collections::BTreeSet;

use ahash::AHashSet;
use api_sessions_protocol::{HIDDEN, Record};
use api_sessions_session_facts::network;
use api_sessions_store::{Page, RequestQuery, Store, StoreError, StoredRequest};
use serde::Serialize;
use utoipa::ToSchema;

use crate::limits::MAX_COMPARED_REQUESTS;

/// Number of requests per page.
const PAGE: usize = 1000;

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A client network (IPv4 /24, IPv6 /48) that is new to the session.
    Network,
    /// A client country that is new to the session.
    Country,
    /// A `User-Agent` that is new to the session.
    UserAgent,
    /// A JA4 whose stable form is new to the session.
    Ja4,
    /// The first user, after requests without one.
    Login,
    /// A different user.
    User,
    /// A response issued a value that identifies the session from now on.
    Identifier,
    /// A rule fired, or refused the request.
    Rule,
}

/// A change, with the first request that shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Change {
    /// Id of the request.
    pub request: String,
    /// Its start, ms since 1970.
    pub ts: u64,
    /// What changed.
    pub kind: ChangeKind,
    /// The previous value; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The new value.
    pub after: String,
}

/// The changes of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Changes {
    /// Changes, oldest first.
    pub changes: Vec<Change>,
    /// Number of requests that were compared: the oldest ones.
    #[schema(maximum = 2000)]
    pub compared: u64,
    /// The session has more requests than were compared. Absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

/// The changes of a session.
///
/// # Errors
/// [`StoreError`]
pub fn find(store: &dyn Store, session: &str) -> Result<Changes, StoreError> {
    let mut query =
        RequestQuery { session: session.to_owned(), limit: PAGE, ..RequestQuery::default() };
    let mut seen = Seen::default();
    let mut found = Changes::default();
    let mut missing = BTreeSet::new();
    while (found.compared as usize) < MAX_COMPARED_REQUESTS {
        let Page { items, next, incomplete } = store.requests(&query)?;
        found.compared += items.len() as u64;
        items.iter().for_each(|request| seen.compare(request, &mut found.changes));
        missing.extend(incomplete);
        found.is_cut = next.is_some();
        query.cursor = next;
        if query.cursor.is_none() {
            break;
        }
    }
    found.incomplete = missing.into_iter().collect();
    Ok(found)
}

/// Values of the requests so far.
#[derive(Default)]
struct Seen {
    networks: Values,
    countries: Values,
    user_agents: Values,
    ja4: Values,
    user: Option<String>,
    has_requests: bool,
}

#[derive(Default)]
struct Values {
    all: AHashSet<String>,
    last: Option<String>,
}

impl Values {
    /// Adds a value. Returns the previous one if this one is new and not the first. Values with the same `part` are
    /// equal.
    fn compare(&mut self, part: &str, value: String) -> Option<String> {
        let is_new = self.all.insert(part.to_owned());
        self.last.replace(value).filter(|_| is_new)
    }
}

impl Seen {
    fn compare(&mut self, request: &StoredRequest, found: &mut Vec<Change>) {
        let record: &Record<'_> = &request.record;
        let mut add = |kind, before: Option<String>, after: &str| {
            found.push(Change {
                request: record.id.to_string(),
                ts: record.ts,
                kind,
                before,
                after: after.to_owned(),
            });
        };
        let after = network(&record.ip);
        if let Some(before) = self.networks.compare(&after, after.clone()) {
            add(ChangeKind::Network, Some(before), &after);
        }
        for (kind, seen, value) in [
            (ChangeKind::Country, &mut self.countries, &record.country),
            (ChangeKind::UserAgent, &mut self.user_agents, &record.ua),
        ] {
            if let Some(value) = value
                && let Some(before) = seen.compare(value, value.to_string())
            {
                add(kind, Some(before), value);
            }
        }
        if let Some(ja4) = record.ja4.as_deref().filter(|ja4| *ja4 != HIDDEN)
            && let stable = record.ja4_stable.as_deref().filter(|stable| *stable != HIDDEN)
            && let part = stable.map_or_else(|| version_and_ciphers(ja4), str::to_owned)
            && let Some(before) = self.ja4.compare(&part, ja4.to_owned())
        {
            add(ChangeKind::Ja4, Some(before), ja4);
        }
        if let Some(user) = record.user.as_deref()
            && self.user.as_deref() != Some(user)
        {
            match self.user.replace(user.to_owned()) {
                Some(before) => add(ChangeKind::User, Some(before), user),
                // A session that begins with a user has no login to report.
                None if self.has_requests => add(ChangeKind::Login, None, user),
                None => {}
            }
        }
        let issued = record.links.iter().filter(|link| link.reason != "demoted");
        issued.for_each(|link| add(ChangeKind::Identifier, None, &link.session));
        record.rules.iter().for_each(|rule| add(ChangeKind::Rule, None, &rule.name));
        self.has_requests = true;
    }
}

/// Stands in for the stable form, which records of older nodes lack: transport, TLS version, presence of SNI, and
/// number and hash of the ciphers. Text that is not JA4 is returned unchanged.
fn version_and_ciphers(ja4: &str) -> String {
    let mut parts = ja4.split('_');
    match (parts.next().and_then(|first| first.get(..6)), parts.next(), parts.next()) {
        (Some(version), Some(ciphers), Some(_)) => format!("{version}_{ciphers}"),
        _ => ja4.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use api_sessions_protocol::{RuleHit, SessionLink};

    use super::*;

    fn request(
        id: &'static str,
        ip: &'static str,
        ua: &'static str,
        user: &'static str,
    ) -> StoredRequest {
        let record = Record {
            id: id.into(),
            ip: ip.into(),
            ua: Some(ua.into()),
            user: Some(user.into()).filter(|_| !user.is_empty()),
            ..Record::default()
        };
        StoredRequest { record, endpoint: String::new(), has_content: false }
    }

    fn changes(requests: &[StoredRequest]) -> Vec<(String, ChangeKind, Option<String>, String)> {
        let (mut seen, mut found) = (Seen::default(), Vec::new());
        requests.iter().for_each(|request| seen.compare(request, &mut found));
        found.into_iter().map(|one| (one.request, one.kind, one.before, one.after)).collect()
    }

    #[test]
    fn what_is_new_is_a_change_and_what_was_there_before_is_none() {
        let mut last = request("6", "192.0.2.1", "a", "bob");
        last.record.rules =
            vec![RuleHit { name: "walk".into(), count: 1, then: "mark".into(), enforced: true }];
        let link = |session: &'static str, reason: &'static str| SessionLink {
            session: session.into(),
            reason: reason.into(),
        };
        last.record.links = vec![link("x", "login"), link("y", "demoted")];
        let mut third = request("3", "2001:db8::1", "b", "ann");
        last.record.country = Some("DE".into());
        third.record.country = Some("FR".into());
        let mut first = request("1", "192.0.2.1", "a", "");
        first.record.country = Some("DE".into());
        let found = changes(&[
            first,
            request("2", "192.0.2.200", "a", "ann"),
            third,
            // Back and forth between known values.
            request("4", "192.0.2.9", "a", ""),
            request("5", "2001:db8:0:7::1", "b", "ann"),
            last,
        ]);
        let of = |id: &str, kind, before: Option<&str>, after: &str| {
            (id.to_owned(), kind, before.map(str::to_owned), after.to_owned())
        };
        assert_eq!(
            found,
            [
                of("2", ChangeKind::Login, None, "ann"),
                of("3", ChangeKind::Network, Some("192.0.2.0/24"), "2001:db8::/48"),
                of("3", ChangeKind::Country, Some("DE"), "FR"),
                of("3", ChangeKind::UserAgent, Some("a"), "b"),
                of("6", ChangeKind::User, Some("ann"), "bob"),
                of("6", ChangeKind::Identifier, None, "x"),
                of("6", ChangeKind::Rule, None, "walk"),
            ]
        );
        assert!(changes(&[request("1", "no address", "a", "ann")]).is_empty());
    }

    #[test]
    fn a_resumed_handshake_was_a_change_of_ja4() {
        let of = |ja4: &'static str| {
            let mut request = request("a", "192.0.2.1", "ua", "");
            request.record.ja4 = Some(ja4.into());
            request
        };
        let requests = [
            of("t13d1516h2_8daaf6152771_02713d6af862"),
            // Resumption, then another ALPN protocol.
            of("t13d1517h2_8daaf6152771_b0da82dd1658"),
            of("t13d1516h1_8daaf6152771_02713d6af862"),
            of("[hidden]"),
            of("t13d3112h2_e8f1e7e78f70_375ca2c5e164"),
            of("of a CDN"),
        ];
        let mut requests = requests.to_vec();
        // The stable form takes precedence.
        for (ja4, stable) in [("x", "same"), ("y", "same"), ("z", "other")] {
            let mut request = of(ja4);
            request.record.ja4_stable = Some(stable.into());
            requests.push(request);
        }
        let kinds: Vec<_> =
            changes(&requests).into_iter().map(|change| (change.1, change.3)).collect();
        let expected = ["t13d3112h2_e8f1e7e78f70_375ca2c5e164", "of a CDN", "x", "z"]
            .map(|after| (ChangeKind::Ja4, after.to_owned()));
        assert_eq!(kinds, expected);
    }
}
