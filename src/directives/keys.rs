//! `session_key`, `context_param`, `api_sessions_mask` and `api_sessions_show`: directives that take points.

use std::ffi::CStr;

use api_sessions_extract::ContextParam;
use api_sessions_extract::limits::MAX_LABEL_BYTES;
use api_sessions_extract::{KeyExport, SessionKey};
use api_sessions_extract::{Point, PointSource, variable_names};
use api_sessions_nginx::conf::options::{once_word, option};
use api_sessions_nginx::conf::{Conf, Directive};
use api_sessions_nginx::variable::PointCompiler;
use api_sessions_protocol::ParamType;

use super::{LocationConf, MainConf};
use crate::limits::MAX_REPEATED;

pub(super) struct SessionKeyDirective;

impl Directive for SessionKeyDirective {
    type Level = LocationConf;
    const NAME: &'static CStr = c"session_key";
    const SYNTAX: &'static str = "point [name=label] [export=hashed|plain|off]";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let (point, options) = point::<Self>(cf, words)?;
        if let PointSource::Variable(_) = point.source()
            && variable_names(point.as_str()).any(names_session)
        {
            return Err(format!(
                "invalid key \"{}\": what says which session a request is of cannot decide it; a variable that is not of this module is accepted",
                point.as_str()
            ));
        }
        let (mut name, mut export) = (None, None);
        for word in options {
            match option(word, &["name", "export"]) {
                Some(("name", value)) => once_word(&mut name, label(value)?, word)?,
                Some((_, value)) => once_word(
                    &mut export,
                    match value {
                        "hashed" => KeyExport::Hashed,
                        "plain" => KeyExport::Plain,
                        "off" => KeyExport::Off,
                        other => {
                            return Err(format!(
                                "invalid export \"{other}\": \"hashed\", \"plain\" or \"off\" is accepted"
                            ));
                        }
                    },
                    word,
                )?,
                None => {
                    return Err(format!(
                        "invalid parameter \"{word}\": \"name=\" or \"export=\" is accepted"
                    ));
                }
            }
        }
        let name = name.unwrap_or_else(|| point.as_str().to_owned());
        let export = export.unwrap_or(KeyExport::Hashed);
        room(level.own_keys.as_slice().len())?;
        level.own_keys.mention::<Self>(cf, [&point]);
        level.own_keys.push(SessionKey { point, name, export })
    }
}

pub(super) struct ContextParamDirective;

impl Directive for ContextParamDirective {
    type Level = LocationConf;
    const NAME: &'static CStr = c"context_param";
    const SYNTAX: &'static str = "point [name=label] [type=context|user|role] [hash|plain]";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let (point, options) = point::<Self>(cf, words)?;
        let (mut name, mut kind, mut hash) = (None, None, None);
        for word in options {
            match (*word, option(word, &["name", "type"])) {
                ("hash", _) => once_word(&mut hash, true, word)?,
                ("plain", _) => once_word(&mut hash, false, word)?,
                (_, Some(("name", value))) => once_word(&mut name, label(value)?, word)?,
                (_, Some((_, value))) => once_word(
                    &mut kind,
                    match value {
                        "context" => ParamType::Context,
                        "user" => ParamType::User,
                        "role" => ParamType::Role,
                        other => {
                            return Err(format!(
                                "invalid type \"{other}\": \"context\", \"user\" or \"role\" is accepted"
                            ));
                        }
                    },
                    word,
                )?,
                (other, None) => {
                    return Err(format!(
                        "invalid parameter \"{other}\": \"name=\", \"type=\", \"hash\" or \"plain\" is accepted"
                    ));
                }
            }
        }
        if point.is_whole_credential() && hash.is_none() {
            return Err(format!(
                "\"{}\" is a whole credential: say \"hash\" or \"plain\" behind it",
                point.as_str()
            ));
        }
        let name = name.unwrap_or_else(|| point.as_str().to_owned());
        room(level.params.as_slice().len())?;
        level.params.mention::<Self>(cf, [&point]);
        level.params.push(ContextParam {
            point,
            name,
            kind: kind.unwrap_or_default(),
            hash: hash.unwrap_or(false),
        })
    }
}

pub(super) struct Mask;

impl Directive for Mask {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_mask";
    const SYNTAX: &'static str = "point";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let (point, options) = point::<Self>(cf, words)?;
        if let Some(word) = options.first() {
            return Err(format!("unexpected \"{word}\": one point is accepted"));
        }
        room(level.masks.as_slice().len())?;
        level.masks.mention::<Self>(cf, [&point]);
        level.masks.push(point)
    }
}

/// Rejects variables that depend on the session, since they cannot define it.
fn names_session(variable: &str) -> bool {
    let variable = variable.to_ascii_lowercase();
    variable.starts_with("api_session_") && !variable.starts_with("api_session_ja4")
}

pub(super) struct Show;

impl Directive for Show {
    type Level = LocationConf;
    const NAME: &'static CStr = c"api_sessions_show";
    const SYNTAX: &'static str = "point";

    fn set(cf: Conf<'_>, words: &[&str], level: &mut LocationConf) -> Result<(), String> {
        let (point, options) = point::<Self>(cf, words)?;
        if let Some(word) = options.first() {
            return Err(format!("unexpected \"{word}\": one point is accepted"));
        }
        if !point.source().is_shown() || !point.decoders().is_empty() {
            return Err(format!(
                "invalid point \"{}\": a header, cookie, query argument, path segment or body field of the request, without decoders, is accepted",
                point.as_str()
            ));
        }
        room(level.shown.as_slice().len())?;
        level.shown.mention::<Self>(cf, [&point]);
        level.shown.push(point)
    }
}

/// Compiles the first word as a point.
fn point<'w, D: Directive>(
    cf: Conf<'_>,
    words: &'w [&'w str],
) -> Result<(Point, &'w [&'w str]), String> {
    let (text, options) = words.split_first().ok_or("a point is missing")?;
    let main = cf.main_conf::<MainConf>();
    let point = Point::parse(text, &mut PointCompiler { cf, variables: &mut main.variables })
        .map_err(|error| error.to_string())?;
    if let PointSource::Variable(_) = point.source() {
        main.mentions.add(cf, D::NAME, text);
    }
    Ok((point, options))
}

fn label(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_LABEL_BYTES || text.chars().any(char::is_control) {
        return Err(format!(
            "invalid name \"{text}\": 1 to {MAX_LABEL_BYTES} bytes without control characters are accepted"
        ));
    }
    Ok(text.to_owned())
}

fn room(used: usize) -> Result<(), String> {
    if used >= MAX_REPEATED {
        return Err(format!("too many: {MAX_REPEATED} a level are accepted"));
    }
    Ok(())
}
