//! Token sequences of an injection.

mod condition;
mod function;
mod query;
mod statement;

use std::ops::Range;

use crate::tokens::{Kind, Token, Word};
use api_sessions_values::{Place, View};

pub(super) fn find(view: &View<'_>, tokens: &[Token]) -> Option<Range<usize>> {
    let reader = Reader { view, tokens };
    let context = reader.context();
    for (index, token) in tokens.iter().enumerate() {
        if view.is_spent() {
            return None;
        }
        view.spend(2);
        if reader.is_attack(index, context) {
            let start = token.start as usize;
            return Some(start..(start + 48).min(view.low.len()));
        }
    }
    None
}

/// Context of a value, derived from its first tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Context {
    /// Index of the quote that closes the string around the value.
    quote: Option<usize>,
    /// The value begins with a statement: it is a query of its own.
    is_query: bool,
    /// The value looks like one value: short, or begins with a number or a quote.
    is_value: bool,
}

struct Reader<'r, 'v> {
    view: &'r View<'v>,
    tokens: &'r [Token],
}

impl Reader<'_, '_> {
    fn kind(&self, index: usize) -> Option<Kind> {
        self.tokens.get(index).map(|token| token.kind)
    }

    fn text(&self, index: usize) -> &[u8] {
        self.tokens
            .get(index)
            .map_or(b"", |token| &self.view.low[token.start as usize..token.end as usize])
    }

    fn is_word(&self, index: usize, word: Word) -> bool {
        self.kind(index) == Some(Kind::Word(word))
    }

    fn is_sign(&self, index: usize, sign: u8) -> bool {
        self.kind(index) == Some(Kind::Sign(sign))
    }

    fn is_spaced(&self, index: usize) -> bool {
        self.tokens.get(index).is_some_and(|token| token.spaced)
    }

    /// A single word between two quotes.
    fn is_quoted(&self, index: usize) -> bool {
        matches!(self.kind(index + 1), Some(Kind::Quote(_)))
            && !self.is_spaced(index)
            && !self.is_spaced(index + 1)
            && !self.is_spaced(index + 2) | (self.tokens.len() <= index + 4)
    }

    fn is_end(&self, index: usize) -> bool {
        index >= self.tokens.len()
    }

    /// Index after opening parentheses, signs and negations.
    fn behind_prefix(&self, mut index: usize) -> usize {
        for _ in 0..6 {
            match self.kind(index) {
                Some(Kind::Sign(b'(' | b'!' | b'~' | b'-' | b'+'))
                | Some(Kind::Word(Word::Not)) => index += 1,
                _ => break,
            }
        }
        index
    }

    fn context(&self) -> Context {
        let first = self.kind(0);
        let mut quote = None;
        for index in 0..self.tokens.len().min(10) {
            if let Some(Kind::Quote(mark)) = self.kind(index) {
                if mark == b'`' {
                    continue;
                }
                // After an operator or a bracket, a quote opens a string.
                let opens = index > 0
                    && (matches!(
                        self.kind(index - 1),
                        Some(Kind::Compare | Kind::Sign(b',' | b':' | b'[' | b'{' | b'~'))
                    ) || self.is_word(index - 1, Word::Like)
                        || self.is_word(index - 1, Word::Select))
                    || index > 0 && self.is_sign(index - 1, b'(') && index > 1;
                // Also at the start, if a word follows directly.
                let touches = self.tokens.get(index + 1).is_some_and(|next| {
                    !next.spaced && matches!(next.kind, Kind::Word(Word::Plain) | Kind::Number)
                });
                let word_before = index > 0 && !self.is_spaced(index);
                let is_string = index == 0 && self.closes(index, mark);
                if !opens && !(touches && (word_before || is_string)) {
                    quote = Some(index);
                }
                break;
            }
        }
        let is_query = matches!(first, Some(Kind::Word(Word::Select | Word::Statement)))
            || self.text(0) == b"with"
            || self.text(0) == b"explain"
            || self.text(0) == b"show";
        let words = self
            .tokens
            .iter()
            .filter(|token| token.kind == Kind::Word(Word::Plain))
            .take(40)
            .count();
        let is_value = matches!(
            first,
            Some(Kind::Number | Kind::Quote(_) | Kind::Sign(_) | Kind::Logic | Kind::Comment)
        ) || quote.is_some()
            || words < 12;
        Context { quote, is_query, is_value }
    }

