//! State shared by all request handlers.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::{Semaphore, watch};

use crate::endpoint_pages::EndpointPages;
use crate::error::AppError;
use crate::ingest::baseline::Baseline;
use crate::ingest::cut_batches::CutBatches;
use crate::ingest::memory_budget::MemoryBudget;
use crate::limits::MAX_CONCURRENT_LISTS;
use crate::metrics::Metrics;
use crate::node_control::denials::{Denials, Denied};
use crate::node_control::registry::NodeRegistry;
use api_sessions_cloud_config::config::Config;
use api_sessions_cloud_keys::Keys;
use api_sessions_ip_location::Locations;
use api_sessions_session_facts::{Normals, Scores};
use api_sessions_store::clock::now_ms;
use api_sessions_store::{FreshClaim, FreshLinks, Store, StoreError};

/// Longest wait of a list query for its turn.
const LIST_WAIT: Duration = Duration::from_secs(30);

/// Shared by all handlers.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// The state behind [`AppState`].
pub struct Inner {
    /// The store.
    pub store: Arc<dyn Store>,
    config: RwLock<Arc<Config>>,
    /// Metrics.
    pub metrics: Metrics,
    /// Nodes that sync.
    pub nodes: NodeRegistry,
    /// The denylist as sent to nodes.
    pub denials: Denials,
    /// Links that nodes have reported recently, for the other nodes.
    pub fresh_links: FreshLinks,
    /// Wakes long polls that wait for these links.
    pub linked: watch::Sender<()>,
    /// Baselines of endpoints.
    pub baseline: Baseline,
    /// Facts of session keys.
    pub keys: Keys,
    /// Normal values of sessions.
    pub normals: Normals,
    /// Scores of the sessions of lists.
    pub scores: Scores,
    /// Pages of endpoints that took long.
    pub endpoint_pages: EndpointPages,
    /// Countries and networks of addresses.
    pub locations: Locations,
    /// Truncated batches.
    pub cut_batches: CutBatches,
    /// Wakes long polls after a change of what nodes apply.
    pub changed: watch::Sender<()>,
    /// `true` once the server shuts down.
    pub stopping: watch::Sender<bool>,
    /// Memory budget of ingest.
    pub memory: MemoryBudget,
    /// Permit for trying rules and keys on stored requests.
    pub trials: Arc<Semaphore>,
    /// Permits for session-list queries.
    lists: Arc<Semaphore>,
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl AppState {
    /// The state of a server with this store.
    pub fn new(store: Arc<dyn Store>, config: Config) -> AppState {
        AppState(Arc::new(Inner {
            store,
            config: RwLock::new(Arc::new(config)),
            metrics: Metrics::default(),
            nodes: NodeRegistry::default(),
            denials: Denials::default(),
            fresh_links: FreshLinks::default(),
            linked: watch::Sender::new(()),
            baseline: Baseline::default(),
            keys: Keys::default(),
            normals: Normals::default(),
            scores: Scores::default(),
            endpoint_pages: EndpointPages::default(),
            locations: Locations::default(),
            cut_batches: CutBatches::default(),
            changed: watch::Sender::new(()),
            stopping: watch::Sender::new(false),
            memory: MemoryBudget::default(),
            trials: Arc::new(Semaphore::new(1)),
            lists: Arc::new(Semaphore::new(MAX_CONCURRENT_LISTS)),
        }))
    }

    /// A state that keeps pages of endpoints of any size.
    #[cfg(test)]
    pub(crate) fn keeping_all_pages(store: Arc<dyn Store>) -> AppState {
        let config = Config::load(api_sessions_cloud_config::options::Options::default()).unwrap();
        let mut state = AppState::new(store, config);
        Arc::get_mut(&mut state.0).unwrap().endpoint_pages = EndpointPages::keeping(0);
        state
    }

    /// The configuration.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read())
    }

    /// Replaces the configuration.
    pub fn set_config(&self, config: Config) {
        *self.config.write() = Arc::new(config);
    }

    /// The initial ingest token, if its file still exists. Only to be shown to an admin.
    pub fn ingest_token(&self) -> Option<String> {
        let path = self.config().data.join("ingest.token");
        std::fs::read_to_string(path).ok().map(|token| token.trim().to_owned())
    }

    /// Queries the store on the blocking pool.
    ///
    /// # Errors
    /// The error of the store.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AppError> {
        let store = Arc::clone(&self.store);
        let work = move || work(&*store);
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result.map_err(AppError::from),
            Err(error) => Err(AppError::unavailable(format!("the store failed: {error}"))),
        }
    }

    /// Passes links on to the other nodes.
    pub fn tell(&self, claims: impl IntoIterator<Item = FreshClaim>) {
        if self.fresh_links.add(claims) {
            self.linked.send_replace(());
        }
    }

    /// The current denylist as sent to nodes.
    ///
    /// # Errors
    /// The error of the store.
    pub async fn denied(&self) -> Result<Arc<Denied>, AppError> {
        let state = self.clone();
        self.read(move |store| state.denials.current(store, now_ms())).await
    }

    /// Like [`AppState::read`], for session lists, of which only a few run concurrently.
    ///
    /// # Errors
    /// The error of the store; 503 after waiting too long.
    pub async fn list<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AppError> {
        let permit = Arc::clone(&self.lists).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(LIST_WAIT, permit).await else {
            return Err(AppError::unavailable("too many concurrent list queries"));
        };
        self.read(move |store| {
            let result = work(store);
            // Held until the query ends, even if the client has disconnected.
            drop(permit);
            result
        })
        .await
    }

    /// Like [`AppState::read`], for a change of what nodes apply, such as the denylist or the rules. Wakes long polls.
    ///
    /// # Errors
    /// The error of the store.
    pub async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AppError> {
        let value = self.read(work).await?;
        self.changed.send_replace(());
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::unbounded;

    use super::*;
    use api_sessions_cloud_config::options::Options;
    use api_sessions_store_sqlite::SqliteStore;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn session_lists_ran_in_any_number() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(dir.path()).unwrap());
        let state = AppState::new(store, Config::load(Options::default()).unwrap());
        let (begun, begins) = unbounded();
        let lists: Vec<_> = (0..3)
            .map(|_| {
                let (state, begun) = (state.clone(), begun.clone());
                let (end, ended) = unbounded::<()>();
                let work = move |_: &dyn Store| {
                    begun.send(()).unwrap();
                    let _ = ended.recv();
                    Ok(())
                };
                (end, tokio::spawn(async move { state.list(work).await }))
            })
            .collect();
        tokio::task::block_in_place(|| {
            (0..MAX_CONCURRENT_LISTS).for_each(|_| begins.recv().unwrap())
        });
        // Other queries do not wait for lists.
        state.read(|_| Ok(())).await.unwrap();
        // The clients are gone; the queries still run.
        lists.iter().for_each(|(_, asked)| asked.abort());
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(begins.try_recv().is_err() && state.lists.available_permits() == 0);
        drop(lists);
        while state.lists.available_permits() < MAX_CONCURRENT_LISTS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
