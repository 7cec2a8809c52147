//! `api_sessions_application`.

use std::ffi::CStr;
use std::rc::Rc;

use api_sessions_nginx::conf::options::{once, one};
use api_sessions_nginx::conf::{Conf, Directive};
use api_sessions_nginx::variable::ComplexValue;

use super::{LocationConf, MainConf};

pub(super) struct Application;

impl Directive for Application {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_application";
    const SYNTAX: &'static str = "value";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let text = one(words)?;
        let value = ComplexValue::compile(cf, text)?;
        cf.main_conf::<MainConf>().mentions.add(cf, Self::NAME, text);
        once(&mut level.application, Rc::new(value))
    }
}
