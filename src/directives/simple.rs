//! Directives of one small value each.

use std::ffi::CStr;
use std::rc::Rc;

use api_sessions_extract::JsonTypes;
use api_sessions_key_facts::{Settings, WINDOW_MS};
use api_sessions_nginx::conf::options::{
    invalid_value, on_off, once, once_word, one, only_option, size, time_ms,
};
use api_sessions_nginx::conf::{Conf, Directive};
use api_sessions_nginx::variable::ComplexValue;
use api_sessions_redact::FullContent;

use super::MainConf;
use super::location::LocationConf;
use super::location_values::{Following, Switch};
use crate::limits::MAX_BODY_PREFIX_BYTES;

pub(super) struct Enable;

impl Directive for Enable {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions";
    const SYNTAX: &'static str = "on|off|$variable";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let switch = match one(words)? {
            "on" => Switch::On,
            "off" => Switch::Off,
            text if text.contains('$') => {
                let value = ComplexValue::compile(cf, text)?;
                cf.main_conf::<MainConf>().mentions.add(cf, Self::NAME, text);
                Switch::Variable(Rc::new(value))
            }
            other => return Err(invalid_value(other, "\"on\", \"off\" or a variable")),
        };
        if !matches!(switch, Switch::Off) {
            cf.main_conf::<MainConf>().used = true;
        }
        once(&mut level.enabled, switch)
    }
}

pub(super) struct BuiltinKeys;

impl Directive for BuiltinKeys {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_builtin_keys";
    const SYNTAX: &'static str = "on|off";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        once(&mut level.builtin, on_off(one(words)?)?)
    }
}

pub(super) struct FullContentDirective;

impl Directive for FullContentDirective {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_full_content";
    const SYNTAX: &'static str = "redacted|all";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let content = match one(words)? {
            "redacted" => FullContent::Redacted,
            "all" => FullContent::All,
            other => return Err(invalid_value(other, "\"redacted\" or \"all\"")),
        };
        once(&mut level.content, content)
    }
}

pub(super) struct Follow;

impl Directive for Follow {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_follow";
    const SYNTAX: &'static str = "on|off [tokens=on|off]";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let (first, options) = words.split_first().ok_or("a value is missing")?;
        let on = on_off(first)?;
        let mut tokens = None;
        for word in options {
            let value = only_option(word, "tokens")?;
            let value = on_off(value).map_err(|_| {
                format!("invalid value \"{word}\": \"tokens=on\" or \"tokens=off\" is accepted")
            })?;
            once_word(&mut tokens, value, word)?;
        }
        once(&mut level.follow, Following { on, tokens: tokens.unwrap_or(true) })
    }
}

pub(super) struct KeyFactsDirective;

impl Directive for KeyFactsDirective {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_key_facts";
    const SYNTAX: &'static str = "on|off|report [window=time]";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let (first, options) = words.split_first().ok_or("a value is missing")?;
        if !matches!(*first, "on" | "off" | "report") {
            return Err(invalid_value(first, "\"on\", \"off\" or \"report\""));
        }
        let mut window = None;
        for word in options {
            let value = only_option(word, "window")?;
            once_word(&mut window, time_ms(value, 1000..=3_600_000)?, word)?;
        }
        let settings =
            Settings { window_ms: window.unwrap_or(WINDOW_MS), report: *first == "report" };
        cf.main_conf::<MainConf>().measures_keys |= *first != "off";
        once(&mut level.key_facts, (*first != "off").then_some(settings))
    }
}

pub(super) struct PrereadBody;

impl Directive for PrereadBody {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_preread_body";
    const SYNTAX: &'static str = "on|off";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        once(&mut level.preread, on_off(one(words)?)?)
    }
}

pub(super) struct JsonTypesDirective;

impl Directive for JsonTypesDirective {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_json_types";
    const SYNTAX: &'static str = "type ...|any";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        once(&mut level.json_types, Rc::new(JsonTypes::parse(words)?))
    }
}

pub(super) struct DetectBodySize;

impl Directive for DetectBodySize {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_detect_body_size";
    const SYNTAX: &'static str = "size";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        once(&mut level.detect_body_size, size(one(words)?, 0..=MAX_BODY_PREFIX_BYTES)?)
    }
}

pub(super) struct BodySize;

impl Directive for BodySize {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_body_size";
    const SYNTAX: &'static str = "size";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        once(&mut level.body_size, size(one(words)?, 0..=MAX_BODY_PREFIX_BYTES)?)
    }
}
