//! What the tokens of an injection are.

use std::ops::Range;

use super::token::{Kind, Token, Word};
use crate::fields::Place;
use crate::view::View;

/// Functions and names that nothing but a statement against a database holds, when they are called or named there.
const TELLING: &[&[u8]] = &[
    b"benchmark",
    b"extractvalue",
    b"updatexml",
    b"pg_sleep",
    b"load_file",
    b"xp_cmdshell",
    b"xp_dirtree",
    b"xp_regread",
    b"sp_executesql",
    b"sp_password",
    b"dbms_pipe.receive_message",
    b"dbms_lock.sleep",
    b"dbms_xmlgen",
    b"utl_http.request",
    b"utl_inaddr.get_host_address",
    b"utl_inaddr.get_host_name",
    b"ctxsys.drithsx.sn",
    b"group_concat",
    b"json_extract",
    b"json_keys",
    b"randomblob",
    b"zeroblob",
    b"sqlite_version",
    b"pg_read_file",
    b"lo_import",
    b"name_const",
    b"gtid_subset",
    b"st_latfromgeohash",
    b"polygon",
    b"multipoint",
    b"geometrycollection",
    b"procedure",
    b"xmltype",
    b"regexp_substring",
    b"crypt_key",
    b"openrowset",
    b"opendatasource",
    b"make_set",
    b"elt",
    b"fn_virtualfilestats",
    b"dbms_utility.sqlid_to_sqlhash",
    b"current_setting",
    b"query_to_xml",
    b"sys.fn_my_permissions",
    b"sys_context",
    b"load_extension",
    b"xp_fileexist",
    b"connection_id",
    b"row_count",
    b"sysdatetime",
    b"serverproperty",
    b"is_srvrolemember",
    b"masterdbo",
    b"pg_ls_dir",
    b"database_to_xml",
    b"wait_for_executed_gtid_set",
];
/// Functions that count behind a break-out or inside another expression.
const FUNCTIONS: &[&[u8]] = &[
    b"sleep",
    b"ascii",
    b"ord",
    b"substr",
    b"substring",
    b"mid",
    b"char",
    b"chr",
    b"concat",
    b"concat_ws",
    b"length",
    b"len",
    b"count",
    b"database",
    b"version",
    b"user",
    b"current_user",
    b"system_user",
    b"session_user",
    b"convert",
    b"cast",
    b"hex",
    b"unhex",
    b"if",
    b"iif",
    b"ifnull",
    b"nullif",
    b"isnull",
    b"coalesce",
    b"left",
    b"right",
    b"lower",
    b"upper",
    b"exists",
    b"rand",
    b"floor",
    b"md5",
    b"sha1",
    b"row",
    b"exp",
    b"abs",
    b"bin",
    b"strcmp",
    b"locate",
    b"instr",
    b"position",
    b"reverse",
    b"replace",
    b"rpad",
    b"lpad",
    b"power",
    b"pi",
    b"schema",
    b"like",
    b"unistr",
    b"nchar",
    b"db_name",
    b"host_name",
    b"object_id",
    b"col_name",
    b"json_array",
    b"json_depth",
    b"json_length",
    b"json_valid",
    b"json_contains",
    b"greatest",
    b"least",
    b"conv",
    b"sqlite_version",
    b"typeof",
    b"likely",
    b"quote",
    b"trim",
    b"select",
    b"values",
    b"regexp_like",
    b"dump",
    b"generate_series",
    b"field",
    b"interval",
    b"uuid",
    b"decode",
    b"encode",
    b"last_insert_id",
    b"is_member",
    b"soundex",
    b"format",
    b"power",
    b"sign",
    b"space",
    b"export_set",
    b"uncompress",
    b"to_char",
    b"now",
    b"date",
    b"time",
];

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

