//! A followed value, and its class.

use super::state;
use super::table::Entry;
use crate::limits::{MIN_STRONG, MIN_STRONG_LETTERS};
use crate::percent;

/// How strongly a value identifies its session, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A cookie of the set.
    Set,
    /// A session header.
    Header,
    /// An opaque token in a header.
    Opaque,
    /// A cookie whose name is known to hold state.
    State,
    /// A token: a JWT in a header, or one in a body.
    Token,
    /// Any other cookie.
    Other,
    /// A cookie of a load balancer or of bot protection: not a key, but it links requests.
    Balancer,
}

/// A value that is followed from response to requests.
#[derive(Debug, Clone, Copy)]
pub struct Followed<'v> {
    /// Its class.
    pub class: Class,
    /// The name under which it is stored: that of the cookie, or of the entry of the set.
    pub name: &'v [u8],
    /// The part of the value that is followed.
    pub value: &'v [u8],
    /// The entry of the set that it belongs to.
    pub entry: Option<&'static Entry>,
}

/// Whether a value of this class is a session's state rather than its identifier: it changes with the state.
pub fn holds_state(class: Class, value: &[u8]) -> bool {
    class == Class::State || class == Class::Set && state::holds_state(value)
}

/// Whether a value is unlikely to be shared by two visitors by chance, and is not text written by people.
pub(super) fn is_strong(value: &[u8]) -> bool {
    if value.len() < MIN_STRONG.0 {
        return false;
    }
    let mut buffer = Vec::new();
    let Some(value) = percent::decode(value, false, &mut buffer) else { return false };
    if value.len() < MIN_STRONG.0
        || value.contains(&b' ')
        || value.windows(3).any(|at| at == b"://")
    {
        return false;
    }
    let mut seen = [false; 256];
    for byte in value {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    let different = seen.iter().filter(|seen| **seen).count();
    let has = |is: fn(&u8) -> bool| value.iter().any(is);
    let letters = has(u8::is_ascii_alphabetic);
    let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    different >= MIN_STRONG.1
        && ((letters && has(u8::is_ascii_digit)) || (mixed && value.len() >= MIN_STRONG_LETTERS))
}
