//! Data that retention does not delete: tokens, the denylist and its history, parameters, rules, keys.

use api_sessions_protocol::{DenyEntry, Lifted, ParameterSet, SessionRule};
use serde::Serialize;

use super::{HistoryQuery, KeyDecisions, KeyWindow, Page, StoreError};

/// Permissions of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Post records and sync; for nodes.
    Ingest,
    /// Read.
    Viewer,
    /// Read and change.
    Admin,
}

impl Role {
    /// All variants.
    pub const ALL: [Role; 3] = [Role::Ingest, Role::Viewer, Role::Admin];

    /// Its name in storage and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Ingest => "ingest",
            Role::Viewer => "viewer",
            Role::Admin => "admin",
        }
    }

    /// Parses [`Role::as_str`].
    pub fn parse(text: &str) -> Option<Role> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// A token; only its hash is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenInfo {
    /// Id, used to revoke it.
    pub id: i64,
    /// Permissions.
    pub role: Role,
    /// Description.
    pub label: String,
    /// Milliseconds since 1970.
    pub created: u64,
}

/// One entry of the denylist's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DenyChange {
    /// Milliseconds since 1970.
    pub ts: u64,
    /// `add`, `remove`, or `lift` (denials by rules of nodes were removed).
    pub action: String,
    /// Who did it.
    pub by: String,
    /// The entry that was added or removed; for a lift, only the session or address.
    #[serde(flatten)]
    pub entry: DenyEntry,
}

/// Tokens, denylist, parameters, rules.
pub trait Control: Send + Sync {
    /// Stores the hash of a token and returns its id.
    ///
    /// # Errors
    /// [`StoreError`]
    fn add_token(&self, hash: &[u8; 32], role: Role, label: &str) -> Result<i64, StoreError>;
    /// The token with this hash.
    ///
    /// # Errors
    /// [`StoreError`]
    fn find_token(&self, hash: &[u8; 32]) -> Result<Option<TokenInfo>, StoreError>;
    /// All tokens.
    ///
    /// # Errors
    /// [`StoreError`]
    fn tokens(&self) -> Result<Vec<TokenInfo>, StoreError>;
    /// Revokes a token; `false` if there is none with this id.
    ///
    /// # Errors
    /// [`StoreError`]
    fn revoke_token(&self, id: i64) -> Result<bool, StoreError>;

    /// Sessions denied at `now` (ms since 1970), newest first.
    ///
    /// # Errors
    /// [`StoreError`]
    fn denylist(&self, now: u64) -> Result<Vec<DenyEntry>, StoreError>;
    /// Entries of those among `sessions` that are denied at `now` (ms since 1970), in no particular order.
    ///
    /// # Errors
    /// [`StoreError`]
    fn denied(&self, sessions: &[&str], now: u64) -> Result<Vec<DenyEntry>, StoreError>;
    /// Denies a session or replaces its entry.
    ///
    /// # Errors
    /// [`StoreError`]
    fn deny(&self, entry: &DenyEntry) -> Result<(), StoreError>;
    /// Removes a session; `false` if it was not denied.
    ///
    /// # Errors
    /// [`StoreError`]
    fn undeny(&self, session: &str, by: &str, now: u64) -> Result<bool, StoreError>;
    /// Removes the denials of a session, or of an address, by rules of nodes.
    ///
    /// # Errors
    /// [`StoreError`]
    fn lift(&self, session: &str, by: &str, now: u64) -> Result<(), StoreError>;
    /// Sessions and addresses whose denials were removed after `since` (ms since 1970), in no particular order; at
    /// most the newest [`MAX_LIFTED`].
    ///
    /// # Errors
    /// [`StoreError`]
    fn lifted(&self, since: u64) -> Result<Vec<Lifted>, StoreError>;
    /// Additions, removals and lifts, newest first.
    ///
    /// # Errors
    /// [`StoreError`]
    fn deny_history(&self, query: &HistoryQuery) -> Result<Page<DenyChange>, StoreError>;

    /// Keys and context parameters in force.
    ///
    /// # Errors
    /// [`StoreError`]
    fn parameters(&self) -> Result<ParameterSet, StoreError>;
    /// Replaces the keys and context parameters.
    ///
    /// # Errors
    /// [`StoreError`]
    fn set_parameters(&self, set: &ParameterSet, by: &str, now: u64) -> Result<(), StoreError>;

    /// Rules in force.
    ///
    /// # Errors
    /// [`StoreError`]
    fn rules(&self) -> Result<Vec<SessionRule>, StoreError>;
    /// Replaces the rules.
    ///
    /// # Errors
    /// [`StoreError`]
    fn set_rules(&self, rules: &[SessionRule], by: &str, now: u64) -> Result<(), StoreError>;

    /// Decisions about keys.
    ///
    /// # Errors
    /// [`StoreError`]
    fn key_decisions(&self) -> Result<KeyDecisions, StoreError>;
    /// Replaces the decisions about keys.
    ///
    /// # Errors
    /// [`StoreError`]
    fn set_key_decisions(
        &self,
        decisions: &KeyDecisions,
        by: &str,
        now: u64,
    ) -> Result<(), StoreError>;
    /// Adds the key figures of a window, or replaces them.
    ///
    /// # Errors
    /// [`StoreError`]
    fn add_key_window(&self, window: &KeyWindow) -> Result<(), StoreError>;
    /// Windows that began between two times (ms since 1970, both included), of one application or of all, oldest
    /// first; at most the newest `most`.
    ///
    /// # Errors
    /// [`StoreError`]
    fn key_windows(
        &self,
        application: Option<&str>,
        from: u64,
        to: u64,
        most: usize,
    ) -> Result<Vec<KeyWindow>, StoreError>;

    /// Changes whenever the denylist, the parameters, the rules or the decisions about keys do.
    ///
    /// # Errors
    /// [`StoreError`]
    fn version(&self) -> Result<String, StoreError>;
}
