//! Clauses of a query: `union`, `select`, `order by`, `limit`, `case`.

use super::{Context, Reader, function};
use crate::tokens::{Kind, Word};
use api_sessions_values::Place;

impl Reader<'_, '_> {
    /// `union [all] select`, but not in a sentence.
    pub(super) fn union(&self, index: usize, _context: Context) -> bool {
        let mut next = index + 1;
        for _ in 0..5 {
            match self.kind(next) {
                Some(Kind::Word(Word::All))
                | Some(Kind::Sign(b'(' | b'%' | b'+' | b'-' | b'!'))
                | Some(Kind::Comment) => next += 1,
                _ => break,
            }
        }
        if self.text(next) == b"values" {
            return self.is_sign(next + 1, b'(');
        }
        if !self.is_word(next, Word::Select) {
            return false;
        }
        let item = next + 1;
        match self.kind(item) {
            None => index > 0 || self.tokens.len() > 2,
            Some(Kind::Word(Word::Plain)) => {
                matches!(
                    self.kind(item + 1),
                    Some(Kind::Sign(b',' | b'(' | b'+' | b'|'))
                        | Some(Kind::Word(Word::From))
                        | Some(Kind::Logic)
                        | Some(Kind::Comment)
                ) || self.is_end(item + 1) && index > 0
            }
            Some(_) => true,
        }
    }

    /// `1' order by 9--`, `1 group by x having`.
    pub(super) fn sorted(&self, index: usize, context: Context) -> bool {
        let behind_quote =
            context.quote.is_some_and(|quote| quote < index) && self.near(index, context);
        let numeric = index > 0
            && index <= 3
            && matches!(
                self.kind(index - 1),
                Some(Kind::Number | Kind::Sign(b')') | Kind::Word(Word::Null))
            );
        if !self.is_word(index + 1, Word::By) || context.is_query {
            return false;
        }
        let by = index + 2;
        let numbered = matches!(self.kind(by), Some(Kind::Number)) || self.is_sign(by, b'(');
        let ends = self.is_end(by + 1)
            || matches!(self.kind(by + 1), Some(Kind::Comment | Kind::Sign(b',' | b';' | b')')));
        (behind_quote || numeric)
            && (numbered || ends || self.ends_in_comment() || self.is_word(by + 1, Word::Having))
            || index == 0
                && numbered
                && (self.ends(by + 1) || self.ends_in_comment())
                && self.tokens.len() <= 6
    }

    /// Whether one of two adjacent words is a keyword of `case when … then … else … end`.
    fn is_of_case(&self, index: usize) -> bool {
        let is = |at| matches!(self.text(at), b"when" | b"then" | b"else" | b"end");
        is(index) || is(index - 1)
    }

