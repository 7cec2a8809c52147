//! The module's own attack detectors (`api_sessions_detect`), for sites without a WAF.
//!
//! Detectors read each value of a request in each of its forms (`api-sessions-values`). The byte classes of a
//! form select the detectors that can find anything in it; each of them counts its steps and has a limit
//! ([`find`]). Detectors only report, they never block.
#![forbid(unsafe_code)]

mod clean;
mod filter;
mod find;
mod finding;
mod kind;
pub mod limits;

use clean::CleanValues;

pub use api_sessions_detect_sql::ParserPanics;
pub use api_sessions_values::InputKind;
pub use finding::{CONTEXT_BYTES, Finding};
pub use kind::{AttackKind, AttackKinds, UnknownKind};

use api_sessions_extract::Exchange;
use api_sessions_values::{Input, Mask, Place, View, fields, forms, has_operator};

use crate::limits::{MAX_FIELD_BYTES, MAX_FIELDS};

/// Buffers and results of [`detect`], reused across requests.
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

/// Which parts of a request were not inspected, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// It has more than [`MAX_FIELDS`] values.
    pub values: bool,
    /// A value is longer than [`MAX_FIELD_BYTES`].
    pub bytes: bool,
    /// A detector used up the steps that the length of a value allows.
    pub steps: bool,
}

impl Workspace {
    /// Findings of the last [`detect`]: at most one for each type, in the order of the request.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What the last [`detect`] did not inspect.
    pub fn left(&self) -> Left {
        self.left
    }

    /// Steps that the detectors took in the last [`detect`]: a measure of its cost.
    pub fn steps(&self) -> usize {
        self.steps
    }
}

/// Searches a request for attacks of the `wanted` types and returns the types found; [`Workspace::findings`]
/// has the details.
///
/// The time is proportional to the size of the request. A panic in the SQL parser loses its finding, not the
/// request.
pub fn detect<X: Exchange + ?Sized>(
    exchange: &X,
    wanted: AttackKinds,
    workspace: &mut Workspace,
) -> AttackKinds {
    look(exchange, wanted, workspace, true)
}

/// `filters`: byte classes select the detectors of each form. Without, every detector reads every form.
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
        // Findings in these depend only on name and value, so clean ones are remembered.
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

/// Writes `name=value` to `low`, decoded and in lower case.
fn combine(input: Input<'_>, forms: &mut forms::Buffers, low: &mut Vec<u8>) {
    low.clear();
    low.extend_from_slice(forms.url(input.name));
    low.push(b'=');
    low.extend_from_slice(forms.url(input.value));
    low.make_ascii_lowercase();
}

/// Builds the tables that are built once per process, so that no request waits for them.
pub fn prepare() {
    find::prepare();
}

#[cfg(test)]
mod tests;
