//! Countries and networks of the addresses in a batch.

use std::net::IpAddr;

use ahash::AHashMap;
use api_sessions_ip_location::{Location, Locations};
use api_sessions_store::NewRequest;

/// Adds country and network to requests that lack them. Each address of the batch is looked up once.
pub(super) fn add(locations: &Locations, requests: &mut [NewRequest]) {
    if locations.is_empty() {
        return;
    }
    let mut known: AHashMap<IpAddr, Location> = AHashMap::new();
    for request in requests {
        let record = &mut request.record;
        let Ok(address) = record.ip.parse() else { continue };
        let found = known.entry(address).or_insert_with(|| locations.find(address));
        for (member, value) in [
            (&mut record.country, &found.country),
            (&mut record.asn, &found.asn),
            (&mut record.organisation, &found.organisation),
        ] {
            if member.is_none() {
                *member = value.clone().map(Into::into);
            }
        }
    }
}
