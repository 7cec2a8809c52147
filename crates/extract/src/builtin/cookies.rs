//! The cookies of a request that belong to entries of the set.

use super::jwt;
use super::placeholder::is_placeholder;
use super::table::{BY_FIRST_LETTER, BY_LENGTH, Entry, Rule, TABLE};
use super::value::{has_length, stable_part, take};
use crate::json::{self, Step};
use crate::limits::{MAX_COOKIE_NAME_BYTES, MAX_COOKIES};
use crate::{Exchange, Scratch, decode_base64};

/// Calls `each` with name and value of every cookie examined, until it returns `false`.
pub(super) fn each_cookie<'x, X: Exchange + ?Sized>(
    exchange: &'x X,
    each: &mut dyn FnMut(&'x [u8], &'x [u8]) -> bool,
) {
    let mut left = MAX_COOKIES;
    exchange.cookies(&mut |name, value| {
        left -= 1;
        each(name, value) && left > 0
    });
}

/// The first entry that a cookie of this name belongs to: its position in the table, and the index of the name within
/// the entry.
#[inline]
pub(super) fn entry_of(name: &[u8]) -> Option<(usize, usize)> {
    let bare = without_prefix(name);
    let first = bare.first()?.to_ascii_lowercase();
    let mut places = BY_FIRST_LETTER.get(usize::from(first))? & BY_LENGTH.get(bare.len())?;
    if places == 0 {
        return None;
    }
    let mut buffer = [0; MAX_COOKIE_NAME_BYTES];
    let lower = buffer.get_mut(..bare.len())?;
    lower.copy_from_slice(bare);
    lower.make_ascii_lowercase();
    while places != 0 {
        let at = places.trailing_zeros() as usize;
        places &= places - 1;
        if let Some(place) = TABLE.get(at).and_then(|entry| entry.rule.cookie(bare, lower)) {
            return Some((at, place));
        }
    }
    None
}

/// A cookie that belongs to an entry.
#[derive(Clone, Copy)]
struct Kept<'x> {
    entry: usize,
    spelling: Spelling,
    value: &'x [u8],
}

/// How a cookie's name is spelled. Clients can add variants that the application does not read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Spelling {
    Exact,
    Prefixed,
    Variant,
}

impl Spelling {
    fn of(name: &[u8], entry: &Entry) -> Self {
        let known = entry.name.as_bytes();
        match entry.rule {
            Rule::Cookie(_) | Rule::CookieExcept { .. } if name == known => Self::Exact,
            Rule::Cookie(_) | Rule::CookieExcept { .. } if without_prefix(name) == known => {
                Self::Prefixed
            }
            Rule::Cookie(_) | Rule::CookieExcept { .. } => Self::Variant,
            _ if without_prefix(name).len() == name.len() => Self::Exact,
            _ => Self::Prefixed,
        }
    }
}

/// Result of one pass over the cookies.
#[derive(Default)]
pub(super) struct Cookies<'x> {
    /// The cookie that was found first.
    first: Option<Kept<'x>>,
    /// For each other entry, the cookie that counts.
    others: Vec<Kept<'x>>,
    pair: [Option<&'x [u8]>; 2],
    /// Positions of all these entries.
    places: u128,
    /// Some look like a JWT or contain one.
    have_jwt: bool,
}

impl<'x> Cookies<'x> {
    pub(super) fn collect<X: Exchange + ?Sized>(exchange: &'x X) -> Self {
        let mut all = Self::default();
        each_cookie(exchange, &mut |name, value| {
            all.look(name, value);
            true
        });
        all
    }

    fn look(&mut self, name: &'x [u8], value: &'x [u8]) {
        self.have_jwt |= jwt::is_shaped(value) || value.starts_with(WRAPPED);
        let Some((at, place)) = entry_of(name) else { return };
        let Some(entry) = TABLE.get(at) else { return };
        self.places |= 1 << at;
        if let Rule::CookiePair(..) = entry.rule {
            if let Some(slot) = self.pair.get_mut(place) {
                slot.get_or_insert(value);
            }
            return;
        }
        self.keep(Kept { entry: at, spelling: Spelling::of(name, entry), value });
    }

    /// Of several cookies of one entry, the best spelling wins; among equals, the first.
    fn keep(&mut self, new: Kept<'x>) {
        let Some(first) = &mut self.first else {
            self.first = Some(new);
            return;
        };
        let mut known = std::iter::once(first).chain(&mut self.others);
        match known.find(|kept| kept.entry == new.entry) {
            Some(kept) if new.spelling < kept.spelling => *kept = new,
            Some(_) => {}
            None => self.others.push(new),
        }
    }

    pub(super) fn take(&self, at: usize, scratch: &mut Scratch, found: &mut Vec<u8>) -> bool {
        let kept = self.first.iter().chain(&self.others).find(|kept| kept.entry == at);
        kept.is_some_and(|kept| take(stable_value(at, kept.value, &mut scratch.output), found))
    }

    pub(super) fn take_pair(&self, found: &mut Vec<u8>) -> bool {
        let [Some(one), Some(two)] = self.pair else { return false };
        if is_placeholder(one) || is_placeholder(two) {
            return false;
        }
        found.extend_from_slice(one);
        found.push(b':');
        found.extend_from_slice(two);
        has_length(found)
    }

    /// Positions of the entries that have a cookie, one bit each.
    pub(super) fn places(&self) -> u128 {
        self.places
    }

    pub(super) fn may_have_jwt(&self) -> bool {
        self.have_jwt
    }

    /// Calls `each` with every JWT in a cookie, until it returns `false`.
    pub(super) fn each_jwt<X: Exchange + ?Sized>(
        &self,
        exchange: &X,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) {
        each_cookie(exchange, &mut |_, value| match jwt::is_shaped(value) {
            true => each(value),
            false => wrapped_token(value).is_none_or(|token| each(&token)),
        });
    }
}

/// Prefix of Supabase's cookies (`sb-*-auth-token`), followed by JSON in base64.
const WRAPPED: &[u8] = b"base64-";

/// The access token in a Supabase cookie. If the value is split over several cookies, the first contains it.
fn wrapped_token(value: &[u8]) -> Option<Vec<u8>> {
    let encoded = value.strip_prefix(WRAPPED)?;
    // The value may be split anywhere.
    let encoded = encoded.get(..encoded.len() / 4 * 4).unwrap_or_default();
    let (mut document, mut buffer) = (Vec::new(), Vec::new());
    let document = decode_base64(encoded, &mut document)?;
    let path = [Step::Member(b"access_token"[..].into())];
    let token = json::find_in_part(document, &path, &mut buffer)?;
    jwt::is_shaped(token).then(|| token.to_vec())
}

/// The stable part of an entry's cookie.
pub(super) fn stable_value<'v>(
    entry: usize,
    value: &'v [u8],
    buffer: &'v mut Vec<u8>,
) -> Option<&'v [u8]> {
    let name: &[u8] = match TABLE.get(entry).map(|entry| (entry.rule, entry.name)) {
        Some((Rule::Cookie(name), _)) => name.as_bytes(),
        Some((Rule::CookieLike { .. }, "JSESSIONID.*")) => b"jsessionid",
        Some((Rule::CookieLike { .. }, name)) => name.as_bytes(),
        _ => b"",
    };
    stable_part(name, value, buffer)
}

pub(super) fn without_prefix(name: &[u8]) -> &[u8] {
    for prefix in [&b"__Host-"[..], b"__Secure-"] {
        if let Some((head, rest)) = name.split_at_checked(prefix.len())
            && head.eq_ignore_ascii_case(prefix)
        {
            return rest;
        }
    }
    name
}
