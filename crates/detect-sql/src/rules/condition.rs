//! Operands, comparisons and the conditions after `or` and `and`.

use super::{Context, Reader, function};
use crate::tokens::{Kind, Word};
use api_sessions_values::Place;

/// End of an operand, and whether it is a literal or a call of a known function.
struct Operand {
    end: usize,
    literal: bool,
}

impl Reader<'_, '_> {
    /// The operand that begins at a token. `None`: no operand begins there.
    fn operand(&self, index: usize) -> Option<Operand> {
        let index = self.behind_prefix(index);
        Some(match self.kind(index)? {
            Kind::Number | Kind::Word(Word::Null) => Operand { end: index + 1, literal: true },
            Kind::Quote(mark) => {
                // `'a'`, `''`, or `'a` whose closing quote the application adds.
                let close =
                    (index + 1..index + 8).find(|at| self.kind(*at) == Some(Kind::Quote(mark)));
                match close {
                    Some(close) => Operand { end: close + 1, literal: true },
                    None => Operand { end: (index + 2).min(self.tokens.len()), literal: true },
                }
            }
            Kind::Word(Word::Select) => Operand { end: index + 1, literal: false },
            Kind::Word(Word::Plain | Word::Object | Word::If | Word::Case | Word::Statement) => {
                if self.is_sign(index + 1, b'(') {
                    let known = function::is_known(self.text(index));
                    let close = (index + 2..index + 24)
                        .find(|at| self.is_sign(*at, b')'))
                        .unwrap_or(index + 2);
                    Operand { end: close + 1, literal: known }
                } else {
                    Operand { end: index + 1, literal: self.text(index).starts_with(b"@@") }
                }
            }
            _ => return None,
        })
    }

    /// `operand cmp operand`. Both must be literals, unless `any` is set.
    pub(super) fn condition(&self, index: usize, any: bool) -> bool {
        let Some(left) = self.operand(index) else { return false };
        let mut operator = left.end;
        while self.is_sign(operator, b')') && operator < left.end + 3
            || self.is_word(operator, Word::Not)
        {
            operator += 1;
        }
        let compares =
            matches!(self.kind(operator), Some(Kind::Compare) | Some(Kind::Word(Word::Like)));
        if !compares {
            // `or 1`, `or true`, `or sleep(5)`, `and 5*5`, at the end or before a comment.
            let ends = self.is_end(operator)
                || matches!(self.kind(operator), Some(Kind::Comment | Kind::Sign(b';')));
            return left.literal && any && ends;
        }
        let mut second = operator + 1;
        while matches!(
            self.kind(second),
            Some(Kind::Word(Word::Not | Word::Like | Word::All) | Kind::Compare)
        ) && second < operator + 4
        {
            second += 1;
        }
        let Some(right) = self.operand(second) else {
            return any && left.literal && self.is_end(second);
        };
        left.literal && right.literal || any
    }

    /// `or 1=1`, `and 'a'='a`, `|| (select …)`.
    pub(super) fn logic(&self, index: usize, context: Context) -> bool {
        if context.is_query {
            return false;
        }
        let behind_quote = context.quote.is_some_and(|quote| quote < index);
        let is_symbol = self.tokens[index].kind == Kind::Logic;
        let next = self.behind_prefix(index + 1);
        // `5 < 6 and 7 > 3` is mathematics, not an attack.
        if !behind_quote
            && index >= 2
            && self.kind(index - 2) == Some(Kind::Compare)
            && self.view.place == Place::Text
        {
            return false;
        }
        let value = self.behind_value(index, context) || behind_quote;
        let telling = self.is_word(next, Word::Select) && (next > index + 1 || behind_quote)
            || (self.is_word(next, Word::If) || self.is_word(next, Word::Case))
                && (self.is_sign(next + 1, b'(') || self.text(next + 1) == b"when")
                && !is_symbol
            || self.text(next) == b"exists" && self.is_sign(next + 1, b'(');
        if value && telling && (context.is_value || behind_quote) {
            return true;
        }
        let called = self.is_sign(next + 1, b'(') && function::is_known(self.text(next));
        if value
            && called
            && (!is_symbol || behind_quote)
            && !(self.view.is_prose())
            && (behind_quote || self.view.at(0).is_ascii_digit() || index <= 2)
        {
            return true;
        }
        if is_symbol && !behind_quote {
            // Code has `a && 1 == 1`; in an injected value, a number precedes the operator.
            return index > 0
                && index <= 2
                && self.kind(index - 1) == Some(Kind::Number)
                && self.condition(index + 1, false)
                && self.view.place != Place::Text;
        }
        if !value && !self.literal_pair(index) {
            return false;
        }
        let numeric = index > 0
            && index <= 3
            && matches!(self.kind(index - 1), Some(Kind::Number | Kind::Sign(b')')));
        if self.condition(index + 1, false) {
            return context.is_value || !self.view.is_prose();
        }
        // A name on the left counts only after a quote that closes the value.
        behind_quote
            && self.view.low.len() < 2048
            && self.near(index, context)
            && self.condition(index + 1, true)
            || behind_quote && self.near(index, context) && self.ends_after(index + 1)
            || numeric
                && !self.view.is_prose()
                && (self.ends_with_literal(index + 1)
                    || self.ends_in_comment() && self.condition(index + 1, true))
    }

