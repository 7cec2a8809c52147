//! Limits: how much this crate accepts, keeps and reports.

// `found_by`
/// Maximum length of a shown cookie name in bytes.
pub(crate) const MAX_LABEL_BYTES: usize = 48;

// `learn`
/// Sessions that may be started at an address before any of them returns, in addition to one for each that did return.
pub(crate) const MAX_PENDING_SESSIONS: u8 = 2;
/// Additional sessions if the client keeps state: it sends cookies, or has requested a token.
pub(crate) const MAX_PENDING_SESSIONS_KEPT: u8 = 8;

// `learned`
/// Maximum number of links in a record.
pub(crate) const MAX_LINKS: usize = 16;

// `memo`
/// Maximum length of a remembered value in bytes: fits common tokens and UUIDs.
pub(crate) const MAX_MEMO_BYTES: usize = 48;

// `remote_links`
/// Maximum length of the chain from an id to its session. Each step is a link from a node that did not know the
/// previous one.
pub(crate) const MAX_LINK_STEPS: usize = 8;
