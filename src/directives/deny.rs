//! `api_sessions_deny`.

use std::ffi::CStr;

use super::options::{once, option};
use super::{LocationConf, MainConf};
use crate::ffi::conf::{Conf, Directive};

/// What happens to requests of a denylisted session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deny {
    /// Nothing: the denylist is not asked.
    Off,
    /// They are answered with that status.
    On { status: u16 },
    /// They are marked, and let through.
    DryRun,
}

pub(super) struct DenyDirective;

impl Directive for DenyDirective {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_deny";
    const SYNTAX: &'static str = "off|on [status=403]|dry_run";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let deny = match words {
            ["off"] => Deny::Off,
            ["dry_run"] => Deny::DryRun,
            ["on"] => Deny::On { status: 403 },
            ["on", word] => Deny::On { status: status(word)? },
            [] => return Err("a value is missing".to_owned()),
            ["on", _, extra, ..] | ["off" | "dry_run", extra, ..] => {
                return Err(format!("unexpected \"{extra}\""));
            }
            [other, ..] => {
                return Err(format!(
                    "invalid value \"{other}\": \"off\", \"on\" or \"dry_run\" is accepted"
                ));
            }
        };
        if deny != Deny::Off {
            cf.main_conf::<MainConf>().denies = true;
        }
        once(&mut level.deny, deny)
    }
}

fn status(word: &str) -> Result<u16, String> {
    let refused =
        || format!("invalid parameter \"{word}\": \"status=\" with 400 to 599 is accepted");
    let (_, value) = option(word, &["status"]).ok_or_else(refused)?;
    value.parse().ok().filter(|code| (400..=599).contains(code)).ok_or_else(refused)
}
