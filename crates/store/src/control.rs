//! What is not bound to a day: tokens, the denylist and its history, parameters.

use api_sessions_protocol::{DenyEntry, ParameterSet};
use serde::Serialize;

use super::{Page, Paged, StoreError};

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Post records and sync: for nodes.
    Ingest,
    /// Read.
    Viewer,
    /// Read and change.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Ingest, Role::Viewer, Role::Admin];

    /// The word it is stored and shown as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Ingest => "ingest",
            Role::Viewer => "viewer",
            Role::Admin => "admin",
        }
    }

    /// Reads [`Role::as_str`].
    pub fn parse(text: &str) -> Option<Role> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// A token, of which only the hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenInfo {
    /// Number by which it is revoked.
    pub id: i64,
    /// What it may do.
    pub role: Role,
    /// What it is for.
    pub label: String,
    /// Milliseconds since 1970.
    pub created: u64,
}

/// One entry of the denylist's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DenyChange {
    /// Milliseconds since 1970.
    pub ts: u64,
    /// `add` or `remove`.
    pub action: String,
    /// Who did it.
    pub by: String,
    /// The entry that was added or removed.
    #[serde(flatten)]
    pub entry: DenyEntry,
}

/// A page of the denylist's history that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Of this session alone.
    pub session: Option<String>,
    /// Most changes in the page.
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl Paged for HistoryQuery {
    fn question(&self) -> String {
        format!("{:?}", self.session)
    }

    fn cursor(&mut self) -> &mut Option<String> {
        &mut self.cursor
    }
}

/// Tokens, denylist, parameters.
pub trait Control: Send + Sync {
    /// Keeps a token by its hash; gives its number.
    ///
    /// # Errors
    /// [`StoreError`]
    fn add_token(&self, hash: &[u8; 32], role: Role, label: &str) -> Result<i64, StoreError>;
    /// The token of this hash.
    ///
    /// # Errors
    /// [`StoreError`]
    fn find_token(&self, hash: &[u8; 32]) -> Result<Option<TokenInfo>, StoreError>;
    /// All tokens.
    ///
    /// # Errors
    /// [`StoreError`]
    fn tokens(&self) -> Result<Vec<TokenInfo>, StoreError>;
    /// Revokes one; `false` if there is none of that number.
    ///
    /// # Errors
    /// [`StoreError`]
    fn revoke_token(&self, id: i64) -> Result<bool, StoreError>;

    /// Sessions denied at `now` (ms since 1970), newest first.
    ///
    /// # Errors
    /// [`StoreError`]
    fn denylist(&self, now: u64) -> Result<Vec<DenyEntry>, StoreError>;
    /// Denies a session, or changes how it is denied.
    ///
    /// # Errors
    /// [`StoreError`]
    fn deny(&self, entry: &DenyEntry) -> Result<(), StoreError>;
    /// Takes a session off; `false` if it was not on.
    ///
    /// # Errors
    /// [`StoreError`]
    fn undeny(&self, session: &str, by: &str, now: u64) -> Result<bool, StoreError>;
    /// What was added and removed, newest first.
    ///
    /// # Errors
    /// [`StoreError`]
    fn deny_history(&self, query: &HistoryQuery) -> Result<Page<DenyChange>, StoreError>;

    /// Keys and context parameters in force.
    ///
    /// # Errors
    /// [`StoreError`]
    fn parameters(&self) -> Result<ParameterSet, StoreError>;
    /// Puts others in force.
    ///
    /// # Errors
    /// [`StoreError`]
    fn set_parameters(&self, set: &ParameterSet, by: &str, now: u64) -> Result<(), StoreError>;

    /// Changes whenever the denylist or the parameters do.
    ///
    /// # Errors
    /// [`StoreError`]
    fn version(&self) -> Result<String, StoreError>;
}
