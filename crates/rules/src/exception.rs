//! Exceptions from rules.

use std::net::IpAddr;

/// A client that is never counted or refused by a rule.
#[derive(Clone)]
pub enum Exception {
    /// Address and prefix length of a network. IPv4 as `::ffff:a.b.c.d`.
    Network(u128, u32),
    /// A user.
    User(Box<[u8]>),
    /// A role.
    Role(Box<[u8]>),
}

impl Exception {
    /// Parses a word of the directive.
    ///
    /// # Errors
    /// The invalid word and what is accepted.
    pub fn parse(word: &str) -> Result<Self, String> {
        let invalid = || {
            format!(
                "invalid value \"{word}\": an address, a network as in \"192.0.2.0/24\", \"user=\" or \"role=\" is accepted"
            )
        };
        match word.split_once('=') {
            Some(("user", value)) if !value.is_empty() => {
                return Ok(Self::User(value.as_bytes().into()));
            }
            Some(("role", value)) if !value.is_empty() => {
                return Ok(Self::Role(value.as_bytes().into()));
            }
            Some(_) => return Err(invalid()),
            None => {}
        }
        let (address, bits) = match word.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| invalid())?)),
            None => (word, None),
        };
        let (address, most) = match address.parse::<IpAddr>().map_err(|_| invalid())? {
            IpAddr::V4(address) => (u128::from(address.to_ipv6_mapped()), 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return Err(invalid());
        }
        Ok(Self::Network(address, 128 - most + bits))
    }

    /// Whether the address has bits after the prefix, as in `192.0.2.1/24`.
    pub fn has_low_bits(&self) -> bool {
        matches!(self, Self::Network(address, bits) if address & !mask(*bits) != 0)
    }

    /// Whether a request is exempt.
    pub fn covers(&self, ip: u128, user: &[u8], role: &[u8]) -> bool {
        match self {
            Self::Network(address, bits) => (ip ^ address) & mask(*bits) == 0,
            Self::User(value) => **value == *user,
            Self::Role(value) => **value == *role,
        }
    }
}

/// Mask of the first bits of an address.
fn mask(bits: u32) -> u128 {
    u128::MAX.checked_shl(128 - bits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(word: &str, address: &str) -> bool {
        let ip = match address.parse::<IpAddr>().unwrap() {
            IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
            IpAddr::V6(address) => u128::from(address),
        };
        Exception::parse(word).unwrap().covers(ip, b"anna", b"admin")
    }

    #[test]
    fn networks_users_and_roles_are_excepted() {
        for (word, address, expected) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("::/0", "192.0.2.1", true),
            ("user=anna", "192.0.2.1", true),
            ("user=bob", "192.0.2.1", false),
            ("role=admin", "192.0.2.1", true),
        ] {
            assert_eq!(covers(word, address), expected, "{word} {address}");
        }
    }

    #[test]
    fn low_bits_of_a_network_are_seen() {
        for (word, expected) in [
            ("10.0.0.1/8", true),
            ("10.0.0.0/8", false),
            ("10.0.0.1", false),
            ("10.0.0.1/32", false),
            ("192.0.2.129/25", true),
            ("192.0.2.128/25", false),
            ("127.0.0.1/0", true),
            ("0.0.0.0/0", false),
            ("2001:db8::1/32", true),
            ("2001:db8::/32", false),
            ("::/0", false),
            ("user=10.0.0.1/8", false),
        ] {
            assert_eq!(Exception::parse(word).unwrap().has_low_bits(), expected, "{word}");
        }
    }

    #[test]
    fn a_message_names_the_word() {
        for word in ["", "192.0.2.0/33", "2001:db8::/129", "user=", "name=x", "192.0.2"] {
            let Err(message) = Exception::parse(word) else { panic!("{word}") };
            assert!(message.contains(&format!("\"{word}\"")), "{message}");
        }
    }
}
