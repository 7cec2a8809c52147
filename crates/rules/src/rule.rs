//! Parsed rules.

use std::fmt;

use api_sessions_extract::{Needs, Point, VariableCompiler};
use api_sessions_protocol::SessionRule;

use crate::limits::{
    MAX_CLOUD_RULES, MAX_DISTINCT, MAX_RULE_NAME_BYTES, MAX_THRESHOLD, MAX_WORD_BYTES,
};
use crate::words::write_directive;
use crate::{Condition, Count, Mode, Per, Reaction, RuleError, Scope, from_words, units};

/// Minimum and maximum length of a window, milliseconds.
const WINDOW_MS: std::ops::RangeInclusive<u64> = 1000..=30 * 86_400_000;

/// A rule over sessions.
#[derive(Debug, Clone)]
pub struct Rule {
    text: SessionRule,
    id: u64,
    /// Scope of the rule. `None`: all requests.
    pub on: Option<Scope>,
    /// Conditions, all of which must hold.
    pub when: Vec<Condition>,
    /// What is counted.
    pub count: Count,
    /// Threshold and window.
    pub over: Over,
    /// Which requests are counted together.
    pub per: Per,
    /// Reactions when the rule fires.
    pub then: Vec<Reaction>,
    /// Whether the reactions take effect.
    pub mode: Mode,
}

/// `over=N/TIME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// The rule fires if the count is greater.
    pub threshold: u64,
    /// Length of the window, milliseconds.
    pub window_ms: u64,
}

impl Rule {
    /// Compiles a rule.
    ///
    /// # Errors
    /// Names the invalid word and what is accepted, without the rule's name.
    pub fn new(text: SessionRule, variables: &mut dyn VariableCompiler) -> Result<Self, RuleError> {
        check_name(&text.name)?;
        let values =
            [&text.on, &text.when, &text.count, &text.per, &text.then, &text.mode, &text.fleet];
        for value in values.into_iter().flatten().chain([&text.over]) {
            if value.len() > MAX_WORD_BYTES || value.chars().any(char::is_control) {
                return Err(RuleError(format!(
                    "invalid parameter \"{}\": up to {MAX_WORD_BYTES} bytes without control characters are accepted",
                    value.escape_default().take(80).collect::<String>()
                )));
            }
        }
        match text.fleet.as_deref() {
            None | Some("off") => {}
            Some("on") => {
                return Err(RuleError(
                    "\"fleet=on\" is not supported yet: each node counts by itself; \"fleet=off\" is accepted"
                        .to_owned(),
                ));
            }
            Some(other) => {
                return Err(RuleError::invalid("parameter", &format!("fleet={other}"), "\"off\""));
            }
        }
        let on = text.on.as_deref().map(Scope::parse).transpose()?;
        let when = match text.when.as_deref() {
            Some(when) => Condition::parse_all(when, variables)?,
            None => Vec::new(),
        };
        let count = match text.count.as_deref() {
            Some(count) => Count::parse(count, variables)?,
            None => Count::Requests,
        };
        let over = Over::parse(&text.over, &count)?;
        let per = text.per.as_deref().map(Per::parse).transpose()?.unwrap_or_default();
        let then = Reaction::parse_all(text.then.as_deref().unwrap_or("mark"))?;
        if per == Per::User && then.iter().any(|reaction| *reaction != Reaction::Mark) {
            return Err(RuleError(format!(
                "invalid parameter \"then={}\" with \"per=user\": anybody who tries another user's name would lock that user out; \"then=mark\" is accepted",
                text.then.as_deref().unwrap_or_default()
            )));
        }
        let mode = text.mode.as_deref().map(Mode::parse).transpose()?.unwrap_or_default();
        let id = id(&text);
        Ok(Self { text, id, on, when, count, over, per, then, mode })
    }

    /// Compiles the words after `session_rule`.
    ///
    /// # Errors
    /// As [`Rule::new`].
    pub fn from_words(
        words: &[&str],
        variables: &mut dyn VariableCompiler,
    ) -> Result<Self, RuleError> {
        Self::new(from_words(words)?, variables)
    }

    /// Name of the rule.
    pub fn name(&self) -> &str {
        &self.text.name
    }

    /// The rule as it was written.
    pub fn text(&self) -> &SessionRule {
        &self.text
    }

    /// The reactions as they were written.
    pub fn then_text(&self) -> &str {
        self.text.then.as_deref().unwrap_or("mark")
    }

