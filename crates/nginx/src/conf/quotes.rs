//! Quotes in a directive. In NGINX (`ngx_conf_read_token`) a quote has a meaning only at the start of a word. Inside a
//! word it is an ordinary character, and white space, `;` or `{` still ends the word.

/// Rejoins `name="some words"`, which NGINX has split. White space between the words becomes one space.
pub(super) fn join(words: &[&str], name: &str) -> Vec<String> {
    let open = format!("{name}=\"");
    let is_closed = |word: &str| word.len() > open.len() && word.ends_with('"');
    let mut joined: Vec<String> = Vec::new();
    for word in words {
        match joined.last_mut() {
            Some(last) if last.starts_with(&open) && !is_closed(last) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => joined.push((*word).to_owned()),
        }
    }
    for word in &mut joined {
        if let Some(value) = word.strip_prefix(&open).and_then(|value| value.strip_suffix('"')) {
            *word = format!("{name}={value}");
        }
    }
    joined
}

/// Rejects a quote at the start of the value of a parameter in `syntax`.
pub(super) fn check(words: &[&str], syntax: &str) -> Result<(), String> {
    let misquoted = words.iter().find_map(|word| {
        let (name, value) = word.split_once('=')?;
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let mut known = syntax.split(|c: char| !(c.is_ascii_alphanumeric() || "_=".contains(c)));
        let is_parameter = is_name
            && known.any(|word| word.split_once('=').is_some_and(|(known, _)| known == name));
        (is_parameter && value.starts_with(['"', '\''])).then_some((word, name))
    });
    match misquoted {
        Some((word, name)) => {
            // Omits the value of a header, which may be secret.
            let word = word.split_once(": ").map_or(*word, |(begin, _)| begin);
            Err(format!(
                "invalid parameter \"{word}\": quotes must enclose the whole word, as in \"{name}=value\""
            ))
        }
        None => Ok(()),
    }
}

/// The suffix for an error message if a word has an unpaired quote.
pub(super) fn hint(words: &[&str]) -> &'static str {
    let is_torn =
        |word: &&str| ['"', '\''].iter().any(|quote| word.matches(*quote).count() % 2 == 1);
    match words.iter().any(is_torn) {
        true => "; quotes must enclose the whole word",
        false => "",
    }
}
