//! Resolves the session of a request (docs/identity.md): the operator's keys in order, then the built-in set, then the
//! fallback: source IP, optionally with `User-Agent` and JA4.
#![forbid(unsafe_code)]

mod follow;
mod found_by;
mod hash;
mod ip;
mod learn;
mod limits;
mod memo;
mod place;
mod remote_links;
mod resolve;

pub use follow::Follow;
pub use found_by::{FoundBy, Label};
pub use hash::{Hasher, Namespace, ParameterHash};
pub use learn::{Exchanged, Learned, cut, learn};
pub use memo::IdMemo;
pub use remote_links::{RemoteLink, add_remote_link};
pub use resolve::{
    Fallback, Keys, Phase, Resolution, address_id, each_identifier, resolve, resolve_with,
};
