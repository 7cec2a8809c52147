//! What the server listens on: a TCP address or a Unix-domain socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Longest path of a socket, bytes (unix(7)).
const MAX_PATH: usize = 107;

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// IP address and port.
    Tcp(SocketAddr),
    /// Path of a Unix-domain socket.
    Unix(PathBuf),
}

impl Address {
    /// Parses what follows `unix:`.
    pub fn unix(path: &str) -> Option<Address> {
        let is_valid = path.starts_with('/') && !path.ends_with('/') && path.len() <= MAX_PATH;
        is_valid.then(|| Address::Unix(PathBuf::from(path)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
