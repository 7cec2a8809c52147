//! Words that a point consists of: `a.b["c.d"][0]`.

use super::point_error::PointError;

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word<'t> {
    /// `name`, after a dot or at the start.
    Name(&'t str),
    /// `["any text"]`.
    Quoted(&'t str),
    /// `[3]`.
    Index(u32),
}

/// Splits the text of a point into words.
pub(super) fn words(text: &str) -> Result<Vec<Word<'_>>, PointError> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        // A name is required at the start and after a dot.
        let end = rest.find(['.', '[', ']', '"', ' ']).unwrap_or(rest.len());
        if end == 0 {
            return Err(PointError::ExpectedName {
                point: text.to_owned(),
                at: text.len() - rest.len(),
            });
        }
        words.push(Word::Name(&rest[..end]));
        rest = &rest[end..];
        while let Some(inside) = rest.strip_prefix('[') {
            let (word, behind) = bracket(text, inside)?;
            words.push(word);
            rest = behind;
        }
        match rest.strip_prefix('.') {
            Some(behind) => rest = behind,
            None if rest.is_empty() => return Ok(words),
            None => {
                let at = text.len() - rest.len();
                return Err(PointError::Unexpected { point: text.to_owned(), at });
            }
        }
    }
}

/// Parses what follows an opening bracket, including the closing one.
fn bracket<'t>(text: &str, inside: &'t str) -> Result<(Word<'t>, &'t str), PointError> {
    let bad =
        || PointError::BadBracket { point: text.to_owned(), at: text.len() - inside.len() - 1 };
    if let Some(quoted) = inside.strip_prefix('"') {
        let end = quoted.find("\"]").ok_or_else(bad)?;
        let word = &quoted[..end];
        return if word.is_empty() {
            Err(bad())
        } else {
            Ok((Word::Quoted(word), &quoted[end + 2..]))
        };
    }
    let end = inside.find(']').ok_or_else(bad)?;
    let number = inside[..end].parse().map_err(|_| bad())?;
    Ok((Word::Index(number), &inside[end + 1..]))
}
