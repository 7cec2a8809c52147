//! The address to listen on: TCP or a Unix-domain socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::limits::MAX_SOCKET_PATH_BYTES;

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
        let is_valid =
            path.starts_with('/') && !path.ends_with('/') && path.len() <= MAX_SOCKET_PATH_BYTES;
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
