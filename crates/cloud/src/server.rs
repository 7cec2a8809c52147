//! Start, operation and shutdown of the server.

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

/// A server that is ready to serve.
pub struct Server {
    listener: TcpListener,
    state: AppState,
    /// Limits of connections.
    pub limits: Limits,
    /// Address it listens on.
    pub address: SocketAddr,
    /// The admin token, if this start created it.
    pub admin: Option<String>,
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address cannot be bound.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
}

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of a previous process in TIME_WAIT do not block the address.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Server {
    /// Binds the address, deletes expired days, opens the store, and creates the initial tokens.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start(config: Config) -> Result<Server, StartError> {
        let handle = tokio::runtime::Handle::current();
        let no_listener = |error| StartError::Listen(config.listen, error);
        // Bind first: if another server owns the address, its data stays untouched. Connections are accepted
        // once the store is open.
        let socket = bind(config.listen).map_err(no_listener)?;
        let dropped = retention::before_opening(&config).await;
        let store = api_sessions_store::open(&config.store, &config.data, &handle).await?;
        let admin = {
            let (store, data) = (Arc::clone(&store), config.data.clone());
            tokio::task::spawn_blocking(move || tokens::create_initial(&*store, &data))
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

    /// URL of the Console. Only the first start includes the token, since logs keep what is printed.
    pub fn console_link(&self) -> String {
        let url = |path: &str| match &self.state.config.public_url {
            Some(site) => site.url(path),
            None => format!("http://{}{path}", self.address),
        };
        match &self.admin {
            Some(token) => url(&format!("/login?token={token}")),
            None => url("/"),
        }
    }

    /// Serves until `stop`, then completes the requests in flight.
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
