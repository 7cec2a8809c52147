//! `session_rule`, `session_rules`, `session_rules_except` and `api_sessions_rules_zone`.

use std::ffi::CStr;

use api_sessions_extract::PointSource;
use api_sessions_nginx::conf::options::{once, one, size};
use api_sessions_nginx::conf::{Conf, Directive};
use api_sessions_nginx::variable::PointCompiler;
use api_sessions_nginx::zone;
use api_sessions_rules::limits::{MAX_LOCATION_RULES, MAX_RULES};
use api_sessions_rules::{Exception, Mode, Reaction, Rule, default_pack};

use super::{LocationConf, MainConf};
use crate::limits::{MAX_EXCEPTIONS, MAX_ZONE_BYTES};

pub(super) struct SessionRuleDirective;

impl Directive for SessionRuleDirective {
    type Level = LocationConf;
    const NAME: &'static CStr = c"session_rule";
    const SYNTAX: &'static str = "name [on=[METHOD[,METHOD]:]PATH] [when=conditions] [count=what] over=N/time [per=subject] [then=reaction[,reaction]] [mode=monitor|enforce|off]";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let main = cf.main_conf::<MainConf>();
        let mut compiler = PointCompiler { cf, variables: &mut main.variables };
        let rule = Rule::from_words(words, &mut compiler).map_err(|error| error.to_string())?;
        let written = level.rules.as_slice();
        if written.iter().any(|other| other.name() == rule.name()) {
            return Err(format!(
                "\"{}\" is duplicate: one rule of a name is accepted",
                rule.name()
            ));
        }
        if written.len() >= MAX_LOCATION_RULES {
            return Err(format!("too many: {MAX_LOCATION_RULES} a level are accepted"));
        }
        main.written_rules += 1;
        if main.written_rules > MAX_RULES {
            return Err(format!("too many: {MAX_RULES} in all are accepted"));
        }
        for point in rule.points() {
            if let PointSource::Variable(_) = point.source() {
                main.mentions.add(cf, Self::NAME, point.as_str());
            }
        }
        if rule.mode != Mode::Off {
            level.rules.mention::<Self>(cf, rule.points());
        }
        main.has_rules = true;
        main.rule_names.push(rule.name().to_owned());
        let denies =
            |reaction: &Reaction| matches!(reaction, Reaction::Deny(_) | Reaction::DenyIp(_));
        main.denies |= rule.enforces() && rule.then.iter().any(denies);
        level.rules.push(rule)
    }
}

pub(super) struct SessionRulesDirective;

impl Directive for SessionRulesDirective {
    type Level = LocationConf;
    const NAME: &'static CStr = c"session_rules";
    const SYNTAX: &'static str = "default|off";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let is_default = match one(words)? {
            "default" => true,
            "off" => false,
            other => {
                return Err(format!(
                    "invalid value \"{other}\": \"default\" or \"off\" is accepted"
                ));
            }
        };
        let main = cf.main_conf::<MainConf>();
        main.has_rules |= is_default;
        if is_default {
            main.rule_names.extend(default_pack().into_iter().map(|rule| rule.name));
        }
        once(&mut level.default_rules, is_default)
    }
}

pub(super) struct SessionRulesExcept;

impl Directive for SessionRulesExcept {
    type Level = LocationConf;
    const NAME: &'static CStr = c"session_rules_except";
    const SYNTAX: &'static str = "CIDR|user=value|role=value ...";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        if words.is_empty() {
            return Err("an address, a network, \"user=\" or \"role=\" is missing".to_owned());
        }
        for word in words {
            if level.exceptions.as_slice().len() >= MAX_EXCEPTIONS {
                return Err(format!("too many: {MAX_EXCEPTIONS} a level are accepted"));
            }
            let exception = Exception::parse(word)?;
            if exception.has_low_bits() {
                cf.warn_here(&format_args!("low address bits of {word} are meaningless"));
            }
            level.exceptions.push(exception)?;
        }
        Ok(())
    }
}

pub(super) struct RulesZone;

impl Directive for RulesZone {
    type Level = MainConf;
    const NAME: &'static CStr = c"api_sessions_rules_zone";
    const SYNTAX: &'static str = "size";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut MainConf) -> Result<(), String> {
        let smallest = zone::smallest(api_sessions_shm::MIN_RULE_COUNTS_BYTES);
        once(&mut level.rules_bytes, size(one(words)?, smallest..=MAX_ZONE_BYTES)?)
    }
}
