//! Two cookies with the same name: the first is used, and the duplicate is counted.

use super::cookies::{each_cookie, without_prefix};
use super::table::Entry;
use crate::Exchange;
use crate::limits::MAX_COOKIE_NAME_BYTES;

/// Whether the cookie of `entry` occurs more than once. Only called if a cookie identified the session, so that other
/// requests do not pay for it.
pub fn is_repeated<X: Exchange + ?Sized>(exchange: &X, entry: &Entry) -> bool {
    if !entry.rule.is_cookie() {
        return false;
    }
    // Both names of a pair are checked.
    let mut first: [Option<&[u8]>; 2] = [None; 2];
    let mut repeated = false;
    each_cookie(exchange, &mut |name, _| {
        let name = without_prefix(name);
        if !entry.rule.may_have_length(name.len()) {
            return true;
        }
        let mut buffer = [0; MAX_COOKIE_NAME_BYTES];
        let Some(lower) = buffer.get_mut(..name.len()) else { return true };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let place = entry.rule.cookie(name, lower);
        match place.and_then(|place| first.get_mut(place)) {
            None => {}
            Some(slot @ None) => *slot = Some(name),
            // A pattern matches many names.
            Some(Some(first)) => repeated |= first.eq_ignore_ascii_case(name),
        }
        !repeated
    });
    repeated
}
