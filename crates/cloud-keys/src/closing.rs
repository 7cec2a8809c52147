//! Judges windows that are over, stores their figures, and demotes built-in keys.

use api_sessions_key_facts::{ClosedWindow, decide};
use api_sessions_protocol::DemotedKey;
use api_sessions_store::{KeyDecisions, KeyWindow, Store, StoreError};

use super::Keys;

/// The author of demotions in histories.
const AUTHOR: &str = "verdict";

impl Keys {
    /// Judges and stores the windows that are over at `now` (ms since 1970). Returns whether the demoted keys changed.
    ///
    /// # Errors
    /// The error of the store.
    pub fn close_and_keep(&self, store: &dyn Store, now: u64) -> Result<bool, StoreError> {
        let mut is_changed = false;
        for window in self.close(store, now)? {
            is_changed |= keep(store, &window, now)?;
        }
        Ok(is_changed)
    }
}

/// Stores a window and applies its verdicts. Returns whether the demoted keys changed.
fn keep(store: &dyn Store, window: &ClosedWindow, now: u64) -> Result<bool, StoreError> {
    let document =
        serde_json::to_string(window).map_err(|error| StoreError::Invalid(error.to_string()))?;
    let ClosedWindow { start, application, .. } = window;
    store.add_key_window(&KeyWindow {
        start: *start,
        application: application.clone(),
        document,
    })?;
    let KeyDecisions { mut demoted, kept, dismissed } = store.key_decisions()?;
    let is_kept =
        |name: &str| kept.iter().any(|it| it.application == *application && it.name == name);
    let changes = decide(&mut demoted, window, |name| !is_kept(name));
    for DemotedKey { key, verdict, .. } in &changes.demoted {
        tracing::warn!(%application, key, verdict, "a key is demoted");
    }
    if !changes.is_empty() {
        store.set_key_decisions(&KeyDecisions { demoted, kept, dismissed }, AUTHOR, now)?;
    }
    Ok(!changes.is_empty())
}
