//! Starting, serving, ending.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::config::Config;
use crate::retention;
use crate::router::router;
use crate::state::AppState;
use crate::store::{self, StoreError};
use crate::tokens;

/// How long requests may go on once the server is to end.
const GRACE: Duration = Duration::from_secs(10);

/// A server that listens but does not serve yet.
pub struct Server {
    listener: TcpListener,
    state: AppState,
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

impl Server {
    /// Opens the store, makes the first tokens, deletes what is too old, and listens.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start(config: Config) -> Result<Server, StartError> {
        let handle = tokio::runtime::Handle::current();
        let store = store::open(&config.store, &config.data, &handle).await?;
        let admin = {
            let (store, data) = (Arc::clone(&store), config.data.clone());
            // Stores block.
            tokio::task::spawn_blocking(move || tokens::first(&*store, &data))
                .await
                .map_err(|error| StoreError::Unavailable(error.to_string()))??
        };
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|error| StartError::Listen(config.listen, error))?;
        let address = listener.local_addr().unwrap_or(config.listen);
        let state = AppState::new(store, config);
        retention::enforce(&state).await;
        Ok(Server { listener, state, address, admin })
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
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let state = self.state.clone();
        let cleaning = tokio::spawn(retention::run(state.clone()));
        let stopped = async move {
            stop.await;
            state.stopping.send_replace(true);
        };
        let mut stopping = self.state.stopping.subscribe();
        let serving =
            axum::serve(self.listener, router(self.state)).with_graceful_shutdown(stopped);
        let late = async move {
            let _ = stopping.wait_for(|stopping| *stopping).await;
            tokio::time::sleep(GRACE).await;
        };
        let result = tokio::select! {
            result = serving.into_future() => result,
            () = late => {
                tracing::warn!("requests were still running and are cut");
                Ok(())
            }
        };
        cleaning.abort();
        result
    }
}