    /// Id of what the rule counts: counts continue if only its reactions or its mode change.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The points that the rule reads.
    pub fn points(&self) -> impl Iterator<Item = &Point> {
        self.when.iter().filter_map(Condition::point).chain(self.count.point())
    }

    /// The parts of an exchange that its points read.
    pub fn needs(&self) -> Needs {
        self.points().fold(Needs::default(), |needs, point| needs | point.needs())
    }

    /// Whether the rule reads all parameters of a request.
    pub fn reads_parameters(&self) -> bool {
        self.when.iter().any(|condition| matches!(condition, Condition::ConflictingParameters))
    }

    /// Whether the rule may refuse requests.
    pub fn enforces(&self) -> bool {
        self.mode == Mode::Enforce && self.then.iter().any(|reaction| *reaction != Reaction::Mark)
    }

    /// The first result of `of_kind` over the reactions.
    pub fn reaction<T>(&self, of_kind: impl Fn(&Reaction) -> Option<T>) -> Option<T> {
        self.then.iter().find_map(of_kind)
    }
}

/// Writes the directive in the syntax of nginx.conf.
impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_directive(&self.text, out)
    }
}

/// Compiles the rules of a document, all or none.
///
/// # Errors
/// Names the first invalid rule and the reason.
pub fn parse_all(
    texts: &[SessionRule],
    variables: &mut dyn VariableCompiler,
) -> Result<Vec<Rule>, RuleError> {
    if texts.len() > MAX_CLOUD_RULES {
        return Err(RuleError(format!(
            "{} rules, of which {MAX_CLOUD_RULES} are accepted",
            texts.len()
        )));
    }
    let mut rules: Vec<Rule> = Vec::new();
    for text in texts {
        let rule = Rule::new(text.clone(), variables).map_err(|error| error.of_rule(&text.name))?;
        if rules.iter().any(|other| other.name() == rule.name()) {
            return Err(RuleError(format!("rule \"{}\": the name is duplicate", rule.name())));
        }
        rules.push(rule);
    }
    Ok(rules)
}

impl Over {
    fn parse(text: &str, count: &Count) -> Result<Self, RuleError> {
        let word = format!("over={text}");
        if text.is_empty() {
            return Err(RuleError(
                "\"over=N/TIME\" is missing; a word with \";\" must be quoted as a whole"
                    .to_owned(),
            ));
        }
        let (number, example) = match count {
            Count::BytesIn | Count::BytesOut => {
                (units::size as fn(&str) -> Option<u64>, "over=200m/1h")
            }
            Count::TimeMs => (
                (|text| match units::number(text) {
                    Some(ms) => Some(ms),
                    None => units::time_ms(text),
                }) as fn(&str) -> Option<u64>,
                "over=30s/1m",
            ),
            _ => (units::number as fn(&str) -> Option<u64>, "over=10/1m"),
        };
        let invalid = || {
            let accepted = format!("a threshold and a time of 1s to 30d, as in \"{example}\",");
            RuleError::invalid("parameter", &word, &accepted)
        };
        let (threshold, window) = text.split_once('/').ok_or_else(invalid)?;
        let threshold = number(threshold).filter(|n| *n <= MAX_THRESHOLD).ok_or_else(invalid)?;
        let window_ms =
            units::time_ms(window).filter(|ms| WINDOW_MS.contains(ms)).ok_or_else(invalid)?;
        if count.is_distinct() && threshold > MAX_DISTINCT {
            let accepted = format!("a threshold of up to {MAX_DISTINCT} distinct values");
            return Err(RuleError::invalid("parameter", &word, &accepted));
        }
        Ok(Self { threshold, window_ms })
    }
}

fn check_name(name: &str) -> Result<(), RuleError> {
    let mark = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=MAX_RULE_NAME_BYTES).contains(&name.len()) && name.bytes().all(mark) {
        return Ok(());
    }
    Err(RuleError(format!(
        "invalid name \"{name}\": 1 to {MAX_RULE_NAME_BYTES} of letters, digits, \"_\" and \"-\" are accepted"
    )))
}

/// FNV-1a hash of everything that affects the count.
fn id(text: &SessionRule) -> u64 {
    let over = Some(text.over.clone());
    let name = Some(text.name.clone());
    let words = [&name, &text.on, &text.when, &text.count, &over, &text.per];
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for word in words {
        let bytes = word.as_deref().unwrap_or_default().bytes();
        // 0xff does not occur in UTF-8.
        for byte in bytes.chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}
