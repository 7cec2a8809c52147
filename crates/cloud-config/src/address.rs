//! The address to listen on: TCP or a Unix-domain socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Maximum length of a socket path in bytes (unix(7)).
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
    /// The socket at `path`, the part after `unix:`. `None` unless it is an absolute path of at most 107 bytes without
    /// a trailing slash.
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
