//! Values of directives in `http`, `server` and `location`.

use std::cell::Cell;
use std::rc::Rc;

use api_sessions_extract::Ja4Form;
use api_sessions_identity::Phase;
use api_sessions_nginx::request::Request;
use api_sessions_nginx::tls;
use api_sessions_nginx::variable::ComplexValue;

use crate::limits::MAX_JA4_BYTES;

/// `api_sessions_follow`.
#[derive(Clone, Copy)]
pub(crate) struct Following {
    pub(crate) on: bool,
    /// Tokens in headers and JSON bodies are followed as well as cookies.
    pub(crate) tokens: bool,
}

impl Default for Following {
    fn default() -> Self {
        Self { on: true, tokens: true }
    }
}

/// `api_sessions`.
#[derive(Clone)]
pub(crate) enum Switch {
    Off,
    On,
    Variable(Rc<ComplexValue>),
}

/// Marks requests as malicious.
pub(crate) struct Attack {
    /// Type of attack.
    pub(crate) kind: Rc<str>,
    /// The request was an attack if this is neither empty nor `0` when it is logged.
    pub(crate) when: ComplexValue,
}

/// What happens to requests of a denylisted session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deny {
    /// Nothing: the denylist is not consulted.
    Off,
    /// They are refused.
    On(DenyOptions),
    /// They are marked and let through (dry run).
    DryRun(DenyOptions),
}

/// How requests are refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DenyOptions {
    /// Status of the answer.
    pub(crate) status: u16,
    /// Requests in flight are terminated when their session is denied.
    pub(crate) closes_connections: bool,
    /// The denylist is also consulted before the rewrite module's directives run.
    pub(crate) before_rewrite: bool,
}

impl Default for DenyOptions {
    fn default() -> Self {
        Self { status: 403, closes_connections: true, before_rewrite: false }
    }
}

/// Where JA4 comes from.
#[derive(Clone)]
pub(crate) enum Ja4Source {
    /// This NGINX terminates TLS and has seen the handshake.
    Handshake,
    /// A proxy in front terminates TLS and passes the fingerprint on; it serves as both forms, unless it is that of the
    /// handshake.
    Variable(Rc<Ja4Variable>),
}

pub(crate) struct Ja4Variable {
    pub(super) value: ComplexValue,
    /// Set while the variable is evaluated: a `map` may fall back to `$api_session_ja4`.
    pub(super) is_evaluated: Cell<bool>,
}

impl Ja4Source {
    pub(super) fn read<'r>(&self, r: Request<'r>, phase: Phase, form: Ja4Form) -> Option<&'r [u8]> {
        match self {
            Ja4Source::Variable(variable) if !variable.is_evaluated.get() => {
                variable.is_evaluated.set(true);
                let value = variable.value.evaluate(r, phase);
                variable.is_evaluated.set(false);
                let value = value?.trim_ascii();
                let value =
                    value.get(..value.len().min(MAX_JA4_BYTES)).filter(|it| !it.is_empty())?;
                let is_own = of_handshake(r, Ja4Form::Plain) == Some(value);
                if is_own { of_handshake(r, form) } else { Some(value) }
            }
            _ => of_handshake(r, form),
        }
    }
}

fn of_handshake(r: Request<'_>, form: Ja4Form) -> Option<&[u8]> {
    let fingerprint = tls::fingerprint(r)?;
    Some(match form {
        Ja4Form::Plain => fingerprint.ja4(),
        Ja4Form::Stable => fingerprint.stable(),
    })
}
