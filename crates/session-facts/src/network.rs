//! The network of an address.

use std::net::IpAddr;

use ipnet::IpNet;

/// The network of an address: IPv4 /24 or IPv6 /48. Text that is not an address is returned as it is.
pub fn network(ip: &str) -> String {
    let Ok(address) = ip.parse::<IpAddr>() else { return ip.to_owned() };
    let bits = if address.is_ipv4() { 24 } else { 48 };
    IpNet::new(address, bits).map_or_else(|_| ip.to_owned(), |network| network.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_ipv4_24_or_an_ipv6_48() {
        assert_eq!(network("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(network("2001:db8:1:2::3"), "2001:db8:1::/48");
        assert_eq!(network("unix:"), "unix:");
    }
}
