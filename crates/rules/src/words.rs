//! The words of a rule: from a directive, from an object, and as text.

use std::fmt::{self, Write as _};

use api_sessions_protocol::SessionRule;
use serde_json::Value;

use crate::RuleError;

/// Names of the options `name=value`, in the order in which they are written.
pub(crate) const OPTIONS: [&str; 8] =
    ["on", "when", "count", "over", "per", "then", "mode", "fleet"];

/// Reads the words after `session_rule`.
///
/// # Errors
/// Names the invalid word and what is accepted.
pub fn from_words(words: &[&str]) -> Result<SessionRule, RuleError> {
    let (name, options) =
        words.split_first().ok_or_else(|| RuleError("a name is missing".to_owned()))?;
    let mut text = SessionRule { name: (*name).to_owned(), ..SessionRule::default() };
    let mut over = None;
    for word in options {
        let option = word.split_once('=').filter(|(name, _)| OPTIONS.contains(name));
        let Some((name, value)) = option else {
            return Err(RuleError(format!(
                "invalid parameter \"{word}\": \"{}=\" are accepted",
                OPTIONS.join("=\", \"")
            )));
        };
        if value.starts_with(['"', '\'']) {
            return Err(RuleError(format!(
                "invalid parameter \"{word}\": quotes must enclose the whole word, as in \"{name}=value\""
            )));
        }
        let slot = match name {
            "on" => &mut text.on,
            "when" => &mut text.when,
            "count" => &mut text.count,
            "over" => &mut over,
            "per" => &mut text.per,
            "then" => &mut text.then,
            "mode" => &mut text.mode,
            _ => &mut text.fleet,
        };
        if slot.is_some() {
            return Err(RuleError(format!("\"{word}\" is duplicate: one \"{name}=\" is accepted")));
        }
        *slot = Some(value.to_owned());
    }
    text.over = over.unwrap_or_default();
    Ok(text)
}

/// Reads a directive, with or without a leading `session_rule` and a trailing `;`.
///
/// # Errors
/// As [`from_words`], and if a quote is not closed.
pub fn from_directive(text: &str) -> Result<SessionRule, RuleError> {
    let words = split(text)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    from_words(match words.split_first() {
        Some((&"session_rule", rest)) => rest,
        _ => &words,
    })
}

/// Reads an object whose members are the name and the options of the directive.
///
/// # Errors
/// Names the invalid member and what is accepted.
pub fn from_json(value: &Value) -> Result<SessionRule, RuleError> {
    let Some(object) = value.as_object() else {
        return Err(RuleError("invalid rule: an object is accepted".to_owned()));
    };
    for (member, value) in object {
        if member != "name" && !OPTIONS.contains(&member.as_str()) {
            return Err(RuleError(format!(
                "invalid parameter \"{member}\": \"name\", \"{}\" are accepted",
                OPTIONS.join("\", \"")
            )));
        }
        if !value.is_string() && !value.is_null() {
            return Err(RuleError::invalid("parameter", member, "a string"));
        }
    }
    let present: serde_json::Map<String, Value> = object
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if !present.contains_key("name") {
        return Err(RuleError("a name is missing".to_owned()));
    }
    serde_json::from_value(Value::Object(present)).map_err(|error| RuleError(error.to_string()))
}

/// Splits a directive into words like NGINX (`ngx_conf_read_token`): quotes, backslashes, a `;` at the end.
fn split(text: &str) -> Result<Vec<String>, RuleError> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|letter| letter.is_ascii_whitespace()).is_some() {}
        let quote = letters.next_if(|letter| matches!(letter, '"' | '\''));
        let mut word = String::new();
        loop {
            match letters.next() {
                None if quote.is_some() => {
                    return Err(RuleError("unexpected end: a quote is not closed".to_owned()));
                }
                None => {
                    if !word.is_empty() {
                        words.push(word);
                    }
                    return Ok(words);
                }
                Some('\\') => match letters.next() {
                    Some(letter @ ('"' | '\'' | '\\')) => word.push(letter),
                    Some('t') => word.push('\t'),
                    Some('r') => word.push('\r'),
                    Some('n') => word.push('\n'),
                    // NGINX keeps the backslash before any other character.
                    Some(letter) => word.extend(['\\', letter]),
                    None => word.push('\\'),
                },
                Some(letter) if Some(letter) == quote => {
                    words.push(word);
                    break;
                }
                Some(letter) if quote.is_none() && letter.is_ascii_whitespace() => {
                    words.push(word);
                    break;
                }
                Some(';') if quote.is_none() => {
                    if !word.is_empty() {
                        words.push(word);
                    }
                    return match letters.find(|letter| !letter.is_ascii_whitespace()) {
                        None => Ok(words),
                        Some(_) => Err(RuleError(
                            "unexpected text behind \";\": one rule is accepted; a word with \";\" is quoted"
                                .to_owned(),
                        )),
                    };
                }
                Some(letter) => word.push(letter),
            }
        }
    }
}

/// Writes the directive in the syntax of nginx.conf.
pub(crate) fn write_directive(text: &SessionRule, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, "session_rule {}", text.name)?;
    let over = Some(text.over.clone());
    let values =
        [&text.on, &text.when, &text.count, &over, &text.per, &text.then, &text.mode, &text.fleet];
    for (name, value) in OPTIONS.iter().zip(values) {
        if let Some(value) = value {
            out.write_char(' ')?;
            write_word(&format!("{name}={value}"), out)?;
        }
    }
    out.write_char(';')
}

fn write_word(word: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let special = |letter: char| letter.is_whitespace() || ";{}\"'\\#".contains(letter);
    if !word.contains(special) {
        return out.write_str(word);
    }
    out.write_char('"')?;
    for letter in word.chars() {
        match letter {
            '"' | '\\' => write!(out, "\\{letter}")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            letter => out.write_char(letter)?,
        }
    }
    out.write_char('"')
}
