//! The module's own attack detectors (`api_sessions_detect`), for those who have no WAF.
//!
//! Every value of a request is looked at as the application would see it: path, query, cookies,
//! headers, and the part of the body that was observed, decoded layer by layer ([`fields`], [`layers`]).
//! SQL injection and cross-site scripting are left to libinjection, which parses instead of matching;
//! all other types are a small table of expressions ([`rules`]) that run in linear time. A detector
//! marks and never blocks.

mod fields;
mod finding;
mod kind;
mod layers;
mod parsers;
mod rules;

pub use finding::{CONTEXT_BYTES, Finding, MAX_NAME_BYTES, Source};
pub use kind::{AttackKind, AttackKinds, UnknownKind};
pub use parsers::ParserPanics;

use api_sessions_extract::Exchange;
use fields::Place;
use finding::Input;

/// Most values of one request that are looked at; more are left alone.
pub const MAX_FIELDS: usize = 512;
/// Bytes of one value that are looked at.
pub const MAX_FIELD_BYTES: usize = 8 * 1024;

/// Memory that requests are looked at in, used again from one to the next.
#[derive(Debug, Default)]
pub struct Workspace {
    fields: fields::Buffers,
    layers: layers::Buffers,
    findings: Vec<Finding>,
}

impl Workspace {
    /// What the last [`detect`] found: at most one for each type, in the order of the request.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// Looks for `wanted` in a request. What is found is a subset of it; [`Workspace::findings`] says where.
///
/// Costs time in proportion to the request. A bug in a parser costs its finding, never the request.
pub fn detect<X: Exchange + ?Sized>(
    exchange: &X,
    wanted: AttackKinds,
    workspace: &mut Workspace,
) -> AttackKinds {
    let mut found = AttackKinds::default();
    let Workspace { fields, layers, findings } = workspace;
    findings.clear();
    let mut index = 0;
    fields::each(exchange, fields, &mut |input: Input<'_>| {
        let value = &input.value[..input.value.len().min(MAX_FIELD_BYTES)];
        let input = Input { value, ..input };
        layers::each(value, input.place, layers, &mut |text| {
            let new = inspect(text, input.place, wanted.without(found));
            for kind in new.iter() {
                findings.push(Finding::new(kind, input, index, text, 0..text.len()));
            }
            found = found | new;
        });
        index += 1;
        found != wanted
    });
    found
}

/// Makes ready what is made once in a process, so that no request waits for it.
pub fn prepare() {
    rules::prepare();
}

/// One value in one of its decoded forms.
fn inspect(text: &[u8], place: Place, wanted: AttackKinds) -> AttackKinds {
    let mut found = rules::matching(text, place) & wanted;
    if place.is_value() && is_suspicious(text) {
        // Names of fields and structured headers are no place for markup or SQL.
        if wanted.has(AttackKind::Sqli) && can_break_out(text) && parsers::SQLI.finds(text) {
            found = found | AttackKind::Sqli.into();
        }
        if wanted.has(AttackKind::Xss) && parsers::XSS.finds(text) {
            found = found | AttackKind::Xss.into();
        }
    }
    found
}

/// Holds what a value needs to become more than a value. libinjection finds prose (`1 and 2 or 3`,
/// `50% off -- today only`) suspicious that has nothing of it.
fn can_break_out(text: &[u8]) -> bool {
    let has = |word: &[u8]| text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    text.iter().any(|byte| matches!(byte, b'\'' | b'"' | b'=' | b'(' | b';' | b'#' | b'`'))
        || memchr::memmem::find(text, b"/*").is_some()
        || has(b"union") && has(b"select")
}

/// Holds a byte that neither SQL injection nor markup can do without. Most values do not.
fn is_suspicious(text: &[u8]) -> bool {
    text.iter().any(|byte| {
        matches!(
            byte,
            b'\''
                | b'"'
                | b'`'
                | b'<'
                | b'>'
                | b'='
                | b'('
                | b';'
                | b'#'
                | b'*'
                | b':'
                | b'|'
                | b'&'
                | b'\\'
                | 0
        ) || byte.is_ascii_whitespace()
    }) || memchr::memmem::find(text, b"--").is_some()
}

#[cfg(test)]
mod tests;
