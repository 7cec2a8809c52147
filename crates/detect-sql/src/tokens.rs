//! SQL tokens. Each quote is a token of its own: whether it opens or closes a string depends on the query
//! around the value.

use api_sessions_values::{View, is_space, is_word};

use crate::limits::MAX_TOKENS;

/// Kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word, with its role in SQL.
    Word(Word),
    /// A number: decimal, hexadecimal or with an exponent.
    Number,
    /// `'`, `"` or a backtick.
    Quote(u8),
    /// A comparison operator.
    Compare,
    /// `||`, `&&`.
    Logic,
    /// Any other character.
    Sign(u8),
    /// `--`, `#` or an unclosed `/*`: comments out the rest.
    Comment,
}

/// Role of a word in SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// `and`, `or`, `xor`, `div`.
    AndOr,
    /// `not`.
    Not,
    /// `null`, `true`, `false`.
    Null,
    /// `union` and the other operators on sets.
    Union,
    /// `all`, `distinct`.
    All,
    /// `select`.
    Select,
    /// `from`.
    From,
    /// `where`.
    Where,
    /// Comparisons by words: `like`, `in`, `between`.
    Like,
    /// `order`, `group`.
    Order,
    /// `by`.
    By,
    /// `having`.
    Having,
    /// `limit`, `offset`, `procedure`.
    Limit,
    /// `case`.
    Case,
    /// Words that begin a statement: `drop`, `insert`.
    Statement,
    /// Words that follow those: `table`, `database`.
    Object,
    /// `into`, `outfile`, `dumpfile`.
    Into,
    /// `if`, `iif`.
    If,
    /// Any other word.
    Plain,
}

/// A token and its position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    /// Kind of the token.
    pub(crate) kind: Kind,
    /// Offset of its first byte.
    pub(crate) start: u32,
    /// Offset after its last byte.
    pub(crate) end: u32,
    /// Whether blanks or a comment precede it.
    pub(crate) spaced: bool,
}

/// Buffer for the tokens of a value, reused across values.
#[derive(Debug, Default)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// Tokens of the last value.
    pub(crate) fn all(&self) -> &[Token] {
        &self.0
    }
}

/// Splits a value into tokens.
pub(crate) fn cut(view: &View<'_>, tokens: &mut Tokens) {
    let tokens = &mut tokens.0;
    tokens.clear();
    let low = view.low;
    let (mut at, mut spaced) = (0, false);
    let mut plain = 0;
    while at < low.len() && tokens.len() < MAX_TOKENS {
        let byte = low[at];
        let start = at;
        if is_space(byte) || byte == 0 || byte == 0xA0 || byte < 0x20 {
            at += 1;
            spaced = true;
            continue;
        }
        let kind = if is_word(byte) || byte == b'@' || byte >= 0x80 {
            at += 1;
            let numeric = byte.is_ascii_digit();
            while at < low.len()
                && (is_word(low[at])
                    || low[at] >= 0x80
                    || matches!(low[at], b'@' | b'$')
                    || low[at] == b'.' && low.get(at + 1).is_some_and(|byte| is_word(*byte)))
            {
                at += 1;
            }
            if numeric {
                at = glued(low, start, at);
            }
            let text = &low[start..at];
            if numeric && is_number(text) { Kind::Number } else { Kind::Word(word(text)) }
        } else {
            let next = low.get(at + 1).copied().unwrap_or(0);
            at += 1;
            match (byte, next) {
                (b'\'' | b'"' | b'`', _) => Kind::Quote(byte),
                (b'-', b'-') => {
                    at += 1;
                    Kind::Comment
                }
                (b'#', _) => Kind::Comment,
                (b'/', b'*') => {
                    // `/*!50000 … */` is executed by MySQL; other comments count as blanks.
                    if low.get(at + 1) == Some(&b'!') {
                        at += 2;
                        at += low[at..]
                            .iter()
                            .take(6)
                            .take_while(|byte| byte.is_ascii_digit())
                            .count();
                        spaced = true;
                        continue;
                    }
                    match memchr::memmem::find(&low[at + 1..low.len().min(at + 257)], b"*/") {
                        Some(length) => {
                            at += length + 3;
                            spaced = true;
                            continue;
                        }
                        None => {
                            at += 1;
                            Kind::Comment
                        }
                    }
                }
                (b'*', b'/') => {
                    at += 1;
                    spaced = true;
                    continue;
                }
                (b'|', b'|') | (b'&', b'&') => {
                    at += 1;
                    Kind::Logic
                }
                (b'=' | b'<' | b'>' | b'!', b'=' | b'>') => {
                    at += 1;
                    if low.get(at) == Some(&b'>') {
                        at += 1
                    }
                    Kind::Compare
                }
                (b'=' | b'<' | b'>', _) => Kind::Compare,
                _ => Kind::Sign(byte),
            }
        };
        plain = if kind == Kind::Word(Word::Plain) { plain + 1 } else { 0 };
        if plain > 3 {
            // Prose: only the first two words of the run and the last matter.
            tokens.pop();
        }
        tokens.push(Token { kind, start: start as u32, end: at as u32, spaced });
        spaced = false;
    }
    view.spend(low.len());
}

