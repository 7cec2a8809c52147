//! `when=CONDITIONS`.

use api_sessions_extract::{Point, VariableCompiler};
use api_sessions_protocol::Source;
use regex::bytes::{Regex, RegexBuilder};

use crate::limits::{MAX_CONDITIONS, MAX_REGEX_BYTES};
use crate::{Answer, Facts, RuleError};

/// A condition of a rule; all conditions must hold.
#[derive(Debug, Clone)]
pub enum Condition {
    /// `status=401,4xx,200-299`.
    Status(Statuses),
    /// `attack=any`.
    AnyAttack,
    /// `attack=TYPE,TYPE`.
    Attack(Vec<String>),
    /// `source=key,builtin`.
    Source(Vec<Source>),
    /// `user=present` or `user=absent`.
    User {
        /// Whether a context parameter must name the user.
        present: bool,
    },
    /// `session=new`: the first request of its session; `session=known`: any other.
    Session {
        /// Whether it must be the first request.
        new: bool,
    },
    /// `parameters=conflicting`: a parameter occurs in two places of the request with different values.
    ConflictingParameters,
    /// `POINT=VALUE` or `POINT!=VALUE`. An absent value equals the empty one.
    Equals {
        /// The point to compare.
        point: Point,
        /// The value to compare with.
        value: Box<[u8]>,
        /// Whether the operator is `!=`.
        negated: bool,
    },
    /// `POINT~REGEX`: matches anywhere in the value.
    Matches {
        /// The point to search.
        point: Point,
        /// Takes time linear in the length of the value.
        regex: Regex,
    },
}

/// Ranges of status codes, both ends inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(pub Vec<(u16, u16)>);

impl Statuses {
    fn parse(list: &str) -> Option<Self> {
        let code = |text: &str| {
            let code = text.parse::<u16>().ok().filter(|code| (100..=599).contains(code));
            code.filter(|_| text.len() == 3)
        };
        let range = |word: &str| match word.strip_suffix("xx") {
            Some(class @ ("1" | "2" | "3" | "4" | "5")) => {
                let first = class.parse::<u16>().ok()? * 100;
                Some((first, first + 99))
            }
            Some(_) => None,
            None => match word.split_once('-') {
                Some((first, last)) => {
                    let (first, last) = (code(first)?, code(last)?);
                    (first <= last).then_some((first, last))
                }
                None => code(word).map(|code| (code, code)),
            },
        };
        list.split(',').map(range).collect::<Option<_>>().map(Self)
    }

