//! `session_rule`, `session_rules`, `session_rules_except` and `api_sessions_rules_zone`.

use std::ffi::CStr;
use std::net::IpAddr;

use api_sessions_extract::Source;
use api_sessions_nginx::conf::{Conf, Directive};
use api_sessions_nginx::variable::PointCompiler;
use api_sessions_nginx::zone;
use api_sessions_rules::{MAX_LOCATION_RULES, MAX_RULES, Reaction, Rule, default_pack};

use super::options::{once, one, size};
use super::{LocationConf, MainConf};

/// Largest zone, bytes.
const MAX_ZONE_BYTES: usize = 1 << 36;
/// Most exceptions of one level.
const MAX_EXCEPTIONS: usize = 256;

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
            if let Source::Variable(_) = point.source() {
                main.mentions.add(cf, Self::NAME, point.as_str());
            }
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

/// Who is never counted and never refused by a rule.
#[derive(Clone)]
pub(crate) enum Exception {
    /// Addresses with these first bits. IPv4 as `::ffff:a.b.c.d`.
    Network(u128, u32),
    /// The user.
    User(Box<[u8]>),
    /// The role.
    Role(Box<[u8]>),
}

impl Exception {
    fn parse(word: &str) -> Result<Self, String> {
        let invalid = || {
            format!(
                "invalid value \"{word}\": an address, a network as in \"192.0.2.0/24\", \"user=\" or \"role=\" is accepted"
            )
        };
        match word.split_once('=') {
            Some(("user", value)) if !value.is_empty() => {
                return Ok(Self::User(value.as_bytes().into()));
            }
            Some(("role", value)) if !value.is_empty() => {
                return Ok(Self::Role(value.as_bytes().into()));
            }
            Some(_) => return Err(invalid()),
            None => {}
        }
        let (address, bits) = match word.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| invalid())?)),
            None => (word, None),
        };
        let (address, most) = match address.parse::<IpAddr>().map_err(|_| invalid())? {
            IpAddr::V4(address) => (u128::from(address.to_ipv6_mapped()), 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return Err(invalid());
        }
        Ok(Self::Network(address, 128 - most + bits))
    }

    /// Whether a request is excepted.
    pub(crate) fn covers(&self, ip: u128, user: &[u8], role: &[u8]) -> bool {
        match self {
            Self::Network(address, bits) => {
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                (ip ^ address) & mask == 0
            }
            Self::User(value) => **value == *user,
            Self::Role(value) => **value == *role,
        }
    }
}

pub(super) struct SessionRulesExcept;

impl Directive for SessionRulesExcept {
    type Level = LocationConf;
    const NAME: &'static CStr = c"session_rules_except";
    const SYNTAX: &'static str = "CIDR|user=value|role=value ...";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        if words.is_empty() {
            return Err("an address, a network, \"user=\" or \"role=\" is missing".to_owned());
        }
        for word in words {
            if level.exceptions.as_slice().len() >= MAX_EXCEPTIONS {
                return Err(format!("too many: {MAX_EXCEPTIONS} a level are accepted"));
            }
            level.exceptions.push(Exception::parse(word)?)?;
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
