//! Facts about one key of an application in a window.

use serde::{Deserialize, Serialize};

use super::sample::{ClientSample, Lowest, ValueSample};

/// Kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A key of the operator.
    Own,
    /// A key of the built-in set.
    Builtin,
    /// Seen in the traffic, but no key reads it.
    Candidate,
    /// Address and `User-Agent`, with or without JA4.
    IpUa,
    /// Address.
    Ip,
}

impl Kind {
    /// Its name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Own => "own",
            Kind::Builtin => "builtin",
            Kind::Candidate => "candidate",
            Kind::IpUa => "ip_ua",
            Kind::Ip => "ip",
        }
    }
}

/// Properties of a request, as fingerprints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Address (/24 or /48) and `User-Agent`.
    pub client: u32,
    /// Address (/24 or /48).
    pub network: u32,
    /// Number of the moment, a short interval of time; not 0.
    pub moment: u32,
    /// User; 0 if unknown.
    pub user: u32,
    /// Endpoint.
    pub endpoint: u32,
}

/// Facts about one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFacts {
    /// Requests that have the key.
    pub present: u64,
    /// Requests whose session it decided.
    pub decided: u64,
    /// Responses that set it.
    pub issued: u64,
    /// Responses that set it to the value of the request.
    pub kept: u64,
    pub(crate) distinct: Lowest<()>,
    /// Sampled clients.
    pub clients: ClientSample,
    pub(crate) values: ValueSample,
}

impl KeyFacts {
    /// Adds a request that has the key.
    #[inline]
    pub fn add(&mut self, seen: &Seen, value: u32) {
        self.present += 1;
        self.distinct.entry(value, |_| true);
        self.clients.add(seen.client, value);
        if let Some(entry) = self.values.entry(value, seen.client) {
            entry.requests += 1;
            entry.clients.add(seen.client);
            if seen.user != 0 {
                entry.users.add(seen.user);
            }
            entry.add_endpoint(seen.endpoint);
            entry.add_network(seen.moment, seen.network);
        }
    }

    /// Adds the facts of another worker.
    pub fn merge(&mut self, other: &Self) {
        self.present += other.present;
        self.decided += other.decided;
        self.issued += other.issued;
        self.kept += other.kept;
        for (value, ()) in other.distinct.iter() {
            self.distinct.entry(value, |_| true);
        }
        self.clients.merge(&other.clients);
        // Values with many clients first: values of a single client must not keep them out.
        let mut values: Vec<_> = other.values.0.iter().collect();
        values.sort_unstable_by_key(|(value, entry)| {
            (std::cmp::Reverse(entry.clients.count()), *value)
        });
        for (value, new) in values {
            let client = new.clients.as_slice().first().copied().unwrap_or_default();
            let Some(entry) = self.values.entry(value, client) else { continue };
            entry.requests += new.requests;
            entry.clients.merge(new.clients.as_slice());
            entry.users.merge(new.users.as_slice());
            if new.endpoint != 0 {
                entry.add_endpoint(new.endpoint);
            }
            entry.has_other_endpoints |= new.has_other_endpoints;
            for moment in new.moments() {
                moment
                    .networks
                    .iter()
                    .take(moment.len.into())
                    .for_each(|network| entry.add_network(moment.number, *network));
            }
        }
    }

    /// Estimated number of sessions that the key makes, or would make.
    pub fn sessions(&self) -> u64 {
        self.distinct.estimate()
    }
}