/// End of a number that a keyword directly follows: `0.0union`, `1or`.
fn glued(low: &[u8], start: usize, end: usize) -> usize {
    let digits =
        low[start..end].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let rest = &low[start + digits..end];
    let exponent = rest.strip_prefix(b"e").map_or(0, |power| {
        let count = power.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count > 0 { count + 1 } else { 0 }
    });
    let rest = &rest[exponent..];
    let is_keyword = [
        &b"union"[..],
        b"and",
        b"or",
        b"xor",
        b"select",
        b"like",
        b"from",
        b"where",
        b"div",
        b"order",
        b"having",
    ]
    .contains(&rest)
        || rest.starts_with(b"union")
        || rest.starts_with(b"from");
    if is_keyword { start + digits + exponent } else { end }
}

/// Decimal, `0x…`, `1e5`, `1.0`.
fn is_number(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    digits == text.len()
        || text.starts_with(b"0x") && text[2..].iter().all(u8::is_ascii_hexdigit)
        || text[digits] == b'e' && text[digits + 1..].iter().all(u8::is_ascii_digit)
}

fn word(text: &[u8]) -> Word {
    if text.len() > 11 {
        return Word::Plain;
    }
    match text {
        b"or" | b"and" | b"xor" | b"div" => Word::AndOr,
        b"not" => Word::Not,
        b"null" | b"true" | b"false" => Word::Null,
        b"union" | b"intersect" | b"except" | b"minus" => Word::Union,
        b"all" | b"distinct" | b"distinctrow" => Word::All,
        b"select" => Word::Select,
        b"from" => Word::From,
        b"where" => Word::Where,
        b"like" | b"rlike" | b"regexp" | b"in" | b"between" | b"is" | b"ilike" | b"glob"
        | b"sounds" | b"similar" => Word::Like,
        b"order" | b"group" => Word::Order,
        b"by" => Word::By,
        b"having" => Word::Having,
        b"limit" | b"offset" | b"procedure" => Word::Limit,
        b"case" => Word::Case,
        b"drop" | b"insert" | b"update" | b"delete" | b"exec" | b"execute" | b"declare"
        | b"waitfor" | b"shutdown" | b"create" | b"alter" | b"grant" | b"truncate" | b"copy"
        | b"call" | b"merge" | b"replace" | b"begin" | b"backup" | b"load" | b"handler"
        | b"revoke" | b"use" | b"attach" => Word::Statement,
        b"table" | b"database" | b"user" | b"view" | b"delay" | b"data" | b"login"
        | b"function" | b"schema" | b"index" | b"trigger" | b"role" | b"index_name"
        | b"extension" => Word::Object,
        b"into" | b"outfile" | b"dumpfile" => Word::Into,
        b"if" | b"iif" => Word::If,
        _ => Word::Plain,
    }
}