    /// `(select … from …)` in a value; `select` with functions or system tables of a database.
    pub(super) fn select(&self, index: usize, context: Context) -> bool {
        let nested = index > 0 && self.is_sign(index - 1, b'(');
        let first = index == 0 || nested && index <= 2;
        let variable = self.text(index + 1).starts_with(b"@@");
        if index == 0 && variable && self.tokens.len() <= 6 {
            return true;
        }
        let behind_quote = context.quote.is_some_and(|quote| quote < index);
        // The select list: two adjacent words mean prose.
        let mut at = index + 1;
        let mut last_word = false;
        let mut from = None;
        let mut telling = false;
        let is_case = self.is_word(index + 1, Word::Case);
        for _ in 0..40 {
            match self.kind(at) {
                None => break,
                Some(Kind::Word(Word::From)) => {
                    from = Some(at);
                    break;
                }
                Some(Kind::Word(Word::Plain)) => {
                    if last_word
                        && self.text(at) != b"as"
                        && self.text(at - 1) != b"as"
                        && self.text(at - 1) != b"top"
                        && !(is_case && self.is_of_case(at))
                    {
                        return false;
                    }
                    telling |= self.is_telling(at);
                    last_word = true;
                }
                Some(Kind::Comment) => break,
                Some(Kind::Sign(b';')) => break,
                _ => last_word = false,
            }
            at += 1;
        }
        self.view.spend(at - index);
        let list = at > index + 1;
        let called = self.is_sign(index + 2, b'(') && function::is_known(self.text(index + 1));
        if telling && list && !self.view.is_prose() {
            return true;
        }
        if nested && !context.is_query && context.is_value && !self.view.is_prose() {
            let dual = matches!(
                self.kind(index + 1),
                Some(Kind::Number | Kind::Quote(_) | Kind::Sign(b'(' | b'*'))
            );
            return from.is_some() || called || dual || variable || self.text(index + 1) == b"top";
        }
        if behind_quote
            && list
            && (from.is_some() || called)
            && self.view.low.len() < 2048
            && !self.view.is_prose()
        {
            return true;
        }
        let is_argument = !matches!(self.view.place, Place::Text | Place::Whole);
        if first && from.is_some_and(|from| self.is_telling(from + 1)) && !self.view.is_prose() {
            return true;
        }
        if first && is_argument {
            // A whole query that waits or reads database internals, in a place where APIs hardly accept one.
            return called
                && matches!(
                    self.text(index + 1),
                    b"sleep"
                        | b"char"
                        | b"version"
                        | b"current_database"
                        | b"current_setting"
                        | b"system_user"
                        | b"db_name"
                        | b"host_name"
                        | b"unhex"
                        | b"hex"
                        | b"substring"
                        | b"count"
                        | b"md5"
                        | b"database"
                        | b"user"
                        | b"load_file"
                        | b"benchmark"
                        | b"pg_sleep"
                        | b"concat"
                        | b"ascii"
                        | b"case"
                        | b"if"
                )
                || from.is_some_and(|from| self.is_telling(from + 1))
                || self.text(index + 1).starts_with(b"@@")
                || from.is_some() && self.ends_in_comment()
                || self.is_word(index + 1, Word::Case) && self.text(index + 2) == b"when"
                || self.is_sign(index + 1, b'*')
                    && self.tokens.len() <= 6
                    && matches!(
                        self.text(3),
                        b"users" | b"user" | b"admin" | b"accounts" | b"members"
                    )
                || matches!(
                    self.text(index + 1),
                    b"session_user" | b"current_user" | b"user" | b"system_user"
                ) && (self.ends(index + 2) || from == Some(index + 2));
        }
        from.is_some_and(|from| self.is_telling(from + 1))
            && !context.is_query
            && !self.view.is_prose()
    }

    /// `1 limit 1,1`, `procedure analyse(`.
    pub(super) fn limit(&self, index: usize, context: Context) -> bool {
        if self.text(index) == b"procedure" {
            return self.text(index + 1) == b"analyse" && self.is_sign(index + 2, b'(');
        }
        context.quote.is_some_and(|quote| quote < index)
            && self.near(index, context)
            && self.kind(index + 1) == Some(Kind::Number)
    }

    /// `if(1=1,` or `case when 1=1 then`, as the whole value.
    pub(super) fn cases(&self, index: usize, context: Context, behind_quote: bool) -> bool {
        if self.view.is_prose() || context.is_query {
            return false;
        }
        let first = index <= 2
            || behind_quote
            || matches!(self.kind(index - 1), Some(Kind::Sign(b'(' | b',' | b'+' | b'-')));
        if self.is_word(index, Word::Case) {
            return first
                && self.text(index + 1) == b"when"
                && self.condition(index + 2, true)
                && (behind_quote
                    || self.condition(index + 2, false)
                    || context.is_value && self.is_sign(index + 2, b'('));
        }
        // `if (1=1) waitfor`, `if(now()=sysdate(),sleep(5),0)`
        first && self.is_sign(index + 1, b'(') && {
            let window = self.view.window(self.tokens[index].start as usize, 160);
            self.view.spend(window.len());
            let has = |text: &[u8]| memchr::memmem::find(window, text).is_some();
            has(b"sleep(")
                || has(b"benchmark(")
                || has(b"waitfor")
                || has(b"select ")
                || self.condition(index + 2, false)
                    && window.contains(&b',')
                    && !window.contains(&b'{')
        }
    }
}
