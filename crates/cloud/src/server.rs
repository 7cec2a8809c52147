//! Start, operation and shutdown of the server.

use std::future::Future;
use std::sync::Arc;

use crate::connections::{self, Limits};
use crate::listener::{Bound, Listener};
use crate::mmdb;
use crate::retention;
use crate::routes::router;
use crate::store::{self, StoreKind};
use crate::tokens;
use api_sessions_cloud_api::api::endpoints;
use api_sessions_cloud_api::node_control::key_windows;
use api_sessions_cloud_api::state::AppState;
use api_sessions_cloud_config::address::Address;
use api_sessions_cloud_config::config::{Config, ConfigError};
use api_sessions_store::StoreError;

/// A server that is ready to serve.
pub struct Server {
    listener: Listener,
    state: AppState,
    /// Limits of connections.
    pub limits: Limits,
    /// Address it listens on.
    pub address: Address,
    /// The admin token, if this start created it.
    pub admin: Option<String>,
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store is none that we know.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address cannot be bound.
    #[error("cannot listen on {0}: {1}")]
    Listen(Address, std::io::Error),
}

impl Server {
    /// Binds the address, deletes expired days, opens the store, and creates the initial tokens.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start(config: Config) -> Result<Server, StartError> {
        let handle = tokio::runtime::Handle::current();
        let kind = StoreKind::of(&config)?;
        let no_listener = |error| StartError::Listen(config.listen.clone(), error);
        // Bind first: if another server owns the address, its data stays untouched. Connections are accepted
        // once the store is open.
        let bound = Bound::to(&config.listen, config.socket_mode).await.map_err(no_listener)?;
        let dropped = retention::before_opening(&config, kind.clone()).await;
        let store = store::open(&kind, &config.data, &handle).await?;
        let admin = {
            let (store, data) = (Arc::clone(&store), config.data.clone());
            tokio::task::spawn_blocking(move || tokens::create_initial(&*store, &data))
                .await
                .map_err(|error| StoreError::Unavailable(error.to_string()))??
        };
        let listener = bound.listen().map_err(no_listener)?;
        let address = listener.address().unwrap_or_else(|_| config.listen.clone());
        let state = AppState::new(store, config);
        state.metrics.dropped(dropped);
        mmdb::load(&state).await;
        retention::enforce(&state).await;
        Ok(Server { listener, state, limits: Limits::of_system(), address, admin })
    }

    /// The state behind all handlers.
    pub fn state(&self) -> AppState {
        self.state.clone()
    }

    /// URL of the Console; `None` if browsers reach it through a proxy of unknown address. Only the first start
    /// includes the token, since logs keep what is printed.
    pub fn console_link(&self) -> Option<String> {
        let path = match &self.admin {
            Some(token) => format!("/login?token={token}"),
            None => "/".to_owned(),
        };
        match (&self.state.config().public_url, &self.address) {
            (Some(site), _) => Some(site.url(&path)),
            (None, Address::Tcp(address)) => Some(format!("http://{address}{path}")),
            (None, Address::Unix(_)) => None,
        }
    }

    /// Serves until `stop`, then completes the requests in flight.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) {
        let state = self.state.clone();
        let cleaning = tokio::spawn(retention::run(state.clone()));
        let closing = tokio::spawn(key_windows::run(state.clone()));
        let counting = tokio::spawn(endpoints::keep_counted(state.clone()));
        let refreshing = tokio::spawn(mmdb::keep_fresh(state.clone()));
        let stopped = async move {
            stop.await;
            state.stopping.send_replace(true);
        };
        let stopping = self.state.stopping.subscribe();
        let stopper = tokio::spawn(stopped);
        connections::serve(self.listener, router(self.state), self.limits, stopping).await;
        stopper.abort();
        cleaning.abort();
        closing.abort();
        counting.abort();
        refreshing.abort();
    }
}
