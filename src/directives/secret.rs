//! `api_sessions_secret`.

use std::ffi::CStr;

use api_sessions_nginx::conf::options::{once, one};
use api_sessions_nginx::conf::{Conf, Directive};

use super::MainConf;
use crate::limits::{MAX_SECRET_FILE_BYTES, MIN_SECRET_BYTES};

pub(super) struct Secret;

impl Directive for Secret {
    type Level = MainConf;
    const NAME: &'static CStr = c"api_sessions_secret";
    const SYNTAX: &'static str = "path";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut MainConf) -> Result<(), String> {
        let path = cf.full_name(one(words)?).ok_or("out of memory")?;
        let secret = read_file(&path, MAX_SECRET_FILE_BYTES)?;
        if secret.len() < MIN_SECRET_BYTES {
            return Err(format!(
                "\"{path}\" holds {} bytes: {MIN_SECRET_BYTES} or more are accepted",
                secret.len()
            ));
        }
        once(&mut level.secret, secret)
    }
}

/// Reads a small file as the master process, which may be root while workers are not.
pub(super) fn read_file(path: &str, most: u64) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let failed = |error| format!("cannot read \"{path}\": {error}");
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(format!("\"{path}\" is longer than {most} bytes"));
    }
    Ok(bytes)
}