    /// `or true`, `or a = a`, `and 1=1--`: the whole value is the rest of a condition.
    pub(super) fn continues(&self) -> bool {
        const MOST_TOKENS: usize = 8;
        if self.tokens.len() > MOST_TOKENS || self.view.is_prose() {
            return false;
        }
        let Some(left) = self.operand(1) else { return false };
        if self.ends(left.end) {
            return left.literal && self.kind(left.end) == Some(Kind::Comment)
                || left.literal
                    && matches!(self.kind(1), Some(Kind::Word(Word::Null)))
                    && self.text(1) != b"null"
                    && self.view.place != Place::Text;
        }
        matches!(self.kind(left.end), Some(Kind::Compare))
            && self.operand(left.end + 1).is_some_and(|right| self.ends(right.end))
    }

    /// `… or 1=1 --`: a number compared with itself and the rest commented out; also applies to whole
    /// queries.
    pub(super) fn tautology(&self, index: usize) -> bool {
        self.kind(index + 1) == Some(Kind::Number)
            && self.kind(index + 2) == Some(Kind::Compare)
            && self.text(index + 1) == self.text(index + 3)
            && self.kind(index + 4) == Some(Kind::Comment)
            && !self.view.is_prose()
    }

    /// `'] | //user`, `']/parent::*`: closes the predicate of an XPath expression and continues the path.
    pub(super) fn leaves_path(&self, index: usize) -> bool {
        let mut next = index + 1;
        while self.is_sign(next, b')') && next < index + 3 {
            next += 1;
        }
        if !self.is_sign(next, b']') {
            return false;
        }
        let is_union = self.is_sign(next + 1, b'|');
        let step = next + 1 + usize::from(is_union);
        let is_axis = self.is_sign(step + 2, b':') && self.is_sign(step + 3, b':');
        self.is_sign(step, b'/')
            && (is_union
                || !self.is_spaced(step)
                    && !self.is_spaced(step + 2)
                    && (self.is_sign(step + 1, b'/') || is_axis))
    }

    /// `or 1=1` after a word.
    pub(super) fn literal_pair(&self, index: usize) -> bool {
        !self.view.is_prose()
            && self.condition(index + 1, false)
            && matches!(self.kind(index + 2), Some(Kind::Compare))
            || self
                .kind(self.behind_prefix(index + 1))
                .is_some_and(|kind| matches!(kind, Kind::Quote(_)))
                && self.condition(index + 1, false)
                && index <= 2
    }

    /// Whether only parentheses and a few tokens lie between the token and the quote that closes the value.
    pub(super) fn near(&self, index: usize, context: Context) -> bool {
        context.quote.is_some_and(|quote| {
            index <= quote + 4
                && (quote + 1..index).all(|at| {
                    matches!(
                        self.kind(at),
                        Some(Kind::Sign(_) | Kind::Comment | Kind::Number | Kind::Quote(_))
                    )
                })
        })
    }

    /// `' or 1`, `' or true--`.
    pub(super) fn ends_after(&self, index: usize) -> bool {
        let at = self.behind_prefix(index);
        let ends = |at: usize| {
            self.is_end(at) || matches!(self.kind(at), Some(Kind::Comment | Kind::Sign(b';')))
        };
        self.operand(at).is_some_and(|operand| operand.literal && ends(operand.end)) || ends(at)
    }

