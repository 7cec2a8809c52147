//! Questions to a store, independent of the engine.

mod filter;
mod page;

pub use filter::{ANY_ATTACK, Filter, StatusFilter, contains_ignore_case};
pub use page::{HistoryQuery, Paged, RequestQuery, SessionQuery, Sort};
