//! `api_sessions_attack`.

use std::ffi::CStr;
use std::rc::Rc;

use api_sessions_nginx::conf::{Conf, Directive};
use api_sessions_nginx::variable::ComplexValue;

use super::LocationConf;
use super::MainConf;
use super::location_values::Attack;
use crate::limits::MAX_ATTACK_TYPE_BYTES;

pub(super) struct AttackDirective;

impl Directive for AttackDirective {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_attack";
    const SYNTAX: &'static str = "type $variable";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let [kind, text] = words else {
            return Err("a type and a variable are accepted".to_owned());
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if kind.is_empty() || kind.len() > MAX_ATTACK_TYPE_BYTES || !kind.bytes().all(plain) {
            return Err(format!(
                "invalid type \"{kind}\": 1 to {MAX_ATTACK_TYPE_BYTES} letters, digits, \"_\", \"-\" and \".\" are accepted"
            ));
        }
        if !text.contains('$') {
            return Err(format!("invalid value \"{text}\": a variable is accepted"));
        }
        let when = ComplexValue::compile(cf, text)?;
        let main = cf.main_conf::<MainConf>();
        main.mentions.add(cf, Self::NAME, text);
        level.attacks.push(Attack { kind: Rc::from(*kind), when })
    }
}