    fn has(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

const SOURCES: [Source; 7] = [
    Source::Key,
    Source::Builtin,
    Source::Link,
    Source::Client,
    Source::IpUa,
    Source::Ip,
    Source::IpUaJa4,
];

impl Condition {
    pub(crate) fn parse_all(
        text: &str,
        variables: &mut dyn VariableCompiler,
    ) -> Result<Vec<Self>, RuleError> {
        let mut conditions = Vec::new();
        for word in split(text) {
            let word = word.trim();
            if word.is_empty() {
                return Err(RuleError::invalid(
                    "parameter",
                    &format!("when={text}"),
                    "a condition on each side of \";\"",
                ));
            }
            conditions.push(Self::parse(word, variables)?);
        }
        if conditions.len() > MAX_CONDITIONS {
            return Err(RuleError(format!(
                "too many conditions in \"when={text}\": {MAX_CONDITIONS} are accepted"
            )));
        }
        Ok(conditions)
    }

    fn parse(word: &str, variables: &mut dyn VariableCompiler) -> Result<Self, RuleError> {
        let invalid = |accepted: &str| RuleError::invalid("condition", word, accepted);
        match word.split_once('=') {
            Some(("status", list)) => Statuses::parse(list).map(Self::Status).ok_or_else(|| {
                invalid("a list of statuses, classes or ranges, as in \"status=401,4xx,200-299\",")
            }),
            Some(("attack", "any")) => Ok(Self::AnyAttack),
            Some(("attack", list)) => {
                let is_kind = |kind: &str| {
                    let mark = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
                    !kind.is_empty() && kind.bytes().all(mark)
                };
                if !list.split(',').all(is_kind) {
                    return Err(invalid("\"any\" or a list of types, as in \"attack=sqli,xss\","));
                }
                Ok(Self::Attack(list.split(',').map(str::to_owned).collect()))
            }
            Some(("source", list)) => {
                let one = |word: &str| SOURCES.into_iter().find(|source| source.as_str() == word);
                let all = list.split(',').map(one).collect::<Option<Vec<_>>>();
                all.map(Self::Source).ok_or_else(|| {
                    invalid(
                        "a list of \"key\", \"builtin\", \"link\", \"client\", \"ip_ua\", \"ip\" and \"ip_ua_ja4\"",
                    )
                })
            }
            Some(("user", "present")) => Ok(Self::User { present: true }),
            Some(("user", "absent")) => Ok(Self::User { present: false }),
            Some(("user", _)) => Err(invalid("\"present\" or \"absent\"")),
            Some(("session", "new")) => Ok(Self::Session { new: true }),
            Some(("session", "known")) => Ok(Self::Session { new: false }),
            Some(("session", _)) => Err(invalid("\"new\" or \"known\"")),
            Some(("parameters", "conflicting")) => Ok(Self::ConflictingParameters),
            Some(("parameters", _)) => Err(invalid("\"conflicting\"")),
            _ => Self::of_point(word, variables),
        }
    }

    fn of_point(word: &str, variables: &mut dyn VariableCompiler) -> Result<Self, RuleError> {
        let Some((point, operator, value)) = operator(word) else {
            return Err(RuleError::invalid(
                "condition",
                word,
                "\"status=\", \"attack=\", \"source=\", \"user=\", \"session=\", \"parameters=\", \"POINT=VALUE\", \"POINT!=VALUE\" or \"POINT~REGEX\"",
            ));
        };
        let point = Point::parse(point, variables).map_err(|error| RuleError(error.to_string()))?;
        match operator {
            "~" if value.is_empty() => {
                Err(RuleError::invalid("condition", word, "a regular expression after \"~\""))
            }
            "~" => {
                let regex = RegexBuilder::new(value)
                    .unicode(false)
                    .size_limit(MAX_REGEX_BYTES)
                    .dfa_size_limit(MAX_REGEX_BYTES)
                    .build();
                let regex = regex.map_err(|_| {
                    RuleError::invalid(
                        "condition",
                        word,
                        "a valid regular expression, without look-around and back-references,",
                    )
                })?;
                Ok(Self::Matches { point, regex })
            }
            "=" if value.starts_with('=') => {
                Err(RuleError::invalid("condition", word, "\"POINT=VALUE\" with one \"=\""))
            }
            operator => Ok(Self::Equals {
                point,
                value: value.as_bytes().into(),
                negated: operator == "!=",
            }),
        }
    }

    /// The point that the condition reads, if any.
    pub fn point(&self) -> Option<&Point> {
        match self {
            Self::Equals { point, .. } | Self::Matches { point, .. } => Some(point),
            _ => None,
        }
    }

    /// Whether the condition holds for a request.
    pub fn holds(&self, facts: &impl Facts) -> Answer {
        let mut holds = false;
        match self {
            Self::Status(statuses) => statuses.has(facts.status()).into(),
            Self::AnyAttack => facts.has_attack(None).into(),
            Self::Attack(kinds) => kinds.iter().any(|kind| facts.has_attack(Some(kind))).into(),
            Self::Source(sources) => sources.contains(&facts.source()).into(),
            Self::User { present } => (facts.user().is_some() == *present).into(),
            Self::Session { new } => match facts.begins_session() {
                Answer::Unknown => Answer::Unknown,
                answer => ((answer == Answer::Yes) == *new).into(),
            },
            Self::ConflictingParameters => facts.has_conflicting_parameters(),
            Self::Equals { point, value, negated } => {
                let told = facts.read(point, &mut |found| {
                    holds = (found.unwrap_or_default() == &**value) != *negated;
                });
                if told { holds.into() } else { Answer::Unknown }
            }
            Self::Matches { point, regex } => {
                let told = facts.read(point, &mut |found| {
                    holds = found.is_some_and(|found| regex.is_match(found));
                });
                if told { holds.into() } else { Answer::Unknown }
            }
        }
    }
}

/// Splits conditions at `;`; `\;` is a literal semicolon.
fn split(text: &str) -> Vec<String> {
    let (mut all, mut word) = (Vec::new(), String::new());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.next_if_eq(&';').is_some() => word.push(';'),
            '\\' => {
                word.push('\\');
                word.extend(letters.next());
            }
            ';' => all.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    all.push(word);
    all
}

/// Splits a condition at the first operator outside of brackets: point, operator and value.
fn operator(word: &str) -> Option<(&str, &str, &str)> {
    let (mut depth, mut quoted) = (0, false);
    let mut bytes = word.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        let length = match byte {
            b'\\' if quoted => {
                bytes.next();
                continue;
            }
            b'"' if depth > 0 => {
                quoted = !quoted;
                continue;
            }
            _ if quoted => continue,
            b'[' => {
                depth += 1;
                continue;
            }
            b']' => {
                depth -= 1;
                continue;
            }
            _ if depth > 0 => continue,
            b'!' if word.as_bytes().get(at + 1) == Some(&b'=') => 2,
            b'=' | b'~' => 1,
            _ => continue,
        };
        return Some((word.get(..at)?, word.get(at..at + length)?, word.get(at + length..)?));
    }
    None
}
