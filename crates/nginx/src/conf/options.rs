//! The words of a directive: positional ones, and `name=value` options.

/// Splits `word` into option name and value, if it is one of `known`.
///
/// A point may hold `=` as well, so only known names count as options.
pub fn option<'w>(word: &'w str, known: &[&'static str]) -> Option<(&'static str, &'w str)> {
    let (name, value) = word.split_once('=')?;
    known.iter().find(|candidate| **candidate == name).map(|name| (*name, value))
}

/// The value of `word`, an option of a directive that has this one alone.
pub fn only_option<'w>(word: &'w str, name: &'static str) -> Result<&'w str, String> {
    let refused = || format!("invalid parameter \"{word}\": \"{name}=\" is accepted");
    option(word, &[name]).map(|(_, value)| value).ok_or_else(refused)
}

/// The message about a value that is none of `accepted`.
pub fn invalid_value(word: &str, accepted: &str) -> String {
    format!("invalid value \"{word}\": {accepted} is accepted")
}

/// For a directive without values.
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

/// The only word of a directive that takes one.
pub fn one<'w>(words: &[&'w str]) -> Result<&'w str, String> {
    match words {
        [word] if !word.is_empty() => Ok(word),
        [] => Err("a value is missing".to_owned()),
        [_] => Err("the value is empty".to_owned()),
        [_, extra, ..] => Err(format!("unexpected \"{extra}\": one value is accepted")),
    }
}

/// Writes `value` into `slot`, once.
pub fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), String> {
    if slot.is_some() {
        return Err("is duplicate".to_owned());
    }
    *slot = Some(value);
    Ok(())
}

/// As [`once`], for one of several words: it is named.
pub fn once_word<T>(slot: &mut Option<T>, value: T, word: &str) -> Result<(), String> {
    once(slot, value).map_err(|_| format!("\"{word}\" is duplicate: one of its kind is accepted"))
}

/// A size in bytes within bounds, as NGINX writes sizes.
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

/// A size of files within bounds, as NGINX writes those (`ngx_parse_offset`: gigabytes too).
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

/// A time in milliseconds within bounds, as NGINX writes times.
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
