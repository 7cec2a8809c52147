//! `api_sessions_export`.

use std::ffi::CStr;
use std::time::Duration;

use api_sessions_agent::export::{
    Endpoint, ExportHeader, ExportSettings, SpoolSettings, check_certificates, parse_headers,
    parse_token,
};
use api_sessions_nginx::conf::options::{offset, on_off, once, option, size, time_ms};
use api_sessions_nginx::conf::{Conf, Directive};

use super::MainConf;
use super::export_conf::ExportConf;
use super::secret::read_file;
use crate::limits::{
    MAX_CA_FILE_BYTES, MAX_HEADER_FILE_BYTES, MAX_NODE_NAME_BYTES, MAX_TOKEN_FILE_BYTES,
};

const OPTIONS: &[&str] = &[
    "token_file",
    "header",
    "header_file",
    "node",
    "queue",
    "flush",
    "batch",
    "spool",
    "compression",
    "timeout",
    "ca_file",
    "shutdown",
    "sync",
];

pub(super) struct Export;

impl Directive for Export {
    type Level = MainConf;
    const NAME: &'static CStr = c"api_sessions_export";
    const QUOTED: Option<&'static str> = Some("header");
    const SYNTAX: &'static str = "url|off [token_file=path] [header=\"name: value\"] [header_file=path] [node=name] [queue=size] [flush=time] \
        [batch=size] [spool=path[:max_size]] [compression=gzip|off] [timeout=time] [ca_file=path] \
        [shutdown=time] [sync=on|off]";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut MainConf) -> Result<(), String> {
        let (url, options) = words.split_first().ok_or("a URL is missing")?;
        if *url == "off" {
            return match options.first() {
                Some(word) => Err(format!("unexpected \"{word}\" behind \"off\"")),
                None => once(&mut level.export, None),
            };
        }
        let endpoint = Endpoint::parse(url).map_err(|error| error.to_string())?;
        let settings = ExportSettings {
            endpoint,
            token: None,
            headers: Vec::new(),
            node: cf.hostname(),
            flush: Duration::from_secs(1),
            batch: 1 << 20,
            gzip: false,
            timeout: Duration::from_secs(10),
            ca_pem: None,
            shutdown: Duration::from_secs(1),
            spool: None,
        };
        let mut conf = ExportConf { settings, queue: 4 << 20, sync: false };
        let mut named = Vec::new();
        for word in options {
            let Some((name, value)) = option(word, OPTIONS) else {
                // The value of a header may be secret.
                let name = word.split_once(": ").map_or(*word, |(name, _)| name);
                return Err(format!(
                    "invalid parameter \"{name}\": \"{}=\" are accepted",
                    OPTIONS.join("=\", \"")
                ));
            };
            if value.is_empty() {
                return Err(format!("invalid parameter \"{word}\": the value is empty"));
            }
            if name != "header" && named.contains(&name) {
                return Err(format!("\"{word}\" is duplicate: one \"{name}=\" is accepted"));
            }
            named.push(name);
            if looks_like_variable(value) {
                cf.warn(&format!(
                    "\"{name}=\" of \"api_sessions_export\" takes no variables: \"$\" stands for itself"
                ));
            }
            conf.option(cf, name, value)?;
        }
        conf.check_headers()?;
        if conf.sync && conf.settings.endpoint.sync().is_none() {
            return Err(format!(
                "\"sync=on\" asks api-sessions-cloud: a URL without a query is accepted, not \"{url}\""
            ));
        }
        once(&mut level.export, Some(conf))
    }
}

