//! Remote configuration: denylist, keys, context parameters and rules from the cloud.
//!
//! One thread of one worker long-polls `GET /v1/sync` ([`Poller`]). What it receives goes into shared memory, where all
//! workers see it with their next request. A copy is kept beside the spool ([`StateFile`]), so that the denylist is in
//! force as soon as NGINX starts, even without the cloud.

mod analysis;
mod journal;
mod poller;
mod state_file;

pub use analysis::Analysis;
pub use poller::{AddressSession, Poller, ReceivedLink, SyncSettings, SyncState, TakeLinks};
pub use state_file::{OrderError, Restored, StateFile};
