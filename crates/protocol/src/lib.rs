//! The protocol between the NGINX module and `api-sessions-cloud`.
//!
//! Nodes post [`Record`]s, one JSON object a line (`application/x-ndjson`), to `/v1/records`, and
//! long-poll `/v1/sync` for a [`SyncDocument`]: the denylist and the keys and context parameters
//! that the Console manages.
#![forbid(unsafe_code)]

mod deny;
pub mod limits;
pub mod path_template;
mod record;
mod rule;
mod session_id;
mod sync;

pub use deny::{DenyEntry, DenyOrder, InvalidDenyOrder};
pub use record::{
    Evidence, FullRequest, LinkReason, Param, ParamType, Record, RuleHit, SessionLink, Source,
};
pub use rule::SessionRule;
pub use session_id::{BadSessionId, SessionId, hex};
pub use sync::{
    DemotedKey, FreshLink, Lifted, LiftedAddress, Parameter, ParameterExport, ParameterSet,
    SyncDocument, SyncReport,
};

/// The placeholder of records for a hidden value.
pub const HIDDEN: &str = "[hidden]";
/// Content type of a batch of records.
pub const NDJSON: &str = "application/x-ndjson";

/// Header that makes a batch idempotent: node, worker life and batch number.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Header of a node's sync poll: why it did not take the newest document ([`SyncReport::error`]).
pub const SYNC_ERROR: &str = "api-sessions-error";

/// Header of a node's sync poll: its counters, one JSON object of names and numbers, for the
/// Console's list of nodes.
pub const SYNC_COUNTERS: &str = "api-sessions-counters";

/// Header of a node's sync poll: version of the module.
pub const SYNC_MODULE: &str = "api-sessions-module";
