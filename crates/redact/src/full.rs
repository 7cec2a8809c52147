//! The full content of a malicious request, without what is to be hidden.
//!
//! What hidden points read goes in any case, in its place and wherever else it stands. Beyond that, there are two
//! rules ([`FullContent`]): [`redacted`] shows what is known to be harmless or plain, and [`known`] hides what is
//! known to be a credential.

mod known;
mod redacted;

use std::borrow::Cow;

use api_sessions_protocol::FullRequest;

use crate::bounded::text;
use crate::places::Places;
use crate::secrets::{HIDDEN, Secrets};
use api_sessions_extract::{Exchange, Side};
use api_sessions_identity::Hasher;

/// Longest exported request line, and longest value of a header, bytes.
const MAX_LINE_BYTES: usize = 16 * 1024;
/// Most headers.
const MAX_HEADERS: usize = 128;

/// How much of a malicious request is shown (`api_sessions_full_content`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FullContent {
    /// Without what is secret by its name or its looks; of headers and cookies, only what is known to be harmless or
    /// plain.
    #[default]
    Redacted,
    /// All but credentials of known names.
    All,
}

/// By which rule, and with which places of the operator's.
#[derive(Clone, Copy)]
pub struct Rule<'p> {
    /// How much is shown.
    pub content: FullContent,
    /// Protocol, as the request line ends with it.
    pub proto: &'p [u8],
    /// Hashes what is shown as its hash.
    pub hasher: &'p Hasher,
    /// Places of hidden points.
    pub hidden: &'p Places<'p>,
    /// Places of points to be shown (`api_sessions_show`).
    pub shown: &'p Places<'p>,
}

/// Writes line, headers and body as they may be seen.
pub fn full_request<'r, X: Exchange + ?Sized>(
    exchange: &'r X,
    rule: &Rule<'_>,
    secrets: &mut Secrets,
) -> FullRequest<'r> {
    let mut full = FullRequest::default();
    let mut has_unparsed = false;
    let line = match rule.content {
        FullContent::Redacted => redacted::line(exchange, rule, secrets, &mut has_unparsed),
        FullContent::All => known::line(exchange, rule, secrets),
    };
    full.truncated |= line.len() > MAX_LINE_BYTES;
    full.line = Cow::Owned(text(&line, MAX_LINE_BYTES).into_owned());
    exchange.headers(Side::Request, &mut |name, value| {
        if full.headers.len() == MAX_HEADERS {
            full.truncated = true;
            return false;
        }
        full.truncated |= value.len() > MAX_LINE_BYTES;
        let value = match rule.content {
            FullContent::Redacted => {
                redacted::header(name, value, rule, secrets, &mut has_unparsed)
            }
            FullContent::All => known::header(name, value, rule.hidden, secrets),
        };
        full.headers.push((text(secrets.without_credentials(name), MAX_LINE_BYTES), value));
        true
    });
    if let Some(seen) = exchange.body(Side::Request) {
        full.truncated |= !seen.complete;
        let shown = match rule.content {
            FullContent::Redacted => redacted::body(&seen, rule, secrets),
            FullContent::All => (known::body(&seen, rule.hidden, secrets), None),
        };
        full.hidden = shown.1.map(Cow::Borrowed);
        match shown.0 {
            // Nothing of it was seen.
            Cow::Borrowed([]) => {}
            Cow::Borrowed(shown) => match std::str::from_utf8(shown) {
                Ok(plain) => full.body = Some(Cow::Borrowed(plain)),
                Err(_) => {
                    use base64::Engine;
                    let encoded = base64::engine::general_purpose::STANDARD.encode(shown);
                    full.body_base64 = Some(Cow::Owned(encoded));
                }
            },
            Cow::Owned(shown) => match String::from_utf8(shown) {
                Ok(plain) => full.body = Some(Cow::Owned(plain)),
                Err(shown) => {
                    use base64::Engine;
                    let encoded =
                        base64::engine::general_purpose::STANDARD.encode(shown.as_bytes());
                    full.body_base64 = Some(Cow::Owned(encoded));
                }
            },
        }
    }
    if has_unparsed && full.hidden.is_none() {
        full.hidden = Some(Cow::Borrowed(redacted::UNPARSED));
    }
    full
}

/// Scheme and authority of a target in absolute form, without the credentials that may stand in front of the host.
fn authority(origin: &[u8], places: &Places<'_>, secrets: &mut Secrets, out: &mut Vec<u8>) {
    if !origin.is_empty() && places.header(b"host") {
        out.extend_from_slice(HIDDEN.as_bytes());
        return;
    }
    let host = match origin.iter().rposition(|byte| *byte == b'@') {
        None => origin,
        Some(at) => {
            let scheme = origin.windows(3).position(|three| three == b"://").map_or(0, |at| at + 3);
            out.extend_from_slice(origin.get(..scheme).unwrap_or_default());
            out.extend_from_slice(HIDDEN.as_bytes());
            origin.get(at..).unwrap_or_default()
        }
    };
    out.extend_from_slice(secrets.without_credentials(host));
}

#[cfg(test)]
mod precise;
#[cfg(test)]
mod shares;
#[cfg(test)]
mod tests;