    /// Whether a quote of this kind closes the string within the next tokens.
    fn closes(&self, index: usize, mark: u8) -> bool {
        (index + 1..index + 12).any(|at| self.kind(at) == Some(Kind::Quote(mark)))
    }

    /// Whether the token follows a value: a number, a quote, a closing parenthesis, or the start.
    fn behind_value(&self, index: usize, context: Context) -> bool {
        if index == 0 {
            return true;
        }
        match self.kind(index - 1) {
            Some(
                Kind::Number
                | Kind::Quote(_)
                | Kind::Sign(b')' | b']' | b'%' | b'*' | b';')
                | Kind::Comment,
            ) => true,
            Some(Kind::Word(Word::Null)) => true,
            // `abc or 1=1`: a single word before it.
            Some(Kind::Word(_)) => {
                index == 1 && self.view.place != Place::Text
                    || context.quote.is_some_and(|quote| quote < index)
            }
            _ => false,
        }
    }

    fn is_attack(&self, index: usize, context: Context) -> bool {
        let behind_quote = context.quote.is_some_and(|quote| quote < index);
        match self.tokens[index].kind {
            Kind::Word(Word::Union) => self.union(index, context),
            Kind::Word(Word::AndOr) if index == 0 && self.continues() => true,
            Kind::Word(Word::AndOr) | Kind::Logic => {
                self.logic(index, context) || self.tautology(index)
            }
            Kind::Sign(b'|' | b'&' | b'^' | b'*' | b'-' | b'+' | b'/' | b'%')
                if behind_quote || index > 0 && self.kind(index - 1) == Some(Kind::Number) =>
            {
                self.sum(index, context)
            }
            Kind::Quote(_) => {
                context.quote == Some(index) && self.cut_off(index)
                    || self.tiny(index)
                    || self.leaves_path(index)
            }
            Kind::Sign(b';') => self.stacked(index, context),
            Kind::Word(Word::Order) => self.sorted(index, context),
            Kind::Word(Word::Having) => {
                (self.behind_value(index, context) || behind_quote)
                    && self.condition(index + 1, true)
                    && context.is_value
            }
            Kind::Word(Word::Select) => self.select(index, context),
            Kind::Word(Word::Into) => {
                matches!(self.text(index), b"outfile" | b"dumpfile")
                    && matches!(self.kind(index + 1), Some(Kind::Quote(_) | Kind::Number))
            }
            Kind::Word(Word::Statement) => self.statement(index, context),
            Kind::Word(Word::Limit) => self.limit(index, context),
            Kind::Word(Word::Case | Word::If) => self.cases(index, context, behind_quote),
            Kind::Word(Word::Where) => {
                behind_quote && self.condition(index + 1, true) && self.ends_in_comment()
            }
            Kind::Word(Word::Like) => {
                behind_quote
                    && context.quote == index.checked_sub(1)
                    && self.compared(index)
                    && !self.is_quoted(index)
            }
            Kind::Compare => {
                behind_quote && context.quote == index.checked_sub(1) && self.compared(index)
            }
            Kind::Word(Word::Plain) => self.telling(index, context),
            _ => false,
        }
    }

    /// Whether the value ends at the token or is cut off by a comment or a semicolon.
    fn ends(&self, index: usize) -> bool {
        self.is_end(index) || matches!(self.kind(index), Some(Kind::Comment | Kind::Sign(b';')))
    }

    fn ends_in_comment(&self) -> bool {
        self.tokens.iter().rev().take(6).any(|token| token.kind == Kind::Comment)
    }
}
