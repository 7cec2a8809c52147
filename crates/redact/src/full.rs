//! The full content of a malicious request, redacted.
//!
//! Values that hidden points read are always hidden, at their place and anywhere else. Beyond that, there are
//! two modes ([`FullContent`]): [`redacted`] shows what is known to be harmless or plain, and [`known`] hides
//! what is known to be a credential.

mod known;
mod redacted;

use std::borrow::Cow;

use api_sessions_protocol::FullRequest;

use crate::bounded::text;
use crate::limits::{MAX_HEADERS, MAX_LINE_BYTES};
use crate::places::Places;
use crate::secrets::{HIDDEN, Secrets};
use api_sessions_extract::{Exchange, Side};
use api_sessions_identity::Hasher;

/// How much of a malicious request is shown (`api_sessions_full_content`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FullContent {
    /// Hides what is secret by its name or its token_patterns; of headers and cookies, shows only what is known to be
    /// harmless or plain.
    #[default]
    Redacted,
    /// Shows everything except credentials with known names.
    All,
}

/// How to redact a request, with the places that the operator configured.
#[derive(Clone, Copy)]
pub struct Rule<'p> {
    /// How much is shown.
    pub content: FullContent,
    /// Protocol at the end of the request line.
    pub proto: &'p [u8],
    /// Hashes values that are replaced with their hash.
    pub hasher: &'p Hasher,
    /// Places that hidden points read.
    pub hidden: &'p Places<'p>,
    /// Places that the operator shows (`api_sessions_show`).
    pub shown: &'p Places<'p>,
}

/// Request line, headers and body of a request, redacted.
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
            // Nothing of the body was observed.
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

/// Appends scheme and authority of a target in absolute form, without the credentials before the host.
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
mod broken_documents;
#[cfg(test)]
mod precise;
#[cfg(test)]
mod shares;
#[cfg(test)]
mod tests;
