//! JavaScript that databases evaluate in queries.

use std::ops::Range;

use api_sessions_values::{Mask, Place, View, is_word};

pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    statement(view).or_else(|| endless(view))
}

/// JavaScript that a query evaluates.
fn statement(view: &View<'_>) -> Option<Range<usize>> {
    if view.is_prose() || view.is_page() {
        return None;
    }
    for start in memchr::memmem::find_iter(view.low, b"db.").take(16) {
        let begins = start == 0 || !is_word(view.at(start - 1)) && view.at(start - 1) != b'.';
        let name = view.word(start + 3);
        let method = start + 4 + name.len();
        let word = view.word(method);
        let calls = view.at(method + word.len()) == b'(';
        let known = [
            &b"insert"[..],
            b"find",
            b"remove",
            b"drop",
            b"update",
            b"delete",
            b"count",
            b"dropdatabase",
            b"aggregate",
            b"save",
            b"insertone",
            b"insertmany",
            b"findone",
        ]
        .contains(&word);
        let own = matches!(
            name,
            b"dropdatabase"
                | b"getcollectionnames"
                | b"version"
                | b"getname"
                | b"eval"
                | b"getmongo"
                | b"adduser"
                | b"admincommand"
                | b"runcommand"
                | b"createuser"
                | b"shutdownserver"
        );
        let alone = !matches!(view.place, Place::Text | Place::Whole) || view.low.len() < 120;
        if begins
            && alone
            && (!name.is_empty() && calls && known
                || own && view.at(start + 3 + name.len()) == b'(')
        {
            return Some(start..method + word.len());
        }
    }
    let first = view.behind_blanks(0);
    if view.starts(first, b"this.")
        && [&b".match("[..], b"==", b"!="]
            .iter()
            .any(|text| view.find_within(5, 48, text).is_some())
    {
        return Some(0..view.low.len().min(48));
    }
    // `|| 1==1`, inserted into a statement.
    if view.starts(0, b"||") || view.starts(0, b"&&") {
        let left = view.behind_blanks(2);
        let word = view.word(left);
        let equals = view.behind_blanks(left + word.len());
        if word.first().is_some_and(u8::is_ascii_digit) && view.starts(equals, b"==") {
            return Some(0..equals + 2);
        }
    }
    const WORDS: [&[u8]; 8] =
        [b"return", b"this", b"while", b"sleep", b"it=", b"var", b"==", b"!="];
    if !WORDS.iter().any(|word| view.find(word).is_some()) {
        return None;
    }
    for quote in view
        .low
        .iter()
        .enumerate()
        .filter(|(_, byte)| matches!(byte, b'\'' | b'"' | b';' | b'|' | b'&'))
        .map(|(at, _)| at)
    {
        if view.is_spent() {
            return None;
        }
        let is_quote = view.at(quote) != b';';
        let mut next = view.behind_blanks(quote + 1);
        // Any characters that close the surrounding expression.
        for _ in 0..4 {
            match view.at(next) {
                b'}' | b')' | b';' | b',' | b'|' | b'&' => next = view.behind_blanks(next + 1),
                _ => break,
            }
        }
        let word = view.word(next);
        let behind = next + word.len();
        let found = match word {
            b"return" => {
                let value = view.behind_blanks(behind);
                let operand = view.word(value);
                // `'return'` is a word in quotes.
                let is_word = value == quote + 7;
                let is_text = matches!(view.place, Place::Text | Place::Whole);
                // The last line of a function in code that people post.
                if is_text && !view.hid_lines && view.low[quote..next].contains(&b'\n') {
                    continue;
                }
                // The end of a script in an attribute of pasted HTML.
                let is_script = matches!(view.at(quote.wrapping_sub(1)), b')' | b'}');
                matches!(operand, b"true" | b"this" | b"1") && !(is_text && !is_quote && is_script)
                    || matches!(operand, b"false" | b"0") && (is_quote || !is_text) && !is_script
                    || view.starts(value, b"(true)")
                    || view.starts(value, b"(1)")
                    || operand.is_empty()
                        && matches!(view.at(value), b'\'' | b'"')
                        && is_quote
                        && !is_word
            }
            b"this" => {
                view.at(behind) == b'.'
                    && (view.find_within(behind, 48, b"==").is_some()
                        || view.find_within(behind, 48, b"!=").is_some()
                        || view.find_within(behind, 48, b".match(").is_some()
                        || view.find_within(behind, 48, b"[").is_some()
                        || view.find_within(behind, 48, b".length").is_some())
            }
            b"while" => view.starts(behind, b"(true)") || view.starts(behind, b"(1)"),
            b"sleep" => {
                let is_text = matches!(view.place, Place::Text | Place::Whole);
                let digits = view.word(behind + 1);
                view.at(behind) == b'('
                    && digits.first().is_some_and(u8::is_ascii_digit)
                    && view.at(quote) != b'|'
                    && view.at(quote) != b'&'
                    // `4711;sleep(5000)`
                    && (is_quote || !is_text && view.at(behind + 1 + digits.len()) == b')')
            }
            b"it" => view.starts(behind, b"=new%20date") || view.starts(behind, b"=new date"),
            b"var" => view.find_within(behind, 40, b"new date()").is_some(),
            b"1" | b"0" => {
                view.starts(view.behind_blanks(behind), b"==") && is_quote && next > quote + 2
            }
            _ => false,
        };
        if found {
            return Some(quote..behind);
        }
        if matches!(view.at(quote), b'\'' | b'"') && double_equals(view, quote) {
            return Some(quote..(quote + 16).min(view.low.len()));
        }
    }
    None
}

