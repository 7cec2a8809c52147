//! Which session a request belongs to (contract §3): the operator's keys in their order, the built-in
//! set, source IP and `User-Agent`, source IP alone.

mod hash;
mod ip;
mod memo;
mod resolve;

pub use hash::{Hasher, Namespace, ParameterHash};
pub use memo::IdMemo;
pub use resolve::{FoundBy, Keys, Phase, Resolution, resolve, resolve_with};
