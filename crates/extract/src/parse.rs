//! Parses words into a point.

use super::exchange::{Ja4Form, Side, VariableCompiler};
use super::grammar::{Word, words};
use super::json::{Path, Step};
use super::point_error::{HEADER_MARKS, PointError};
use super::{Decoder, Part, Point, PointSource};
use crate::limits::{MAX_DECODERS, MAX_PATH_STEPS, MAX_POINT_BYTES};

const SIDES: &str = "\"request\", \"response\" or an NGINX variable";
const REQUEST: &str = "\"header\", \"cookie\", \"query\", \"path\", \"body\", \"ip\", \"host\", \"method\" or \"tls\"";
const RESPONSE: &str = "\"header\", \"cookie\", \"status\" or \"body\"";
const DECODERS: &str = "\"jwt\", \"base64\", \"json\", \"urldecode\", \"bearer\" or \"basic.user\"";

impl Point {
    /// Compiles the text of a point.
    ///
    /// A text with a `$` is a single NGINX complex value. In the path of a `json` source or decoder, an unquoted word
    /// that names a decoder starts that decoder; a member of that name is written `["base64"]`.
    pub fn parse(text: &str, variables: &mut dyn VariableCompiler) -> Result<Point, PointError> {
        if text.is_empty() {
            return Err(PointError::Empty);
        }
        if text.len() > MAX_POINT_BYTES {
            return Err(PointError::TooLong(text.len()));
        }
        if text.contains('$') {
            let id = variables
                .compile(text)
                .map_err(|reason| PointError::Variable { point: text.to_owned(), reason })?;
            let source = PointSource::Variable(id);
            let parts = Part::of(text);
            return Ok(Point { text: text.to_owned(), source, decoders: Vec::new(), parts });
        }
        let words = words(text)?;
        let mut parser = Parser { text, words: &words, at: 0 };
        let source = parser.source()?;
        let mut decoders = Vec::new();
        while parser.peek().is_some() {
            if decoders.len() == MAX_DECODERS {
                return Err(PointError::TooManyDecoders { point: text.to_owned() });
            }
            decoders.push(parser.decoder()?);
        }
        Ok(Point { text: text.to_owned(), source, decoders, parts: Box::default() })
    }
}