impl ExportConf {
    /// Rejects repeated headers: receivers differ in whether they use the first, the last or both.
    fn check_headers(&self) -> Result<(), String> {
        let settings = &self.settings;
        let mut names: Vec<&str> = settings.headers.iter().map(ExportHeader::name).collect();
        if settings.token.is_some() && names.contains(&"authorization") {
            return Err(
                "\"token_file=\" and a header \"Authorization\" are duplicate: one of them is expected".to_owned(),
            );
        }
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("header \"{}\" is duplicate", pair[0])),
            None => Ok(()),
        }
    }

    fn option(&mut self, cf: Conf<'_>, name: &str, value: &str) -> Result<(), String> {
        let settings = &mut self.settings;
        match name {
            "token_file" => {
                let path = cf.full_name(value).ok_or("out of memory")?;
                settings.token =
                    Some(parse_token(&path, &read_file(&path, MAX_TOKEN_FILE_BYTES)?)?);
            }
            "header" => {
                let header = ExportHeader::parse(value)
                    .map_err(|error| format!("invalid parameter \"header=\": {error}"))?;
                settings.headers.push(header);
            }
            "header_file" => {
                let path = cf.full_name(value).ok_or("out of memory")?;
                settings
                    .headers
                    .extend(parse_headers(&path, &read_file(&path, MAX_HEADER_FILE_BYTES)?)?);
            }
            "node" => {
                if value.len() > MAX_NODE_NAME_BYTES || value.chars().any(char::is_control) {
                    return Err(format!(
                        "invalid node \"{value}\": at most {MAX_NODE_NAME_BYTES} bytes without control characters are accepted"
                    ));
                }
                settings.node = value.to_owned();
            }
            "queue" => self.queue = size(value, 64 << 10..=1 << 30)?,
            "flush" => settings.flush = Duration::from_millis(time_ms(value, 10..=3_600_000)?),
            "batch" => settings.batch = size(value, 4 << 10..=16 << 20)?,
            "spool" => {
                let (path, max_bytes) = spool(value)?;
                let path = cf.directory_name(path).ok_or("out of memory")?;
                settings.spool = Some(SpoolSettings { path: path.into(), max_bytes });
            }
            "compression" => {
                settings.gzip = match value {
                    "gzip" => true,
                    "off" => false,
                    other => {
                        return Err(format!(
                            "invalid compression \"{other}\": \"gzip\" or \"off\" is accepted"
                        ));
                    }
                }
            }
            "timeout" => settings.timeout = Duration::from_millis(time_ms(value, 100..=600_000)?),
            "ca_file" => {
                let path = cf.full_name(value).ok_or("out of memory")?;
                let pem = read_file(&path, MAX_CA_FILE_BYTES)?;
                if !pem.windows(27).any(|line| line == b"-----BEGIN CERTIFICATE-----") {
                    return Err(format!(
                        "\"{path}\" holds no PEM certificate: \"-----BEGIN CERTIFICATE-----\" and what follows are accepted; \"openssl x509 -inform der\" converts DER, \"openssl x509\" a TRUSTED CERTIFICATE"
                    ));
                }
                check_certificates(&pem).map_err(|error| format!("\"{path}\": {error}"))?;
                settings.ca_pem = Some(pem);
            }
            // NGINX kills a worker about 1.5 s after "stop" (ngx_master_process_cycle).
            "shutdown" => settings.shutdown = Duration::from_millis(time_ms(value, 0..=60_000)?),
            _ => self.sync = on_off(value)?,
        }
        Ok(())
    }
}

/// Whether a word of the text is `$name` or begins with `${`. A `$` inside a word is often part of a secret.
fn looks_like_variable(text: &str) -> bool {
    let mut names = text.split([' ', '/', ':', '-']).filter_map(|word| word.strip_prefix('$'));
    names.any(|name| name.starts_with(|c: char| c == '{' || c.is_ascii_lowercase()))
}

/// `path[:max_size]`: the text after the last colon is a size, which may end in `g`.
fn spool(value: &str) -> Result<(&str, u64), String> {
    let (path, max_size) = match value.rsplit_once(':') {
        Some((path, max_size)) => (path, max_size),
        None => (value, "512m"),
    };
    if path.is_empty() {
        return Err(format!("invalid spool \"{value}\": \"path[:max_size]\" is accepted"));
    }
    offset(max_size, 1 << 20..=1 << 44).map(|bytes| (path, bytes))
}
