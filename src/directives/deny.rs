//! `api_sessions_deny`.

use std::ffi::CStr;

use api_sessions_nginx::conf::options::{once, once_word, option};
use api_sessions_nginx::conf::{Conf, Directive};

use super::location_values::{Deny, DenyOptions};
use super::{LocationConf, MainConf};

const OPTIONS: &[&str] = &["status", "connections", "phase"];

pub(super) struct DenyDirective;

impl Directive for DenyDirective {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_deny";
    const SYNTAX: &'static str =
        "off|on|dry_run [status=403] [connections=close|keep] [phase=access|rewrite]";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let (mode, options) = words.split_first().ok_or("a value is missing")?;
        let deny = match *mode {
            "off" => match options.first() {
                Some(extra) => return Err(format!("unexpected \"{extra}\"")),
                None => Deny::Off,
            },
            "on" => Deny::On(DenyOptions::parse(options)?),
            "dry_run" => Deny::DryRun(DenyOptions::parse(options)?),
            other => {
                return Err(format!(
                    "invalid value \"{other}\": \"off\", \"on\" or \"dry_run\" is accepted"
                ));
            }
        };
        let main = cf.main_conf::<MainConf>();
        if let Deny::On(options) | Deny::DryRun(options) = deny {
            main.denies = true;
            main.denies_before_rewrite |= options.before_rewrite;
        }
        once(&mut level.deny, deny)
    }
}

impl DenyOptions {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let (mut status, mut closes, mut before_rewrite) = (None, None, None);
        for word in words {
            let Some((name, value)) = option(word, OPTIONS) else {
                return Err(format!(
                    "invalid parameter \"{word}\": \"{}=\" are accepted",
                    OPTIONS.join("=\", \"")
                ));
            };
            match name {
                "status" => once_word(&mut status, parse_status(word, value)?, word)?,
                "connections" => {
                    once_word(&mut closes, one_of(word, value, ["keep", "close"])?, word)?;
                }
                _ => {
                    let early = one_of(word, value, ["access", "rewrite"])?;
                    once_word(&mut before_rewrite, early, word)?;
                }
            }
        }
        Ok(Self {
            status: status.unwrap_or(Self::default().status),
            closes_connections: closes.unwrap_or(Self::default().closes_connections),
            before_rewrite: before_rewrite.unwrap_or(Self::default().before_rewrite),
        })
    }
}

fn parse_status(word: &str, value: &str) -> Result<u16, String> {
    let status = value.parse().ok().filter(|code| (400..=599).contains(code));
    status.ok_or_else(|| {
        format!("invalid parameter \"{word}\": \"status=\" with 400 to 599 is accepted")
    })
}

/// Whether the value is the second of two keywords.
fn one_of(word: &str, value: &str, [first, second]: [&str; 2]) -> Result<bool, String> {
    match value {
        value if value == first => Ok(false),
        value if value == second => Ok(true),
        _ => Err(format!("invalid parameter \"{word}\": \"{first}\" or \"{second}\" is accepted")),
    }
}
