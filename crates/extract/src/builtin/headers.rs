//! The request headers of the set besides `Cookie` and `Authorization`, found in one pass.

use crate::{Exchange, Side};

/// Their names in lower case.
const NAMES: [&str; 9] = [
    "mcp-session-id",
    "x-session-id",
    "session-id",
    "x-session-token",
    "x-auth-token",
    "x-access-token",
    "x-device-id",
    "x-api-key",
    "apikey",
];

/// The first value of each, trimmed.
pub(super) struct Headers<'x>([Option<&'x [u8]>; NAMES.len()]);

impl<'x> Headers<'x> {
    pub(super) fn collect<X: Exchange + ?Sized>(exchange: &'x X) -> Self {
        let mut values = [None; NAMES.len()];
        exchange.headers(Side::Request, &mut |name, value: &'x [u8]| {
            if let Some(slot) = place(name).and_then(|at| values.get_mut(at)) {
                slot.get_or_insert(value.trim_ascii());
            }
            true
        });
        Self(values)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    pub(super) fn get(&self, lower_case_name: &str) -> Option<&'x [u8]> {
        let at = NAMES.iter().position(|known| *known == lower_case_name)?;
        *self.0.get(at)?
    }
}

#[inline]
fn place(name: &[u8]) -> Option<usize> {
    // Most other headers have a different first letter.
    if !matches!(name.first()?.to_ascii_lowercase(), b'x' | b's' | b'm' | b'a') {
        return None;
    }
    NAMES.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::table::{Rule, TABLE};
    use super::*;

    #[test]
    fn every_header_of_the_set_is_found() {
        for entry in TABLE {
            if let Rule::Header(name) = entry.rule {
                assert!(NAMES.contains(&name), "{name}");
            }
        }
        for name in NAMES {
            assert!(place(name.to_uppercase().as_bytes()).is_some(), "{name}");
        }
    }
}
