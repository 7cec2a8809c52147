//! Rules over sessions: `session_rule` of nginx.conf and the rules of the Console.
//!
//! A [`Rule`] is parsed once, from the words of the directive ([`Rule::from_words`]) or from an object
//! ([`Rule::new`]), with the same checks and messages. [`Scopes`] finds the rules that apply to a request by
//! its method and path. [`Rule::observe`] counts a request in a sliding window in [`Counts`]: nodes keep
//! these in shared memory, and the cloud, which replays stored records, in its own memory ([`MemoryCounts`]).
#![forbid(unsafe_code)]

mod condition;
mod count;
mod counts;
mod distinct;
mod error;
mod exception;
mod facts;
pub mod limits;
mod observe;
mod pack;
mod path;
mod rate;
mod reaction;
mod rule;
mod rule_set;
mod scope;
mod scopes;
mod subject;
mod units;
mod window;
mod words;

pub use condition::{Condition, Statuses};
pub use count::Count;
pub use counts::{Counts, MemoryCounts, Words};
pub use error::RuleError;
pub use exception::Exception;
pub use facts::{Answer, Facts};
pub use observe::{Observation, Scratch};
pub use pack::default_pack;
pub use path::normalize;
pub use rate::Rate;
pub use reaction::{Mode, Reaction};
pub use rule::{Over, Rule, parse_all};
pub use rule_set::{NodeRule, RuleSet};
pub use scope::{Pattern, Scope};
pub use scopes::{RuleBits, Scopes};
pub use subject::{NETWORK_BYTES, Per, network};
pub use words::{from_directive, from_json, from_words};

#[cfg(test)]
mod tests;
