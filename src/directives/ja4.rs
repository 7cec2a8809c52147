//! `api_sessions_ja4`: where the fingerprint of a client comes from.

use std::cell::Cell;
use std::ffi::CStr;
use std::rc::Rc;

use api_sessions_nginx::conf::options::{once, one};
use api_sessions_nginx::conf::{Conf, Directive};
use api_sessions_nginx::variable::ComplexValue;

use super::location_values::{Ja4Source, Ja4Variable};
use super::{LocationConf, MainConf};

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