    pub(super) fn ends_with_literal(&self, index: usize) -> bool {
        let at = self.behind_prefix(index);
        matches!(self.kind(at), Some(Kind::Word(Word::Null)))
            && self.is_end(at + 1)
            && self.text(at) != b"null"
    }

    /// `'||(select`, `'+char(`, `1-sleep(5)`, `'-'`.
    pub(super) fn sum(&self, index: usize, context: Context) -> bool {
        if context.is_query {
            return false;
        }
        let next = self.behind_prefix(index + 1);
        let called = self.is_sign(next + 1, b'(');
        let text = self.text(next);
        let behind_quote = context.quote.is_some_and(|quote| quote + 2 >= index);
        self.is_word(next, Word::Select)
            && self.view.low.len() > 10
            && self.is_sign(index + 1, b'(')
            || called
                && (function::is_only_of_databases(text)
                    || behind_quote && function::is_common(text)
                    || text == b"sleep"
                    || self.text(next + 2).starts_with(b"@@")
                    || self.is_word(next, Word::If) && behind_quote)
            || behind_quote && matches!(self.kind(next), Some(Kind::Word(Word::Case)))
    }

    /// `admin'--`, `1') #`, `x'/*`.
    pub(super) fn cut_off(&self, index: usize) -> bool {
        let mut next = index + 1;
        while matches!(self.kind(next), Some(Kind::Sign(b')' | b';'))) && next < index + 6 {
            next += 1;
        }
        if self.kind(next) != Some(Kind::Comment) {
            return false;
        }
        let start = self.tokens[next].start as usize;
        let rest = self.view.from(start);
        let dash = rest.starts_with(b"--");
        let short = rest.len() <= 24;
        let ends = match rest.get(if dash { 2 } else { 1 }) {
            None => true,
            Some(byte) => !dash || !byte.is_ascii_alphanumeric() || short,
        };
        // Only at the end: otherwise it is an anchor, or a comment after a quote in a sentence.
        ends && short
            && start <= 128
            && !self.view.is_prose()
            && !(rest.starts_with(b"#") && rest.len() > 4)
    }

    /// `'='`, `' or '`, `'-'`, `'=0--`: a short value that makes a comparison true.
    pub(super) fn tiny(&self, index: usize) -> bool {
        if index > 1
            || index == 1 && self.kind(0) != Some(Kind::Word(Word::Plain))
            || self.kind(index + 1) == Some(Kind::Sign(b'*')) && self.is_end(index + 3)
            || self.view.low.len() > 14
            || self.tokens.len() > 9
            || self.tokens.len() < 3
        {
            return false;
        }
        let operator = match self.kind(index + 1) {
            Some(
                Kind::Compare
                | Kind::Logic
                | Kind::Sign(b'-' | b'+' | b'^' | b'&' | b'*' | b'|' | b'%' | b'/'),
            )
            | Some(Kind::Word(Word::AndOr | Word::Like)) => index + 2,
            _ => return false,
        };
        let second = self.behind_prefix(operator);
        matches!(self.kind(second), Some(Kind::Quote(_)))
            && self.is_end(second + 1)
            && self.kind(second) == self.kind(index)
            || matches!(self.kind(second), Some(Kind::Number))
                && matches!(self.kind(second + 1), Some(Kind::Comment))
            || matches!(self.kind(second), Some(Kind::Quote(_)))
                && matches!(self.kind(second + 1), Some(Kind::Quote(_) | Kind::Comment))
    }

    /// `'=''`, `'like'%`, `' is null`.
    pub(super) fn compared(&self, index: usize) -> bool {
        let next = self.behind_prefix(index + 1);
        match self.kind(next) {
            Some(Kind::Quote(_)) => self.view.low.len() < 256 && index <= 4,
            Some(Kind::Number) => self.ends_in_comment() || self.is_end(next + 1) && index <= 3,
            Some(Kind::Word(Word::Select)) => true,
            Some(Kind::Word(Word::Null)) => self.is_word(index, Word::Like) && index <= 3,
            Some(Kind::Word(Word::Plain | Word::If)) => {
                self.is_sign(next + 1, b'(') && function::is_common(self.text(next))
            }
            _ => false,
        }
    }
}
