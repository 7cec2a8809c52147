//! Starting, serving, ending.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};

use crate::config::Config;
use crate::connections::{self, Limits};
use crate::retention;
use crate::routes::router;
use crate::state::AppState;
use crate::tokens;
use api_sessions_store::StoreError;

/// A server that listens but does not serve yet.
pub struct Server {
    listener: TcpListener,
    state: AppState,
    /// What connections may do.
    pub limits: Limits,
    /// Where it listens.
    pub address: SocketAddr,
    /// The first admin token, if it was made now.
    pub admin: Option<String>,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
}

/// Connections that wait to be taken.
const BACKLOG: u32 = 1024;

fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As for every server: the connections of the one before do not hold the address.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Server {
    /// Listens, deletes what is too old, opens the store, and makes the first tokens.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start(config: Config) -> Result<Server, StartError> {
        let handle = tokio::runtime::Handle::current();
        let no_listener = |error| StartError::Listen(config.listen, error);
        // First of all: where another serves already, nothing of its data is touched. Connections are taken
        // once there is an answer to give.
        let socket = bind(config.listen).map_err(no_listener)?;
        let dropped = retention::before_opening(&config).await;
        let store = api_sessions_store::open(&config.store, &config.data, &handle).await?;
        let admin = {
            let (store, data) = (Arc::clone(&store), config.data.clone());
            // Stores block.
            tokio::task::spawn_blocking(move || tokens::first(&*store, &data))
                .await
                .map_err(|error| StoreError::Unavailable(error.to_string()))??
        };
        let listener = socket.listen(BACKLOG).map_err(no_listener)?;
        let address = listener.local_addr().unwrap_or(config.listen);
        let state = AppState::new(store, config);
        state.metrics.dropped(dropped);
        retention::enforce(&state).await;
        Ok(Server { listener, state, limits: Limits::of_system(), address, admin })
    }

    /// Address of the Console. The token is in it once only, at the first start: what is printed is kept in
    /// logs.
    pub fn console_link(&self) -> String {
        match &self.admin {
            Some(token) => format!("http://{}/login?token={token}", self.address),
            None => format!("http://{}/", self.address),
        }
    }

    /// Serves until `stop`, then lets requests end, and what was taken reach the disk.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) {
        let state = self.state.clone();
        let cleaning = tokio::spawn(retention::run(state.clone()));
        let stopped = async move {
            stop.await;
            state.stopping.send_replace(true);
        };
        let stopping = self.state.stopping.subscribe();
        let stopper = tokio::spawn(stopped);
        connections::serve(self.listener, router(self.state), self.limits, stopping).await;
        stopper.abort();
        cleaning.abort();
    }
}
