//! Operators of document databases in place of a value.

use std::ops::Range;

use api_sessions_values::{Mask, Place, View, is_word};

use super::javascript;

const OPERATORS: &[&[u8]] = &[
    b"all",
    b"and",
    b"elemmatch",
    b"eq",
    b"exists",
    b"expr",
    b"func",
    b"gt",
    b"gte",
    b"in",
    b"lt",
    b"lte",
    b"mod",
    b"ne",
    b"nin",
    b"nor",
    b"not",
    b"options",
    b"or",
    b"regex",
    b"size",
    b"type",
    b"where",
];

/// Pipeline stages and operators that access other collections or run code.
const STAGES: &[&[u8]] =
    &[b"accumulator", b"function", b"graphlookup", b"lookup", b"merge", b"out", b"unionwith"];

/// Operators that change a document; filters have none of them.
const UPDATES: &[&[u8]] = &[
    b"addtoset",
    b"currentdate",
    b"inc",
    b"mul",
    b"pull",
    b"pullall",
    b"push",
    b"rename",
    b"set",
    b"setoninsert",
    b"unset",
];

/// Parts of the names of fields that a login compares.
const CREDENTIALS: &[&[u8]] =
    &[b"user", b"login", b"mail", b"pass", b"pwd", b"token", b"otp", b"secret", b"uname"];

pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    if view.place == Place::Raw {
        return None;
    }
    if view.place == Place::Object {
        // Its strings are looked at one by one.
        return operator(view);
    }
    operator(view).or_else(|| cypher(view)).or_else(|| javascript::find(view))
}

/// The continuation of a value that closes a string of Cypher, N1QL or CQL.
fn cypher(view: &View<'_>) -> Option<Range<usize>> {
    if !view.mask.has(Mask::QUOTE) || view.is_prose() {
        return None;
    }
    let quotes = view.low.iter().enumerate().filter(|(_, byte)| matches!(byte, b'\'' | b'"'));
    quotes.take(16).find_map(|(quote, _)| {
        let mut next = view.behind_blanks(quote + 1);
        let mut closed = 0;
        while closed < 4 && matches!(view.at(next), b'}' | b')' | b']') {
            next = view.behind_blanks(next + 1);
            closed += 1;
        }
        let word = view.word(next);
        let behind = view.behind_blanks(next + word.len());
        let second = view.word(behind);
        let found = match word {
            b"allow" => second == b"filtering",
            b"detach" => second == b"delete",
            b"load" => second == b"csv",
            b"call" => [&b"db."[..], b"apoc.", b"dbms.", b"gds."]
                .iter()
                .any(|name| view.starts(behind, name)),
            b"match" | b"merge" | b"optional" => closed > 0 && view.at(behind) == b'(',
            b"return" | b"with" => {
                closed > 0 && !second.is_empty() && view.find_within(behind, 96, b"//").is_some()
            }
            _ => false,
        };
        found.then_some(quote..behind)
    })
}

fn operator(view: &View<'_>) -> Option<Range<usize>> {
    view.each(b'$').find_map(|at| {
        let word = view.word(at + 1);
        let end = at + 1 + word.len();
        if word.len() < 2 {
            return None;
        }
        if is_root(view, at, word, end) || is_stage(view, at, word, end) {
            return Some(at..end);
        }
        if OPERATORS.binary_search(&word).is_err() {
            return None;
        }
        let found = match view.place {
            // `user[$ne]=`: [`argument`] judges it, with name and value together.
            Place::Name => false,
            _ => in_object(view, at, word, end),
        };
        found.then_some(at..end)
    })
}

/// A JSON body whose first key is an operator: `{"$set": {…}}`, `{"$elemMatch": {…}}`.
fn is_root(view: &View<'_>, at: usize, word: &[u8], end: usize) -> bool {
    let is_operator = UPDATES.contains(&word)
        || OPERATORS.binary_search(&word).is_ok() && !matches!(word, b"options" | b"type");
    matches!(view.place, Place::Object | Place::Text)
        && is_operator
        && matches!(&view.low[..at], b"{\"" | b"{ \"")
        && view.at(view.behind_blanks(end + 1)) == b':'
        && matches!(view.at(end), b'"')
}

