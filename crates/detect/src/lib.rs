//! The module's own attack detectors (`api_sessions_detect`), for those who have no WAF.
//!
//! Every value of a request is looked at in each of its forms (`api-sessions-values`). Its classes of bytes say
//! which detectors can find anything in it; each of those reads it in steps that are counted and bounded ([`find`]).
//! A detector marks and never blocks.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod clean;
mod filter;
mod find;
mod finding;
mod kind;

use clean::CleanValues;

pub use api_sessions_detect_sql::ParserPanics;
pub use api_sessions_values::{MAX_NAME_BYTES, Source};
pub use finding::{CONTEXT_BYTES, Finding, MAX_RAW_BYTES};
pub use kind::{AttackKind, AttackKinds, UnknownKind};

use api_sessions_extract::Exchange;
use api_sessions_values::{Input, Mask, Place, View, fields, forms, has_operator};

/// Most values of one request that are looked at, besides those that hold nothing to look for; more are left alone.
pub const MAX_FIELDS: usize = 512;
/// Bytes of one value that are looked at.
pub const MAX_FIELD_BYTES: usize = 256 * 1024;

/// Memory that requests are looked at in, used again from one to the next.
#[derive(Debug, Default)]
pub struct Workspace {
    agents: CleanValues,
    headers: CleanValues,
    fields: fields::Buffers,
    forms: forms::Buffers,
    low: Vec<u8>,
    tokens: find::Tokens,
    findings: Vec<Finding>,
    steps: usize,
    left: Left,
}

/// Why something of a request was not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// It has more than [`MAX_FIELDS`] values.
    pub values: bool,
    /// A value is longer than [`MAX_FIELD_BYTES`].
    pub bytes: bool,
    /// A value took a detector more steps than its length allows.
    pub steps: bool,
}

impl Workspace {
    /// What the last [`detect`] found: at most one for each type, in the order of the request.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What the last [`detect`] did not look at.
    pub fn left(&self) -> Left {
        self.left
    }

    /// Steps that the detectors of the last [`detect`] took, a measure of what it cost.
    pub fn steps(&self) -> usize {
        self.steps
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
    look(exchange, wanted, workspace, true)
}

/// Whether classes of bytes decide who looks at a value: without, every detector looks at every form.
fn look<X: Exchange + ?Sized>(
    exchange: &X,
    wanted: AttackKinds,
    workspace: &mut Workspace,
    filters: bool,
) -> AttackKinds {
    let mut found = AttackKinds::default();
    let Workspace { agents, headers, fields, forms, low, tokens, findings, steps, left } =
        workspace;
    findings.clear();
    (*steps, *left) = (0, Left::default());
    let (mut index, mut looked_at) = (0, 0);
    fields::each(exchange, find::is_script, fields, &mut |input: Input<'_>, mask| {
        let number = index;
        index += 1;
        if filters && !filter::concerns(input, mask) {
            return true;
        }
        // What is found in these depends on nothing but their name and value.
        let mut seen = match input.place {
            Place::Agent => Some(&mut *agents),
            Place::Header => Some(&mut *headers),
            _ => None,
        };
        if filters && seen.as_ref().is_some_and(|seen| seen.know(wanted, input.name, input.value)) {
            return true;
        }
        left.values = looked_at == MAX_FIELDS;
        if left.values {
            return false;
        }
        looked_at += 1;
        left.bytes |= input.value.len() > MAX_FIELD_BYTES;
        let value = &input.value[..input.value.len().min(MAX_FIELD_BYTES)];
        let input = Input { value, ..input };
        let raw = mask;
        let mut is_clean = true;
        let mut give = |kind: AttackKind, input: Input<'_>, text: &[u8], at| {
            is_clean = false;
            if !found.has(kind) {
                findings.push(Finding::new(kind, input, number, text, at));
                found = found | kind.into();
            }
        };
        forms::each(value, mask, input.place, forms, &mut |text, mask, is_decoded| {
            if filters && !filter::is_read(text, mask, input.place) {
                return;
            }
            low.clear();
            low.extend_from_slice(text);
            low.make_ascii_lowercase();
            let had_lines = raw.has(Mask::LINE);
            let view = View::new(low, mask, input.place, is_decoded)
                .with_lines(had_lines)
                .named(input.name);
            find::each(&view, wanted, tokens, &mut |kind, at| give(kind, input, text, at));
            *steps += view.steps();
            left.steps |= view.was_spent();
        });
        let is_event = input.name.len() > 4 && input.name.starts_with(b"on");
        if input.place == Place::Argument && (is_event || has_operator(input.name)) {
            combine(input, forms, low);
            let view = View::new(low, Mask::of(low), Place::Argument, false);
            let (kind, found) = match is_event {
                true => (AttackKind::Xss, find::handler(&view)),
                false => (AttackKind::NosqlInjection, find::operator(&view)),
            };
            if wanted.has(kind)
                && let Some(at) = found
            {
                let sent = [input.name, b"=", input.value].concat();
                give(kind, Input { value: &sent, ..input }, low, at);
            }
        }
        if is_clean
            && !left.steps
            && let Some(seen) = &mut seen
        {
            seen.add(wanted, input.name, input.value);
        }
        wanted.without(found) != AttackKinds::default()
    });
    found
}

/// `name=value`, decoded and in lower case.
fn combine(input: Input<'_>, forms: &mut forms::Buffers, low: &mut Vec<u8>) {
    low.clear();
    low.extend_from_slice(forms.url(input.name));
    low.push(b'=');
    low.extend_from_slice(forms.url(input.value));
    low.make_ascii_lowercase();
}

/// Makes ready what is made once in a process, so that no request waits for it.
pub fn prepare() {
    find::prepare();
}

#[cfg(test)]
mod tests;
