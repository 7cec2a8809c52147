//! `api_sessions_zone` and `api_sessions_links`.

use std::ffi::CStr;

use api_sessions_nginx::conf::options::{once, once_word, one, only_option, size, time_ms};
use api_sessions_nginx::conf::{Conf, Directive};
use api_sessions_nginx::zone;

use super::MainConf;
use super::zones::ZoneSettings;
use crate::limits::{MAX_ZONE_BYTES, MAX_ZONE_NAME_BYTES};

/// Shortest and longest `inactive=`, milliseconds.
const INACTIVE_MS: std::ops::RangeInclusive<u64> = 1_000..=30 * 24 * 3_600_000;

pub(super) struct Zone;

impl Directive for Zone {
    type Level = MainConf;
    const NAME: &'static CStr = c"api_sessions_zone";
    const SYNTAX: &'static str = "name:size [inactive=time]";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut MainConf) -> Result<(), String> {
        let (spec, options) = words.split_first().ok_or("a name and a size are missing")?;
        let refused = || format!("invalid zone \"{spec}\": \"name:size\" is accepted");
        let (name, bytes) = spec.split_once(':').ok_or_else(refused)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if name.is_empty() || name.len() > MAX_ZONE_NAME_BYTES || !name.bytes().all(plain) {
            return Err(refused());
        }
        let mut settings = ZoneSettings {
            name: name.to_owned(),
            size: size(bytes, zone::smallest(api_sessions_shm::MIN_BYTES)..=MAX_ZONE_BYTES)?,
            ..ZoneSettings::default()
        };
        let mut inactive_ms = None;
        for word in options {
            let value = only_option(word, "inactive")?;
            once_word(&mut inactive_ms, time_ms(value, INACTIVE_MS)?, word)?;
        }
        settings.inactive_ms = inactive_ms.unwrap_or(settings.inactive_ms);
        once(&mut level.zone, settings)
    }
}

/// `api_sessions_links`.
pub(super) struct Links;

impl Directive for Links {
    type Level = MainConf;
    const NAME: &'static CStr = c"api_sessions_links";
    const SYNTAX: &'static str = "size";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut MainConf) -> Result<(), String> {
        let smallest = zone::smallest(api_sessions_shm::MIN_LINK_BYTES);
        once(&mut level.links_bytes, size(one(words)?, smallest..=MAX_ZONE_BYTES)?)
    }
}
