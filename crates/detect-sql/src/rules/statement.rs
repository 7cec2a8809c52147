//! Statements after a separator, or in place of a value.

use super::{Context, Reader};
use crate::tokens::{Kind, Word};
use api_sessions_values::Place;

impl Reader<'_, '_> {
    /// `; drop table x`, `; exec xp_…`, `; waitfor delay '…'`.
    pub(super) fn stacked(&self, index: usize, context: Context) -> bool {
        if context.is_query && matches!(self.view.place, Place::Text | Place::Whole)
            || self.view.is_prose()
        {
            return false;
        }
        let next = self.behind_prefix(index + 1);
        let value = context.is_value || context.quote.is_some();
        match self.kind(next) {
            Some(Kind::Word(Word::Select)) => {
                value
                    && (!matches!(self.kind(next + 1), Some(Kind::Word(Word::Plain)))
                        || self.is_sign(next + 2, b'(')
                        || self.is_word(next + 2, Word::From)
                        || self.is_sign(next + 2, b','))
            }
            Some(Kind::Word(Word::Statement)) => value && self.begins_statement(next),
            Some(Kind::Word(Word::If)) => {
                value
                    && (self.condition(next + 1, false)
                        || self.is_sign(next + 1, b'(') && self.is_word(next + 2, Word::Select))
            }
            Some(Kind::Word(Word::Plain)) => {
                self.text(next) == b"prepare" && self.is_word(next + 2, Word::From)
            }
            _ => false,
        }
    }

    /// Whether a statement begins at the token, judged by its second and third words.
    pub(super) fn begins_statement(&self, index: usize) -> bool {
        let second = self.text(index + 1);
        let third = self.text(index + 2);
        match self.text(index) {
            b"drop" | b"create" | b"alter" | b"truncate" => {
                self.is_word(index + 1, Word::Object) || second == b"alias"
            }
            b"insert" | b"replace" | b"merge" => second == b"into",
            b"delete" => second == b"from",
            b"update" => third == b"set" || second == b"set",
            b"exec" | b"execute" => {
                second.starts_with(b"xp_")
                    || second.starts_with(b"sp_")
                    || second.starts_with(b"master")
                    || self.is_sign(index + 1, b'(')
                    || second.starts_with(b"@")
                    || second == b"immediate"
                    || self.is_sign(index + 1, b'[')
                    || matches!(self.kind(index + 1), Some(Kind::Quote(_)))
            }
            b"declare" => second.starts_with(b"@"),
            b"waitfor" => matches!(second, b"delay" | b"time"),
            b"shutdown" => {
                self.is_end(index + 1)
                    || matches!(self.kind(index + 1), Some(Kind::Comment | Kind::Sign(b';')))
                    || second == b"with"
            }
            b"grant" | b"revoke" => {
                second == b"all"
                    || self.is_word(index + 2, Word::Into)
                    || third == b"to"
                    || third == b"on"
            }
            b"copy" => third == b"from" || third == b"to" || third == b"(",
            b"call" => self.is_sign(index + 2, b'('),
            b"begin" => {
                second == b"dbms_lock.sleep"
                    || second == b"declare"
                    || self.is_word(index + 1, Word::Select)
            }
            b"backup" => second == b"database" || second == b"log",
            b"load" => second == b"data",
            b"attach" => second == b"database",
            b"handler" => third == b"open",
            b"use" => {
                self.is_word(index + 1, Word::Plain)
                    && !self.is_end(index + 2)
                    && self.is_sign(index + 2, b';')
            }
            _ => false,
        }
    }

    /// The value is a complete statement that changes data, in a place where APIs hardly accept one.
    fn is_whole(&self) -> bool {
        let last = self.tokens.len() - 1;
        let ends = self.is_sign(last, b';') || self.is_sign(last, b')');
        let is_argument = !matches!(self.view.place, Place::Text | Place::Whole);
        let set = (2..6).any(|at| self.text(at) == b"set")
            && self.tokens.iter().any(|token| token.kind == Kind::Compare);
        let changes = match self.text(0) {
            b"insert" => (3..24).any(|at| matches!(self.text(at), b"values" | b"select")),
            b"delete" => ends || self.is_word(3, Word::Where),
            b"update" => set,
            b"create" => (2..8).any(|at| self.is_sign(at, b'(') || self.text(at) == b"identified"),
            b"grant" => ends && (2..8).any(|at| self.text(at) == b"to"),
            _ => ends,
        };
        is_argument && changes && (self.begins_statement(0) || self.text(0) == b"grant")
    }

    /// A value that is itself a statement; only statements that legitimate clients do not send.
    pub(super) fn statement(&self, index: usize, context: Context) -> bool {
        let behind_quote = context.quote.is_some_and(|quote| quote < index);
        let text = self.text(index);
        if self.view.is_prose() {
            return false;
        }
        match text {
            b"waitfor" => {
                self.text(index + 1) == b"delay"
                    && matches!(self.kind(index + 2), Some(Kind::Quote(_) | Kind::Number))
            }
            b"exec" | b"execute" => {
                self.text(index + 1).starts_with(b"xp_")
                    || self.text(index + 1).starts_with(b"master.")
                    || self.text(index + 1).starts_with(b"sp_")
                    || self.text(index + 1) == b"master" && self.is_sign(index + 2, b'.')
            }
            b"load" => {
                self.text(index + 1) == b"data" && self.text(index + 2) == b"infile"
                    || self.text(index + 2) == b"local"
            }
            b"drop" | b"insert" | b"delete" | b"update" => {
                index == 0 && self.is_whole()
                    || behind_quote && self.near(index, context) && self.begins_statement(index)
                    || index == 0
                        && self.begins_statement(0)
                        && !matches!(self.view.place, Place::Text | Place::Whole)
                        && self.ends_in_comment()
            }
            b"declare" => {
                self.text(index + 1).starts_with(b"@")
                    && (behind_quote
                        || index == 0
                            && (index + 2..index + 24).any(|at| {
                                matches!(self.text(at), b"exec" | b"execute" | b"select" | b"set")
                            }))
            }
            b"create" | b"grant" => index == 0 && self.is_whole(),
            // `copy t from program 'x'`, `copy (select …) to program 'x'`
            b"copy" => {
                (index == 0 || behind_quote)
                    && (index + 2..index + 24).any(|at| {
                        self.text(at) == b"program"
                            && matches!(self.text(at - 1), b"from" | b"to")
                            && matches!(self.kind(at + 1), Some(Kind::Quote(_)))
                    })
            }
            _ => false,
        }
    }
}