/// `{"$lookup": {"from": …}}`, `{"$out": "…"}`, `{"$function": {"body": …}}`.
fn is_stage(view: &View<'_>, at: usize, word: &[u8], end: usize) -> bool {
    // Update operators that only MongoDB has.
    let is_update = matches!(word, b"currentdate" | b"setoninsert" | b"addtoset" | b"pullall");
    if !is_update && !STAGES.contains(&word) {
        return false;
    }
    let before = view.before_blanks(at.saturating_sub(1));
    let opens = at > 1 && matches!(view.at(at - 1), b'"' | b'\'') && view.at(before - 1) == b'{';
    let colon = view.behind_blanks(end + 1);
    let value = view.behind_blanks(colon + 1);
    let has = |text: &[u8]| view.find_within(value, 128, text).is_some();
    opens
        && view.at(colon) == b':'
        && match word {
            b"function" => has(b"body"),
            b"accumulator" => has(b"init") || has(b"accumulate"),
            b"out" => matches!(view.at(value), b'"' | b'{') && !view.is_prose(),
            b"merge" => has(b"into"),
            b"unionwith" | b"currentdate" | b"setoninsert" | b"addtoset" | b"pullall" => true,
            _ => has(b"from"),
        }
}

/// `{"$ne": …}` in a value: an object whose first key is an operator that is always true.
fn in_object(view: &View<'_>, at: usize, word: &[u8], end: usize) -> bool {
    let mut before = view.before_blanks(at);
    let quoted = before > 0 && matches!(view.at(before - 1), b'"' | b'\'');
    if quoted {
        before = view.before_blanks(before - 1);
    }
    let opener = if before == 0 { 0 } else { view.at(before - 1) };
    if opener == b'[' && view.at(end) == b']' {
        return bracketed(view, before - 1, word, end + 1);
    }
    if !matches!(opener, b'{' | b',' | b'[' | 0) {
        return false;
    }
    let mut next = end;
    next += usize::from(quoted && matches!(view.at(next), b'"' | b'\''));
    next = view.behind_blanks(next);
    if word == b"where" && view.at(next) == b'[' {
        return true;
    }
    if view.at(next) != b':' {
        return false;
    }
    let value = view.behind_blanks(next + 1);
    let name = key_before(view, before.saturating_sub(1));
    compares(view, word, value, name, quoted)
}

/// The key of the object that opens at `open`.
fn key_before<'t>(view: &View<'t>, open: usize) -> &'t [u8] {
    let mut at = view.before_blanks(open);
    if at > 0 && view.at(at - 1) == b':' {
        at = view.before_blanks(at - 1);
        if at > 0 && matches!(view.at(at - 1), b'"' | b'\'') {
            at -= 1;
        }
        return view.word_before(at);
    }
    b""
}

/// Whether an operator with this operand matches more than a plain value would.
fn compares(view: &View<'_>, word: &[u8], value: usize, name: &[u8], quoted: bool) -> bool {
    let first = view.at(value);
    let empty = view.starts(value, b"\"\"") || view.starts(value, b"''");
    let null = view.starts(value, b"null") || view.starts(value, b"undefined");
    let is_credential = is_credential(name);
    let string = matches!(first, b'"' | b'\'');
    match word {
        b"where" | b"func" => {
            string
                || view.starts(value, b"function")
                || view.starts(value, b"this")
                || view.starts(value, b"sleep")
                || view.starts(value, b"return")
                || first.is_ascii_digit()
        }
        b"gt" | b"gte" => empty || null || is_credential || !quoted && string,
        b"ne" | b"not" => {
            empty
                || null && name.is_empty()
                || is_credential
                || is_trivial(view, value)
                || !quoted && view.place == Place::Argument
        }
        b"regex" => is_credential || catches_all(view, value + usize::from(string)) || !quoted,
        b"nin" => view.starts(view.behind_blanks(value + 1), b"]") || is_credential || !quoted,
        b"lt" | b"lte" => is_credential && !first.is_ascii_digit() || view.starts(value, b"\"~"),
        b"in" | b"exists" | b"size" | b"type" | b"mod" | b"all" | b"elemmatch" | b"eq" => {
            is_secret(name)
        }
        b"or" | b"nor" => {
            let inner = view.behind_blanks(value + 1);
            first == b'[' && (view.starts(inner, b"{}") || view.starts(inner, b"{ }")) || !quoted
        }
        _ => false,
    }
}

