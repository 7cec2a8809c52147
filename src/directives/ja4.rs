//! `api_sessions_ja4`: where the fingerprint of a client comes from.

use std::cell::Cell;
use std::ffi::CStr;
use std::rc::Rc;

use api_sessions_extract::Ja4Form;
use api_sessions_identity::Phase;
use api_sessions_nginx::conf::options::{once, one};
use api_sessions_nginx::conf::{Conf, Directive};
use api_sessions_nginx::request::Request;
use api_sessions_nginx::tls;
use api_sessions_nginx::variable::ComplexValue;

use super::{LocationConf, MainConf};

/// Longest fingerprint of a variable, bytes; longer ones are truncated.
const MAX_BYTES: usize = 128;

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
    value: ComplexValue,
    /// Set while the variable is evaluated: a `map` may fall back to `$api_session_ja4`.
    is_evaluated: Cell<bool>,
}

impl Ja4Source {
    pub(super) fn read<'r>(&self, r: Request<'r>, phase: Phase, form: Ja4Form) -> Option<&'r [u8]> {
        match self {
            Ja4Source::Variable(variable) if !variable.is_evaluated.get() => {
                variable.is_evaluated.set(true);
                let value = variable.value.evaluate(r, phase);
                variable.is_evaluated.set(false);
                let value = value?.trim_ascii();
                let value = value.get(..value.len().min(MAX_BYTES)).filter(|it| !it.is_empty())?;
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

pub(super) struct Ja4Directive;

impl Directive for Ja4Directive {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_ja4";
    const SYNTAX: &'static str = "$variable|off";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let source = match one(words)? {
            "off" => Ja4Source::Handshake,
            text if text.contains('$') => {
                let value = ComplexValue::compile(cf, text)?;
                cf.main_conf::<MainConf>().mentions.add(cf, Self::NAME, text);
                Ja4Source::Variable(Rc::new(Ja4Variable { value, is_evaluated: Cell::new(false) }))
            }
            other => {
                return Err(format!(
                    "invalid value \"{other}\": a variable or \"off\" is accepted"
                ));
            }
        };
        once(&mut level.ja4, source)
    }
}
