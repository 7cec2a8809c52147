//! `api_sessions_detect`.

use std::ffi::CStr;

use api_sessions_detect::{AttackKind, AttackKinds};
use api_sessions_nginx::conf::options::once;
use api_sessions_nginx::conf::{Conf, Directive};

use super::{LocationConf, MainConf};

pub(super) struct Detect;

impl Directive for Detect {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_detect";
    const SYNTAX: &'static str = "off|on [type ...]";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let kinds = match words {
            [] => return Err("\"off\" or \"on\" is missing".to_owned()),
            ["off"] => AttackKinds::default(),
            ["off", word, ..] => return Err(format!("unexpected \"{word}\" behind \"off\"")),
            ["on"] => AttackKinds::all(),
            ["on", types @ ..] => {
                let mut kinds = AttackKinds::default();
                for word in types {
                    let kind: AttackKind = word.parse().map_err(|error| format!("{error}"))?;
                    kinds = kinds | kind.into();
                }
                kinds
            }
            [other, ..] => {
                return Err(format!(
                    "invalid value \"{other}\": \"on\", with types behind it, or \"off\" is accepted"
                ));
            }
        };
        if !kinds.is_empty() {
            cf.main_conf::<MainConf>().detects = true;
        }
        once(&mut level.detect, kinds)
    }
}