/// `name[$op]=value`.
pub(crate) fn argument(view: &View<'_>) -> Option<Range<usize>> {
    let open = view.find(b"[$")?;
    let word = view.word(open + 2);
    let end = open + 2 + word.len();
    if OPERATORS.binary_search(&word).is_err() || view.at(end) != b']' {
        return None;
    }
    bracketed(view, open, word, end + 1).then(|| open..end + 1)
}

fn bracketed(view: &View<'_>, open: usize, word: &[u8], end: usize) -> bool {
    // The field: `a` of `a[$ne]`, `b` of `a[b][$ne]`.
    let mut at = open;
    if at > 0 && view.at(at - 1) == b']' {
        at -= 1;
    }
    let name = view.word_before(at);
    let head = &view.low[..open];
    // Filter languages of Strapi, LoopBack and others use a fixed root name.
    let is_filter = [&b"filters"[..], b"filter", b"where", b"query", b"_where", b"populate"]
        .iter()
        .any(|root| head.starts_with(root));
    let equals = view.from(end).iter().take(32).position(|byte| *byte == b'=').map(|at| end + at);
    let value = equals.map_or(view.low.len(), |at| at + 1);
    let is_credential = is_credential(name) && !is_filter;
    let rest = view.window(value, 64);
    let empty = rest.is_empty();
    let one =
        matches!(rest, b"1" | b"-1" | b"a" | b"x" | b"foo" | b"bar" | b"toto" | b"test" | b"xyz");
    match word {
        b"where" | b"func" => {
            equals.is_none_or(|_| !rest.starts_with(b"{") && !rest.starts_with(b"["))
        }
        b"ne" => is_credential || empty || one && !is_filter,
        b"gt" | b"gte" => is_credential || empty && !is_filter,
        b"regex" => is_credential || catches_all(view, value) || !is_filter,
        b"not" => is_credential || catches_all(view, value),
        b"nin" => is_credential,
        b"exists" | b"lt" | b"lte" | b"in" | b"size" | b"type" | b"mod" | b"all" | b"elemmatch"
        | b"eq" => is_secret(name) && !is_filter,
        _ => false,
    }
}

fn is_credential(name: &[u8]) -> bool {
    CREDENTIALS.iter().any(|part| memchr::memmem::find(name, part).is_some())
}

/// Whether a field is a secret, which legitimate queries do not filter by.
fn is_secret(name: &[u8]) -> bool {
    [&b"pass"[..], b"pwd", b"token", b"otp", b"secret"]
        .iter()
        .any(|part| memchr::memmem::find(name, part).is_some())
}

/// Whether a regular expression matches nearly anything: `.*`, `^a`, `.{5}`.
fn catches_all(view: &View<'_>, at: usize) -> bool {
    let at = at + usize::from(view.at(at) == b'/');
    let text = view.window(at, 16);
    let text = text.strip_prefix(b"^").unwrap_or(text);
    text.starts_with(b".*")
        || text.starts_with(b".{")
        || text.starts_with(b".+")
        || text.starts_with(b".)")
        || text.len() < view.window(at, 16).len()
            && (text.get(1).is_none_or(|byte| matches!(byte, b'"' | b'\'' | b'.' | b'/'))
                || text.first() == Some(&b'['))
}

fn is_trivial(view: &View<'_>, at: usize) -> bool {
    let at = at + usize::from(matches!(view.at(at), b'"' | b'\''));
    let text = view.window(at, 8);
    [&b"1"[..], b"-1", b"a", b"x", b"foo", b"bar", b"null\""].iter().any(|word| {
        text.strip_prefix(*word).is_some_and(|rest| rest.first().is_none_or(|byte| !is_word(*byte)))
    })
}
