//! Remote configuration: denylist, keys, context parameters and rules of the cloud.
//!
//! One thread of one worker long-polls `GET /v1/sync` ([`Poller`]); what it takes goes into shared
//! memory, where all workers see it with their next request. A copy is kept beside the spool
//! ([`StateFile`]), so that the denylist is in force again as soon as nginx is, cloud or no cloud.

mod analysis;
mod journal;
mod poller;
mod state_file;

pub use analysis::Analysis;
pub use poller::{AddressSession, Poller, ReceivedLink, SyncSettings, SyncState, TakeLinks};
pub use state_file::{OrderError, Restored, StateFile};
