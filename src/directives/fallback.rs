//! `api_sessions_fallback`.

use std::ffi::CStr;

use api_sessions_identity::Fallback;
use api_sessions_nginx::conf::options::{once, one};
use api_sessions_nginx::conf::{Conf, Directive};

use super::LocationConf;

pub(super) struct FallbackDirective;

impl Directive for FallbackDirective {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_fallback";
    const SYNTAX: &'static str = "ip_ua_ja4|ip_ua|ip";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let fallback = match one(words)? {
            "ip_ua_ja4" => Fallback::IpUaJa4,
            "ip_ua" => Fallback::IpUa,
            "ip" => Fallback::Ip,
            other => {
                return Err(format!(
                    "invalid value \"{other}\": \"ip_ua_ja4\", \"ip_ua\" or \"ip\" is accepted"
                ));
            }
        };
        once(&mut level.fallback, fallback)
    }
}
