//! Bottom-k samples: keep the lowest of all hashes. Merging two samples yields the sample of both inputs.

use std::collections::BTreeMap;

use super::fingerprint::{Fingerprints, network_of};

/// Maximum number of entries of a sample.
pub(crate) const SAMPLED: usize = 64;
/// Maximum number of sampled clients of one network, whose `User-Agent`s anybody can make up.
pub(crate) const CLIENTS_A_NETWORK: usize = 32;
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
        let at = if is_full { self.highest } else { self.hashes.len() };
        self.put(at, hash)
    }

    /// Puts a hash into a place, in place of what is there.
    fn put(&mut self, at: usize, hash: u32) -> Option<&mut E> {
        if at == self.hashes.len() {
            self.hashes.push(hash);
            self.entries.push(E::default());
        }
        *self.hashes.get_mut(at)? = hash;
        *self.entries.get_mut(at)? = E::default();
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
        match self.highest() {
            Some(highest) => (SAMPLED as u64 - 1) * u64::from(u32::MAX) / u64::from(highest),
            None => self.hashes.len() as u64,
        }
    }

    /// The highest hash, once the sample is full.
    fn highest(&self) -> Option<u32> {
        let is_full = self.hashes.len() >= SAMPLED;
        self.hashes.get(self.highest).copied().filter(|highest| is_full && *highest > 0)
    }
}

/// Sampled clients with their values, of one network at most [`CLIENTS_A_NETWORK`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientSample(pub(crate) Lowest<Fingerprints<VALUES_A_CLIENT>>);

impl ClientSample {
    #[inline]
    pub(crate) fn add(&mut self, client: u32, value: u32) {
        if let Some(values) = self.entry(client) {
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
        if let Some(known) = self.entry(client) {
            known.merge(values);
        }
    }

    /// The entry of a client.
    #[inline]
    fn entry(&mut self, client: u32) -> Option<&mut Fingerprints<VALUES_A_CLIENT>> {
        if self.0.highest().is_some_and(|highest| client > highest) {
            return None;
        }
        match self.0.hashes.iter().position(|known| *known == client) {
            Some(at) => self.0.entries.get_mut(at),
            None => self.add_client(client),
        }
    }

    /// Adds a client. Of a network with many, the lowest are kept, so that all workers keep the same.
    #[cold]
    fn add_client(&mut self, client: u32) -> Option<&mut Fingerprints<VALUES_A_CLIENT>> {
        let of_network = || {
            let all = self.0.hashes.iter().enumerate();
            all.filter(|(_, hash)| network_of(**hash) == network_of(client))
        };
        if of_network().count() < CLIENTS_A_NETWORK {
            return self.0.entry(client, |_| true);
        }
        let (at, highest) = of_network().max_by_key(|(_, hash)| **hash)?;
        if client < *highest { self.0.put(at, client) } else { None }
    }

    /// The networks of the sample: the highest client of each, and the sorted numbers of values of its clients.
    fn networks(&self) -> Vec<(u32, Vec<u32>)> {
        let mut networks: BTreeMap<u32, (u32, Vec<u32>)> = BTreeMap::new();
        for (client, values) in self.0.iter() {
            let (highest, counts) = networks.entry(network_of(client)).or_default();
            *highest = client.max(*highest);
            counts.push(values.count());
        }
        networks
            .into_values()
            .map(|(highest, mut counts)| {
                counts.sort_unstable();
                (highest, counts)
            })
            .collect()
    }

    /// Of each network, the median of the numbers of values of its clients, in ascending order.
    pub(crate) fn network_values(&self) -> Vec<u32> {
        let median = |counts: &Vec<u32>| counts.get((counts.len() - 1) / 2).copied();
        let mut medians: Vec<u32> =
            self.networks().iter().filter_map(|(_, counts)| median(counts)).collect();
        medians.sort_unstable();
        medians
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
        let below = |highest: u32| f64::from(u32::MAX) / f64::from(highest.max(1));
        let of_all = self
            .0
            .highest()
            .map_or(1.0, |highest| (SAMPLED - 1) as f64 / SAMPLED as f64 * below(highest));
        let of_network = |(highest, counts): (u32, Vec<u32>)| {
            let count = counts.len() as f64;
            if counts.len() < CLIENTS_A_NETWORK {
                return count * of_all;
            }
            (count * of_all).max((count - 1.0) * below(highest))
        };
        self.networks().into_iter().map(of_network).sum::<f64>().round() as u64
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