/// `while(true);`, `while(!null){}`: a loop that never ends, as the whole value or behind a quote.
fn endless(view: &View<'_>) -> Option<Range<usize>> {
    const MAX_BYTES: usize = 120;
    const CONSTANTS: &[&[u8]] = &[
        b"array",
        b"date",
        b"false",
        b"function",
        b"infinity",
        b"math",
        b"new",
        b"null",
        b"number",
        b"object",
        b"regexp",
        b"string",
        b"true",
        b"undefined",
    ];
    if view.low.len() > MAX_BYTES || !view.mask.has(Mask::PAREN) {
        return None;
    }
    let start = view.find(b"while")?;
    let paren = view.behind_blanks(start + 5);
    let length = memchr::memchr(b')', view.window(paren + 1, 48))?;
    let condition = view.window(paren + 1, length);
    let before = view.before_blanks(start);
    let begins = before == 0 || matches!(view.at(before - 1), b';' | b'\'' | b'"' | b'}');
    let is_constant =
        |word: &[u8]| word.iter().all(u8::is_ascii_digit) || CONSTANTS.contains(&word);
    let words = condition.split(|byte| !is_word(*byte)).filter(|word| !word.is_empty());
    let is_plain = |byte: &u8| is_word(*byte) || b" !-+'\"`[]{}~".contains(byte);
    let end = view.behind_blanks(paren + length + 2);
    let has_no_body = matches!(view.at(end), b';' | 0) || view.starts(end, b"{}");
    (view.at(paren) == b'('
        && begins
        && has_no_body
        && !condition.trim_ascii().is_empty()
        && condition.iter().all(is_plain)
        && words.into_iter().all(is_constant))
    .then_some(start..paren + length + 2)
}

/// `'a'=='a`, `'=='`: a JavaScript comparison after `||` or `&&`.
fn double_equals(view: &View<'_>, quote: usize) -> bool {
    let operator = view.behind_blanks(quote + 1);
    if !(view.starts(operator, b"||") || view.starts(operator, b"&&")) {
        return false;
    }
    let operand = view.behind_blanks(operator + 2);
    view.find_within(operand, 24, b"==").is_some()
        || view.find_within(operand, 24, b"!=").is_some()
            && matches!(view.at(operand), b'\'' | b'"')
}