struct Parser<'t> {
    text: &'t str,
    words: &'t [Word<'t>],
    at: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t Word<'t>> {
        self.words.get(self.at)
    }

    fn source(&mut self) -> Result<PointSource, PointError> {
        match self.keyword(SIDES)? {
            "request" => self.request(),
            "response" => self.response(),
            _ => Err(self.unknown(SIDES)),
        }
    }

    fn request(&mut self) -> Result<PointSource, PointError> {
        Ok(match self.keyword(REQUEST)? {
            "header" => self.header(Side::Request)?,
            "cookie" => match self.pattern()? {
                Some(begin) => PointSource::CookieLike(begin),
                None => PointSource::Cookie(self.name("the name of a cookie")?),
            },
            "query" => {
                let name = self.name("the name of an argument")?;
                PointSource::Query { name, nth: self.index().unwrap_or(0) }
            }
            "path" => match self.index() {
                Some(nth) => PointSource::Path(nth),
                None => return Err(self.missing("[number]")),
            },
            "ip" => PointSource::Ip,
            "host" => PointSource::Host,
            "method" => PointSource::Method,
            "tls" => {
                const FORMS: &str = "\"ja4\" or \"ja4_stable\"";
                match self.keyword(FORMS)? {
                    "ja4" => PointSource::Ja4(Ja4Form::Plain),
                    "ja4_stable" => PointSource::Ja4(Ja4Form::Stable),
                    _ => return Err(self.unknown(FORMS)),
                }
            }
            "body" => {
                const BODIES: &str = "\"form\", \"multipart\" or \"json\"";
                match self.keyword(BODIES)? {
                    "form" => PointSource::Form(self.name("the name of a field")?),
                    "multipart" => PointSource::Multipart(self.name("the name of a field")?),
                    "json" => PointSource::Json { side: Side::Request, path: self.path()? },
                    _ => return Err(self.unknown(BODIES)),
                }
            }
            _ => return Err(self.unknown(REQUEST)),
        })
    }

    fn response(&mut self) -> Result<PointSource, PointError> {
        Ok(match self.keyword(RESPONSE)? {
            "header" => self.header(Side::Response)?,
            "cookie" => PointSource::SetCookie(self.name("the name of a cookie")?),
            "status" => PointSource::Status,
            "body" => match self.keyword("\"json\"")? {
                "json" => PointSource::Json { side: Side::Response, path: self.path()? },
                _ => return Err(self.unknown("\"json\"")),
            },
            _ => return Err(self.unknown(RESPONSE)),
        })
    }

    fn header(&mut self, side: Side) -> Result<PointSource, PointError> {
        let pattern = if side == Side::Request { self.pattern()? } else { None };
        let is_pattern = pattern.is_some();
        let mut name = match pattern {
            Some(begin) => begin,
            None => self.name("the name of a header")?,
        };
        let is_token =
            |byte: &u8| byte.is_ascii_alphanumeric() || HEADER_MARKS.as_bytes().contains(byte);
        if name.is_empty() || !name.iter().all(is_token) {
            let word = String::from_utf8_lossy(&name).into_owned();
            return Err(PointError::BadHeader { point: self.text.to_owned(), word });
        }
        name.make_ascii_lowercase();
        if is_pattern {
            return Ok(PointSource::HeaderLike(name));
        }
        Ok(PointSource::Header { side, name, nth: self.index().unwrap_or(0) })
    }

    fn decoder(&mut self) -> Result<Decoder, PointError> {
        Ok(match self.keyword(DECODERS)? {
            "jwt" => {
                const PARTS: &str = "\"header\" or \"payload\"";
                let part = match self.keyword(PARTS)? {
                    "header" => 0,
                    "payload" => 1,
                    _ => return Err(self.unknown(PARTS)),
                };
                Decoder::Jwt { part, path: self.path()? }
            }
            "base64" => Decoder::Base64,
            "json" => Decoder::Json(self.path()?),
            "urldecode" => Decoder::UrlDecode,
            "bearer" => Decoder::Bearer,
            "basic" => match self.keyword("\"user\"")? {
                "user" => Decoder::BasicUser,
                _ => return Err(self.unknown("\"user\"")),
            },
            _ => return Err(self.unknown(DECODERS)),
        })
    }

    /// An unquoted keyword of the grammar.
    fn keyword(&mut self, accepted: &'static str) -> Result<&'t str, PointError> {
        match self.peek() {
            Some(Word::Name(name)) => {
                self.at += 1;
                Ok(name)
            }
            Some(_) => {
                self.at += 1;
                Err(self.unknown(accepted))
            }
            None => Err(self.missing(accepted)),
        }
    }

    /// A name chosen by the operator, quoted or not.
    fn name(&mut self, accepted: &'static str) -> Result<Box<[u8]>, PointError> {
        match self.peek() {
            Some(Word::Name(name) | Word::Quoted(name)) => {
                self.literal()?;
                self.at += 1;
                Ok(name.as_bytes().into())
            }
            _ => Err(self.missing(accepted)),
        }
    }

    /// The prefix in a name that ends with `*`, if the next word is one.
    fn pattern(&mut self) -> Result<Option<Box<[u8]>>, PointError> {
        let Some(Word::Name(name)) = self.peek() else { return Ok(None) };
        match name.strip_suffix('*') {
            Some(begin) if !begin.is_empty() && !begin.contains('*') && !begin.starts_with('~') => {
                self.at += 1;
                Ok(Some(begin.as_bytes().into()))
            }
            _ => self.literal().map(|()| None),
        }
    }

    /// Checks that the next word is no pattern, neither of this grammar nor an NGINX regular expression.
    fn literal(&self) -> Result<(), PointError> {
        match self.peek() {
            Some(Word::Name(name)) if name.contains('*') || name.starts_with('~') => {
                let (point, word) = (self.text.to_owned(), (*name).to_owned());
                Err(PointError::BadPattern { point, word })
            }
            _ => Ok(()),
        }
    }

    fn index(&mut self) -> Option<u32> {
        let Some(Word::Index(index)) = self.peek() else { return None };
        self.at += 1;
        Some(*index)
    }

    /// Steps into a JSON document, up to the end or a decoder.
    fn path(&mut self) -> Result<Path, PointError> {
        let mut steps = Vec::new();
        while let Some(word) = self.peek() {
            match word {
                Word::Name(_) if !steps.is_empty() && self.starts_decoder() => break,
                Word::Name(name) | Word::Quoted(name) => {
                    self.literal()?;
                    steps.push(Step::Member(name.as_bytes().into()));
                }
                Word::Index(index) => steps.push(Step::Element(*index)),
            }
            self.at += 1;
        }
        if steps.is_empty() {
            return Err(self.missing("a path"));
        }
        if steps.len() > MAX_PATH_STEPS {
            return Err(PointError::PathTooLong { point: self.text.to_owned() });
        }
        Ok(steps.into())
    }

    fn starts_decoder(&self) -> bool {
        let next = self.words.get(self.at + 1);
        match self.peek() {
            Some(Word::Name("jwt")) => {
                matches!(next, Some(Word::Name("header" | "payload")))
            }
            Some(Word::Name("basic")) => matches!(next, Some(Word::Name("user"))),
            Some(Word::Name("json")) => next.is_some(),
            Some(Word::Name("base64" | "urldecode" | "bearer")) => true,
            _ => false,
        }
    }

    /// The word just consumed is not part of the grammar.
    fn unknown(&self, accepted: &'static str) -> PointError {
        let point = self.text.to_owned();
        let word = self.word(self.at - 1);
        PointError::Unknown { point, word, accepted }
    }

    fn missing(&self, accepted: &'static str) -> PointError {
        let word = self.word(self.at - 1);
        PointError::Missing { point: self.text.to_owned(), word, accepted }
    }

    fn word(&self, at: usize) -> String {
        match &self.words[at] {
            Word::Name(text) | Word::Quoted(text) => (*text).to_owned(),
            Word::Index(index) => format!("[{index}]"),
        }
    }
}
