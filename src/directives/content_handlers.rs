//! `api_sessions_status` and `api_sessions_control`: locations that the module answers.

use std::ffi::CStr;

use api_sessions_nginx::conf::options::none;
use api_sessions_nginx::conf::{Conf, Directive};
use api_sessions_nginx::handler;

use super::{LocationConf, MainConf};
use crate::status;

pub(super) struct Status;

impl Directive for Status {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_status";
    const SYNTAX: &'static str = "";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        none(words)?;
        level.answers = true;
        cf.main_conf::<MainConf>().used = true;
        handler::set::<status::Status>(cf)
    }
}

pub(super) struct Control;

impl Directive for Control {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_control";
    const SYNTAX: &'static str = "";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        none(words)?;
        level.answers = true;
        let main = cf.main_conf::<MainConf>();
        main.used = true;
        main.denies = true;
        handler::set::<status::Control>(cf)
    }
}
