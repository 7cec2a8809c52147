//! What the server listens on: a TCP address or a Unix-domain socket.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixSocket, UnixStream};
use tokio::time::timeout;

use api_sessions_cloud_config::address::Address;
use api_sessions_cloud_config::site::Peer;

/// Maximum number of connections waiting to be accepted.
const BACKLOG: u32 = 1024;

/// Longest wait when probing a socket that already exists.
const PROBE: Duration = Duration::from_secs(1);

/// A bound address. Connections are accepted after [`Bound::listen`].
pub enum Bound {
    /// TCP.
    Tcp(TcpSocket),
    /// Unix-domain socket. Already listening, so that another starting server does not consider it stale.
    Unix(UnixListener, SocketFile),
}

impl Bound {
    /// Binds an address. A Unix-domain socket gets `mode`; an existing one is replaced if nothing listens on it.
    ///
    /// # Errors
    /// The address is in use, or the operating system refuses it.
    pub async fn to(address: &Address, mode: u32) -> Result<Bound> {
        match address {
            Address::Tcp(address) => {
                let socket = match address {
                    SocketAddr::V4(_) => TcpSocket::new_v4(),
                    SocketAddr::V6(_) => TcpSocket::new_v6(),
                }?;
                // Connections of a previous process in TIME_WAIT do not block the address.
                socket.set_reuseaddr(true)?;
                socket.bind(*address)?;
                Ok(Bound::Tcp(socket))
            }
            Address::Unix(path) => {
                // Of several starting servers, only one may replace a stale socket.
                let dir = path.parent().map(std::fs::File::open).transpose()?;
                if let Some(dir) = &dir {
                    flock(dir, FlockOperation::LockExclusive)?;
                }
                remove_stale(path).await?;
                let socket = UnixSocket::new_stream()?;
                socket.bind(path)?;
                let file = SocketFile::at(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
                Ok(Bound::Unix(socket.listen(BACKLOG)?, file))
            }
        }
    }

    /// Starts to accept connections.
    ///
    /// # Errors
    /// The operating system refuses it.
    pub fn listen(self) -> Result<Listener> {
        match self {
            Bound::Tcp(socket) => socket.listen(BACKLOG).map(Listener::Tcp),
            Bound::Unix(listener, file) => Ok(Listener::Unix(listener, file)),
        }
    }
}

/// Removes a socket on which nothing listens.
async fn remove_stale(path: &Path) -> Result<()> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(Error::new(ErrorKind::AlreadyExists, "the file exists and is no socket"));
    }
    match timeout(PROBE, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        // A full backlog (EAGAIN) or an unreadable socket may be in use.
        _ => Err(Error::new(ErrorKind::AddrInUse, "another process listens on it")),
    }
}

/// The file of a Unix-domain socket. Removed on drop, unless another server has replaced it.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> Result<SocketFile> {
        Ok(SocketFile { path: path.to_owned(), id: id_of(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if id_of(&self.path).is_ok_and(|id| id == self.id) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Device and inode of a file.
fn id_of(path: &Path) -> Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Accepts connections.
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix-domain socket.
    Unix(UnixListener, SocketFile),
}

/// A connection of a client.
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// Unix-domain socket.
    Unix(UnixStream),
}

impl Listener {
    /// The next connection and its client.
    ///
    /// # Errors
    /// As accept(2).
    pub async fn accept(&self) -> Result<(Stream, Peer)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Peer::Ip(peer.ip())))
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), Peer::Unix))
            }
        }
    }

    /// The address, with the port that the operating system chose for port 0.
    ///
    /// # Errors
    /// As getsockname(2).
    pub fn address(&self) -> Result<Address> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Listener::Unix(_, file) => Ok(Address::Unix(file.path.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn bind(path: &Path) -> Result<Listener> {
        Bound::to(&Address::Unix(path.to_owned()), 0o660).await?.listen()
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_used_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        // std's listener leaves its file behind, as a killed process does.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let first = bind(&path).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        let error = bind(&path).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(UnixStream::connect(&path).await.is_ok(), "the first one still listens");
        drop(first);
        assert!(!path.exists(), "a clean shutdown removes it");
    }

    #[tokio::test]
    async fn a_file_in_the_place_of_the_socket_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        std::fs::write(&path, "precious").unwrap();
        assert!(bind(&path).await.err().unwrap().to_string().contains("no socket"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_server_that_stops_keeps_the_socket_of_its_successor() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let old = bind(&path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let _new = bind(&path).await.unwrap();
        drop(old);
        assert!(path.exists());
    }
}
