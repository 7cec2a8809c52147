//! The built-in set of session keys. It is tried after the operator's own keys; the first entry that yields a value
//! wins.

mod cookies;
mod covers;
mod credentials;
mod every;
mod followed;
mod followed_value;
mod headers;
mod jwt;
mod lookup;
mod placeholder;
mod repeated;
mod state;
mod table;
mod tokens;
mod value;

pub use covers::covers;
pub use credentials::{
    credential_argument_in, is_credential_argument, is_credential_cookie, is_credential_header,
    is_credentials,
};
pub use every::each;
pub(crate) use every::each_spelling;
pub use followed::{
    Issued, Principal, each_brought, each_brought_cookie, each_issued, followed_cookie, principal,
    session_of_token, user_of_token,
};
pub use followed_value::{Class, Followed, holds_state};
pub use jwt::find_token;
pub use lookup::{find, find_if};
pub use repeated::is_repeated;
pub use table::{Entry, EntrySet, Group, KNOWN_UNUSED, Rule, TABLE};
pub use tokens::may_carry_tokens;

#[cfg(test)]
mod tests;
