//! Client addresses as session values.

use std::io::Write;
use std::net::Ipv6Addr;

/// Writes an address as sessions use it: IPv6 as its /64, such as `2001:db8:1:2::/64`, since a household or host has at
/// least that; IPv4-mapped addresses as IPv4; anything else unchanged.
pub(super) fn write_counted(address: &[u8], out: &mut Vec<u8>) {
    let parsed = if address.contains(&b':') {
        std::str::from_utf8(address).ok().and_then(|text| text.parse::<Ipv6Addr>().ok())
    } else {
        None
    };
    match parsed {
        // ::ffff:192.0.2.1: an IPv4 client on an IPv6 socket.
        Some(address) => match address.to_ipv4_mapped() {
            Some(address) => _ = write!(out, "{address}"),
            None => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                _ = write!(out, "{}/64", Ipv6Addr::from(network));
            }
        },
        None => out.extend_from_slice(address),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_ipv6_address_counts_by_its_64() {
        for (address, counted) in [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:DB8::1", "2001:db8::/64"),
            ("::1", "::/64"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("unix:", "unix:"),
        ] {
            let mut out = Vec::new();
            super::write_counted(address.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), counted);
        }
    }
}
