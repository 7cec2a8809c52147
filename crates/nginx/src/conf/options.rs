//! The arguments of a directive: positional words and `name=value` options.

/// Splits `word` into option name and value, if the name is one of `known`.
///
/// Points may contain `=` too, so a word with another name is positional.
pub fn option<'w>(word: &'w str, known: &[&'static str]) -> Option<(&'static str, &'w str)> {
    let (name, value) = word.split_once('=')?;
    known.iter().find(|candidate| **candidate == name).map(|name| (*name, value))
}

/// The value of `word`, for a directive whose only option is `name`.
pub fn only_option<'w>(word: &'w str, name: &'static str) -> Result<&'w str, String> {
    let refused = || format!("invalid parameter \"{word}\": \"{name}=\" is accepted");
    option(word, &[name]).map(|(_, value)| value).ok_or_else(refused)
}

/// The message for a value that is not among `accepted`.
pub fn invalid_value(word: &str, accepted: &str) -> String {
    format!("invalid value \"{word}\": {accepted} is accepted")
}

/// Checks the arguments of a directive that takes none.
pub fn none(words: &[&str]) -> Result<(), String> {
    match words.first() {
        Some(word) => Err(format!("unexpected \"{word}\": no values are accepted")),
        None => Ok(()),
    }
}

/// `on` or `off`.
pub fn on_off(word: &str) -> Result<bool, String> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(invalid_value(other, "\"on\" or \"off\"")),
    }
}

/// The argument of a directive that takes exactly one, not empty.
pub fn one<'w>(words: &[&'w str]) -> Result<&'w str, String> {
    match words {
        [word] if !word.is_empty() => Ok(word),
        [] => Err("a value is missing".to_owned()),
        [_] => Err("the value is empty".to_owned()),
        [_, extra, ..] => Err(format!("unexpected \"{extra}\": one value is accepted")),
    }
}

/// Sets `slot`, or fails if it is already set.
pub fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), String> {
    if slot.is_some() {
        return Err("is duplicate".to_owned());
    }
    *slot = Some(value);
    Ok(())
}

/// Like [`once`], for one of several arguments: the message names `word`.
pub fn once_word<T>(slot: &mut Option<T>, value: T, word: &str) -> Result<(), String> {
    once(slot, value).map_err(|_| format!("\"{word}\" is duplicate: one of its kind is accepted"))
}

/// A size in bytes within `bounds`, in NGINX's syntax (`ngx_parse_size`).
pub fn size(text: &str, bounds: std::ops::RangeInclusive<usize>) -> Result<usize, String> {
    let size = super::parse_size(text).ok_or_else(|| {
        format!("invalid size \"{text}\": a number with an optional \"k\" or \"m\" is accepted")
    })?;
    if !bounds.contains(&size) {
        let (least, most) = (bounds.start(), bounds.end());
        return Err(format!("invalid size \"{text}\": {least} to {most} bytes are accepted"));
    }
    Ok(size)
}

/// A file size in bytes within `bounds`, in NGINX's syntax (`ngx_parse_offset`: also `g`).
pub fn offset(text: &str, bounds: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let size = super::parse_offset(text).ok_or_else(|| {
        format!(
            "invalid size \"{text}\": a number with an optional \"k\", \"m\" or \"g\" is accepted"
        )
    })?;
    if !bounds.contains(&size) {
        let (least, most) = (bounds.start(), bounds.end());
        return Err(format!("invalid size \"{text}\": {least} to {most} bytes are accepted"));
    }
    Ok(size)
}

/// A time in milliseconds within `bounds`, in NGINX's syntax (`ngx_parse_time`).
pub fn time_ms(text: &str, bounds: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let ms = super::parse_time_ms(text).ok_or_else(|| {
        format!("invalid time \"{text}\": a number with \"ms\", \"s\", \"m\", \"h\" or \"d\" is accepted")
    })?;
    if !bounds.contains(&ms) {
        let (least, most) = (bounds.start(), bounds.end());
        return Err(format!(
            "invalid time \"{text}\": {least} to {most} milliseconds are accepted"
        ));
    }
    Ok(ms)
}
