//! Bottom-k samples: keep the lowest of all hashes. Merging two samples yields the sample of both inputs.

use super::fingerprint::Fingerprints;

/// Maximum number of entries of a sample.
pub(crate) const SAMPLED: usize = 64;
/// Maximum number of distinct values that are counted per sampled client.
pub(crate) const VALUES_A_CLIENT: usize = 16;
/// Maximum number of distinct clients that are counted per sampled value.
pub(crate) const CLIENTS_A_VALUE: usize = 16;
/// Maximum number of distinct users that are counted per sampled value.
pub(crate) const USERS_A_VALUE: usize = 4;
/// Maximum number of sampled values that only one client has, so that a client cannot fill the sample.
const VALUES_OF_ONE_CLIENT: usize = 2;
/// Number of networks at once that indicates a shared value.
pub(crate) const NETWORKS_AT_ONCE: usize = 3;
/// Number of moments in which the networks of a value are recorded.
const MOMENTS: usize = 4;

/// The lowest hashes, each with an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lowest<E> {
    hashes: Vec<u32>,
    entries: Vec<E>,
    /// Index of the highest hash, once the sample is full.
    highest: usize,
}

impl<E> Default for Lowest<E> {
    fn default() -> Self {
        Self { hashes: Vec::new(), entries: Vec::new(), highest: 0 }
    }
}

impl<E: Default> Lowest<E> {
    /// The entry of a hash that is in the sample, or that is added because it is low enough and `may_add`
    /// returns true.
    #[inline]
    pub(crate) fn entry(
        &mut self,
        hash: u32,
        may_add: impl FnOnce(&[E]) -> bool,
    ) -> Option<&mut E> {
        let is_full = self.hashes.len() >= SAMPLED;
        if is_full && self.hashes.get(self.highest).is_some_and(|highest| hash > *highest) {
            return None;
        }
        if let Some(at) = self.hashes.iter().position(|known| *known == hash) {
            return self.entries.get_mut(at);
        }
        if !may_add(&self.entries) {
            return None;
        }
        let at = if is_full {
            let at = self.highest;
            *self.hashes.get_mut(at)? = hash;
            *self.entries.get_mut(at)? = E::default();
            at
        } else {
            self.hashes.push(hash);
            self.entries.push(E::default());
            self.hashes.len() - 1
        };
        if self.hashes.len() >= SAMPLED {
            let highest = self.hashes.iter().enumerate().max_by_key(|(_, hash)| **hash);
            self.highest = highest.map_or(0, |(at, _)| at);
        }
        self.entries.get_mut(at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &E)> {
        self.hashes.iter().copied().zip(&self.entries)
    }

    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Estimated number of distinct hashes.
    pub(crate) fn estimate(&self) -> u64 {
        match self.hashes.get(self.highest) {
            Some(highest) if self.hashes.len() >= SAMPLED && *highest > 0 => {
                (SAMPLED as u64 - 1) * u64::from(u32::MAX) / u64::from(*highest)
            }
            _ => self.hashes.len() as u64,
        }
    }
}

/// Sampled clients with their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientSample(pub(crate) Lowest<Fingerprints<VALUES_A_CLIENT>>);

impl ClientSample {
    #[inline]
    pub(crate) fn add(&mut self, client: u32, value: u32) {
        if let Some(values) = self.0.entry(client, |_| true) {
            values.add(value);
        }
    }

    /// Adds another sample.
    pub fn merge(&mut self, other: &Self) {
        for (client, values) in other.0.iter() {
            self.add_all(client, values.as_slice());
        }
    }

    pub(crate) fn add_all(&mut self, client: u32, values: &[u32]) {
        if let Some(known) = self.0.entry(client, |_| true) {
            known.merge(values);
        }
    }

    /// Number of clients in the sample.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the sample is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Estimated number of clients.
    pub fn estimate(&self) -> u64 {
        self.0.estimate()
    }

    /// Numbers of values per client, in ascending order.
    pub(crate) fn values(&self) -> Vec<u32> {
        let mut counts: Vec<u32> = self.0.iter().map(|(_, values)| values.count()).collect();
        counts.sort_unstable();
        counts
    }

    /// Number of sampled clients that have the value.
    pub(crate) fn with(&self, value: u32) -> usize {
        self.0.iter().filter(|(_, values)| values.as_slice().contains(&value)).count()
    }
}

/// Networks of a value in a moment, a short interval of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) number: u32,
    pub(crate) len: u8,
    pub(crate) networks: [u32; NETWORKS_AT_ONCE],
}

impl Moment {
    pub(crate) fn add(&mut self, network: u32) {
        let len = usize::from(self.len);
        if self.networks.iter().take(len).any(|known| *known == network) {
            return;
        }
        if let Some(free) = self.networks.get_mut(len) {
            *free = network;
            self.len += 1;
        }
    }
}

/// Facts about a sampled value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) requests: u64,
    pub(crate) clients: Fingerprints<CLIENTS_A_VALUE>,
    pub(crate) users: Fingerprints<USERS_A_VALUE>,
    /// The first endpoint; 0 if none.
    pub(crate) endpoint: u32,
    /// Whether it was seen at other endpoints.
    pub(crate) has_other_endpoints: bool,
    moments: [Moment; MOMENTS],
}

impl Value {
    pub(crate) fn add_endpoint(&mut self, endpoint: u32) {
        match self.endpoint {
            0 => self.endpoint = endpoint,
            known => self.has_other_endpoints |= known != endpoint,
        }
    }

    /// Keeps the moments with the lowest ranks, so that all workers keep the same.
    pub(crate) fn add_network(&mut self, moment: u32, network: u32) {
        if let Some(known) = self.moments.iter_mut().find(|known| known.number == moment) {
            known.add(network);
            return;
        }
        let rank = |moment: &Moment| match moment.number {
            0 => u32::MAX,
            number => number.wrapping_mul(0x9e37_79b9),
        };
        let new = Moment { number: moment, ..Moment::default() };
        let highest = self.moments.iter_mut().max_by_key(|moment| rank(moment));
        if let Some(highest) = highest.filter(|highest| rank(&new) < rank(highest)) {
            *highest = new;
            highest.add(network);
        }
    }

    pub(crate) fn moments(&self) -> impl Iterator<Item = &Moment> {
        self.moments.iter().filter(|moment| moment.number != 0)
    }

    /// Number of moments in which the value was in several networks at once.
    pub(crate) fn moments_at_once(&self) -> usize {
        self.moments().filter(|moment| usize::from(moment.len) >= NETWORKS_AT_ONCE).count()
    }
}

/// Sampled values with their facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ValueSample(pub(crate) Lowest<Value>);

impl ValueSample {
    /// The entry of a value that `client` has sent.
    #[inline]
    pub(crate) fn entry(&mut self, value: u32, client: u32) -> Option<&mut Value> {
        self.0.entry(value, |entries| {
            let of_client = |entry: &&Value| entry.clients.as_slice() == [client];
            entries.iter().filter(of_client).take(VALUES_OF_ONE_CLIENT).count()
                < VALUES_OF_ONE_CLIENT
        })
    }
}