/// What stands before the first telling token.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Context {
    /// Index of a quote that closes what the value stands in.
    quote: Option<usize>,
    /// The value begins with a statement: a query of someone's own.
    is_query: bool,
    /// It is a value: short, or it begins with a number or a quote.
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

    /// A word alone between two quotes.
    fn is_quoted(&self, index: usize) -> bool {
        matches!(self.kind(index + 1), Some(Kind::Quote(_)))
            && !self.is_spaced(index)
            && !self.is_spaced(index + 1)
            && !self.is_spaced(index + 2) | (self.tokens.len() <= index + 4)
    }

    fn is_end(&self, index: usize) -> bool {
        index >= self.tokens.len()
    }

    /// Behind opening parentheses, signs and negations.
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
                // Behind an operator or a bracket a quote opens a string.
                let opens = index > 0
                    && (matches!(
                        self.kind(index - 1),
                        Some(Kind::Compare | Kind::Sign(b',' | b':' | b'[' | b'{' | b'~'))
                    ) || self.is_word(index - 1, Word::Like)
                        || self.is_word(index - 1, Word::Select))
                    || index > 0 && self.is_sign(index - 1, b'(') && index > 1;
                // At the start, one that a word touches.
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

    /// A quote of that kind ends the string within the next tokens.
    fn closes(&self, index: usize, mark: u8) -> bool {
        (index + 1..index + 12).any(|at| self.kind(at) == Some(Kind::Quote(mark)))
    }

    /// The token there stands behind a value: a number, a quote, a closing parenthesis, or the start.
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
            // `abc or 1=1`: one word.
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
            Kind::Word(Word::AndOr) | Kind::Logic => self.logic(index, context),
            Kind::Sign(b'|' | b'&' | b'^' | b'*' | b'-' | b'+' | b'/' | b'%')
                if behind_quote || index > 0 && self.kind(index - 1) == Some(Kind::Number) =>
            {
                self.sum(index, context)
            }
            Kind::Quote(_) => {
                context.quote == Some(index) && self.cut_off(index) || self.tiny(index)
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

    fn ends_in_comment(&self) -> bool {
        self.tokens.iter().rev().take(6).any(|token| token.kind == Kind::Comment)
    }

    /// `union [all] select` and no sentence.
    fn union(&self, index: usize, _context: Context) -> bool {
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

    /// An operand ends where? `None` where none begins.
    fn operand(&self, index: usize) -> Option<Operand> {
        let index = self.behind_prefix(index);
        Some(match self.kind(index)? {
            Kind::Number | Kind::Word(Word::Null) => Operand { end: index + 1, literal: true },
            Kind::Quote(mark) => {
                // `'a'`, `''`, or `'a` that the application closes.
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
                    let known = FUNCTIONS.contains(&self.text(index))
                        || TELLING.contains(&self.text(index));
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

    /// `operand cmp operand`; of literals, or of anything where `any`.
    fn condition(&self, index: usize, any: bool) -> bool {
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
            // `or 1`, `or true`, `or sleep(5)`, `and 5*5`: at the end, or before a comment.
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
    fn logic(&self, index: usize, context: Context) -> bool {
        if context.is_query {
            return false;
        }
        let behind_quote = context.quote.is_some_and(|quote| quote < index);
        let is_symbol = self.tokens[index].kind == Kind::Logic;
        let next = self.behind_prefix(index + 1);
        // `5 < 6 and 7 > 3` is a sentence of mathematics.
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
        let called = self.is_sign(next + 1, b'(')
            && (FUNCTIONS.contains(&self.text(next)) || TELLING.contains(&self.text(next)));
        if value
            && called
            && (!is_symbol || behind_quote)
            && !(self.view.is_prose)
            && (behind_quote || self.view.at(0).is_ascii_digit() || index <= 2)
        {
            return true;
        }
        if is_symbol && !behind_quote {
            // Code has `a && 1 == 1`; a value has a number before it.
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
            return context.is_value || !self.view.is_prose;
        }
        // With a name on the left, behind a quote that closes the value only.
        behind_quote
            && self.view.low.len() < 2048
            && self.near(index, context)
            && self.condition(index + 1, true)
            || behind_quote && self.near(index, context) && self.ends_after(index + 1)
            || numeric
                && !self.view.is_prose
                && (self.ends_with_literal(index + 1)
                    || self.ends_in_comment() && self.condition(index + 1, true))
    }

    /// `or 1=1` in the middle of words.
    fn literal_pair(&self, index: usize) -> bool {
        !self.view.is_prose
            && self.condition(index + 1, false)
            && matches!(self.kind(index + 2), Some(Kind::Compare))
            || self
                .kind(self.behind_prefix(index + 1))
                .is_some_and(|kind| matches!(kind, Kind::Quote(_)))
                && self.condition(index + 1, false)
                && index <= 2
    }

    /// Directly behind the quote that closes the value, but for parentheses and a few more tokens.
    fn near(&self, index: usize, context: Context) -> bool {
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

    /// `' or 1`, `' or true--`, `' or x like`.
    fn ends_after(&self, index: usize) -> bool {
        let at = self.behind_prefix(index);
        let ends = |at: usize| {
            self.is_end(at) || matches!(self.kind(at), Some(Kind::Comment | Kind::Sign(b';')))
        };
        self.operand(at).is_some_and(|operand| operand.literal && ends(operand.end)) || ends(at)
    }

    fn ends_with_literal(&self, index: usize) -> bool {
        let at = self.behind_prefix(index);
        matches!(self.kind(at), Some(Kind::Word(Word::Null)))
            && self.is_end(at + 1)
            && self.text(at) != b"null"
    }

    /// `'||(select`, `'+char(`, `1-sleep(5)`, `'-'`.
    fn sum(&self, index: usize, context: Context) -> bool {
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
                && (TELLING.contains(&text)
                    || behind_quote && FUNCTIONS.contains(&text)
                    || text == b"sleep"
                    || self.is_word(next, Word::If) && behind_quote)
            || behind_quote && matches!(self.kind(next), Some(Kind::Word(Word::Case)))
    }

    /// `admin'--`, `1') #`, `x'/*`.
    fn cut_off(&self, index: usize) -> bool {
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
        // A comment behind a sentence's quote, or an anchor: not at the end.
        ends && short
            && start <= 128
            && !self.view.is_prose
            && !(rest.starts_with(b"#") && rest.len() > 4)
    }

    /// `'='`, `' or '`, `'-'`, `'=0--`: what passes a comparison by itself.
    fn tiny(&self, index: usize) -> bool {
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
    fn compared(&self, index: usize) -> bool {
        let next = self.behind_prefix(index + 1);
        match self.kind(next) {
            Some(Kind::Quote(_)) => self.view.low.len() < 256 && index <= 4,
            Some(Kind::Number) => self.ends_in_comment() || self.is_end(next + 1) && index <= 3,
            Some(Kind::Word(Word::Select)) => true,
            Some(Kind::Word(Word::Null)) => self.is_word(index, Word::Like) && index <= 3,
            Some(Kind::Word(Word::Plain | Word::If)) => {
                self.is_sign(next + 1, b'(') && FUNCTIONS.contains(&self.text(next))
            }
            _ => false,
        }
    }

    /// `; drop table x`, `; exec xp_…`, `; waitfor delay '…'`.
    fn stacked(&self, index: usize, context: Context) -> bool {
        if context.is_query && matches!(self.view.place, Place::Text | Place::Whole)
            || self.view.is_prose
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
            _ => false,
        }
    }

    /// A statement by its second word.
    fn begins_statement(&self, index: usize) -> bool {
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

    /// A statement that is the value: only of those that nobody sends.
    fn statement(&self, index: usize, context: Context) -> bool {
        let behind_quote = context.quote.is_some_and(|quote| quote < index);
        let text = self.text(index);
        if self.view.is_prose {
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
                behind_quote && self.near(index, context) && self.begins_statement(index)
                    || index == 0
                        && self.begins_statement(0)
                        && !matches!(self.view.place, Place::Text | Place::Whole)
                        && self.ends_in_comment()
            }
            b"declare" => self.text(index + 1).starts_with(b"@") && behind_quote,
            _ => false,
        }
    }

    /// `1' order by 9--`, `1 group by x having`.
    fn sorted(&self, index: usize, context: Context) -> bool {
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
                && (self.ends_in_comment() || self.is_end(by + 1))
                && self.tokens.len() <= 6
    }

    /// `(select … from …)` in a value; `select` with what reads a database's own tables.
    fn select(&self, index: usize, context: Context) -> bool {
        let nested = index > 0 && self.is_sign(index - 1, b'(');
        let first = index == 0 || nested && index <= 2;
        let behind_quote = context.quote.is_some_and(|quote| quote < index);
        // The list: no two words side by side.
        let mut at = index + 1;
        let mut last_word = false;
        let mut from = None;
        let mut telling = false;
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
        let called = self.is_sign(index + 2, b'(')
            && (FUNCTIONS.contains(&self.text(index + 1))
                || TELLING.contains(&self.text(index + 1)));
        if telling && list && !self.view.is_prose {
            return true;
        }
        if nested && !context.is_query && context.is_value && !self.view.is_prose {
            let dual = matches!(
                self.kind(index + 1),
                Some(Kind::Number | Kind::Quote(_) | Kind::Sign(b'(' | b'*'))
            );
            return from.is_some() || called || dual || self.text(index + 1).starts_with(b"@@");
        }
        if behind_quote
            && list
            && (from.is_some() || called)
            && self.view.low.len() < 2048
            && !self.view.is_prose
        {
            return true;
        }
        let is_argument = !matches!(self.view.place, Place::Text | Place::Whole);
        if first && is_argument {
            // A whole query, where an API would hardly take one, that waits or writes.
            return called
                && matches!(
                    self.text(index + 1),
                    b"sleep"
                        | b"char"
                        | b"version"
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
                || from.is_some() && self.ends_in_comment();
        }
        from.is_some_and(|from| self.is_telling(from + 1))
            && !context.is_query
            && !self.view.is_prose
    }

    fn is_telling(&self, index: usize) -> bool {
        let text = self.text(index);
        text.starts_with(b"information_schema.")
            || text.starts_with(b"@@version")
            || text.starts_with(b"@@datadir")
            || text.starts_with(b"@@host")
            || text.starts_with(b"mysql.")
            || text.starts_with(b"pg_catalog.")
            || text.starts_with(b"sys.")
            || matches!(
                text,
                b"sysobjects"
                    | b"syscolumns"
                    | b"sqlite_master"
                    | b"pg_shadow"
                    | b"pg_user"
                    | b"all_tables"
                    | b"v$version"
                    | b"sysusers"
                    | b"syslogins"
                    | b"pg_database"
                    | b"user_tables"
                    | b"rdb$database"
                    | b"sysibm.sysdummy1"
                    | b"msysobjects"
                    | b"master..sysdatabases"
                    | b"dba_users"
                    | b"all_users"
                    | b"tab_columns"
                    | b"master"
                    | b"@@servername"
                    | b"pg_tables"
                    | b"pg_class"
                    | b"msysaccessobjects"
            )
            || self.is_sign(index + 1, b'(') && (TELLING.contains(&text) || text == b"sleep")
    }

    /// `1 limit 1,1`, `procedure analyse(`.
    fn limit(&self, index: usize, context: Context) -> bool {
        if self.text(index) == b"procedure" {
            return self.text(index + 1) == b"analyse" && self.is_sign(index + 2, b'(');
        }
        context.quote.is_some_and(|quote| quote < index)
            && self.near(index, context)
            && self.kind(index + 1) == Some(Kind::Number)
    }

    /// `if(1=1,`, `case when 1=1 then`, in a value that is nothing else.
    fn cases(&self, index: usize, context: Context, behind_quote: bool) -> bool {
        if self.view.is_prose || context.is_query {
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

    /// A function that only a database has, called in an expression or alone.
    fn telling(&self, index: usize, context: Context) -> bool {
        let text = self.text(index);
        if text.len() < 3 || self.view.is_prose {
            return false;
        }
        let called = self.is_sign(index + 1, b'(');
        if called
            && TELLING.contains(&text)
            && !context.is_query
            && text != b"elt"
            && text != b"polygon"
        {
            return !matches!(self.view.place, Place::Text | Place::Whole) || context.is_value;
        }
        if called && text == b"sleep" {
            let before = index.checked_sub(1).and_then(|index| self.kind(index));
            let number = self.kind(index + 2) == Some(Kind::Number)
                || self.is_sign(index + 2, b'(')
                || matches!(self.kind(index + 2), Some(Kind::Quote(_)));
            let joined = matches!(
                before,
                Some(Kind::Word(Word::AndOr | Word::Select | Word::Not))
                    | Some(Kind::Logic)
                    | Some(Kind::Compare)
                    | Some(Kind::Sign(b'-' | b'+' | b'*' | b'^' | b'|' | b'&' | b',' | b'('))
            );
            return number
                && (joined
                    || index == 0 && self.view.place != Place::Text && self.view.low.len() < 64
                    || context.quote.is_some_and(|quote| quote < index)
                        && matches!(before, Some(Kind::Quote(_))));
        }
        // `char(113)+char(98)`, `chr(65)||chr(66)`.
        called
            && matches!(text, b"char" | b"chr" | b"nchar")
            && self.kind(index + 2) == Some(Kind::Number)
            && (index + 4..index + 12).any(|at| {
                matches!(self.text(at), b"char" | b"chr" | b"nchar")
                    && matches!(
                        self.kind(at.saturating_sub(1)),
                        Some(Kind::Sign(b'+' | b',') | Kind::Logic)
                    )
                    && self.is_sign(at + 1, b'(')
            })
            && self.view.place != Place::Text
    }
}

struct Operand {
    end: usize,
    literal: bool,
}
