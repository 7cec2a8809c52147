//! What every request handler can reach.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::error::AppError;
use crate::ingest::baseline::Baseline;
use crate::ingest::memory_budget::MemoryBudget;
use crate::metrics::Metrics;
use crate::node_control::registry::NodeRegistry;
use api_sessions_store::{Store, StoreError};

/// Lists of sessions that are made at a time: each uses all processors, and memory for the sessions that it
/// puts together from several days. More wait.
const LISTS: usize = 2;

/// How long one waits for its turn.
const LIST_WAIT: Duration = Duration::from_secs(30);

/// Shared by all handlers.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// What [`AppState`] points to.
pub struct Inner {
    /// All that is kept.
    pub store: Arc<dyn Store>,
    /// As configured.
    pub config: Config,
    /// Counters.
    pub metrics: Metrics,
    /// Nodes that sync.
    pub nodes: NodeRegistry,
    /// What is usual at endpoints.
    pub baseline: Baseline,
    /// Wakes long polls: the denylist or the parameters changed.
    pub changed: watch::Sender<()>,
    /// `true` once the server is to end.
    pub stopping: watch::Sender<bool>,
    /// Room for batches.
    pub memory: MemoryBudget,
    /// Lists that may be made now.
    lists: Arc<Semaphore>,
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl AppState {
    /// Of a store, as configured.
    pub fn new(store: Arc<dyn Store>, config: Config) -> AppState {
        AppState(Arc::new(Inner {
            store,
            config,
            metrics: Metrics::default(),
            nodes: NodeRegistry::default(),
            baseline: Baseline::default(),
            changed: watch::Sender::new(()),
            stopping: watch::Sender::new(false),
            memory: MemoryBudget::default(),
            lists: Arc::new(Semaphore::new(LISTS)),
        }))
    }

    /// The ingest token of the first start, if its file is still there: for an admin's eyes.
    pub fn ingest_token(&self) -> Option<String> {
        let path = self.config.data.join("ingest.token");
        std::fs::read_to_string(path).ok().map(|token| token.trim().to_owned())
    }

    /// Asks the store, off the threads that serve connections. The way for the API and the Console
    /// alike.
    ///
    /// # Errors
    /// What the store says.
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

    /// As [`AppState::read`], for lists of sessions: few are made at a time.
    ///
    /// # Errors
    /// What the store says.
    pub async fn list<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AppError> {
        let place = Arc::clone(&self.lists).acquire_owned();
        let place = tokio::time::timeout(LIST_WAIT, place).await;
        let Ok(Ok(place)) = place else {
            return Err(AppError::unavailable("too many lists are asked for at a time"));
        };
        self.read(move |store| {
            let result = work(store);
            // Not before the work is done, though whoever asked may be gone.
            drop(place);
            result
        })
        .await
    }

    /// As [`AppState::read`], for what changes the denylist or the parameters: nodes are told.
    ///
    /// # Errors
    /// What the store says.
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
    use std::sync::mpsc;

    use super::*;
    use crate::config::Options;
    use api_sessions_store::sqlite::SqliteStore;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn any_number_of_lists_were_made_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(dir.path()).unwrap());
        let state = AppState::new(store, Config::load(Options::default()).unwrap());
        let (begun, begins) = mpsc::channel();
        let lists: Vec<_> = (0..3)
            .map(|_| {
                let (state, begun) = (state.clone(), begun.clone());
                let (end, ended) = mpsc::channel::<()>();
                let work = move |_: &dyn Store| {
                    begun.send(()).unwrap();
                    let _ = ended.recv();
                    Ok(())
                };
                (end, tokio::spawn(async move { state.list(work).await }))
            })
            .collect();
        tokio::task::block_in_place(|| (0..LISTS).for_each(|_| begins.recv().unwrap()));
        // Other questions do not wait for lists.
        state.read(|_| Ok(())).await.unwrap();
        // Whoever asked is gone; the work is not done.
        lists.iter().for_each(|(_, asked)| asked.abort());
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(begins.try_recv().is_err() && state.lists.available_permits() == 0);
        drop(lists);
        while state.lists.available_permits() < LISTS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
