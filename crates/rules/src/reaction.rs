//! `then=REACTION[,REACTION]` and `mode=`.

use crate::{Rate, RuleError, units};

/// Shortest and longest denial, milliseconds.
const DENIAL_MS: std::ops::RangeInclusive<u64> = 1000..=365 * 86_400_000;

/// What happens once a rule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// The request is malicious, of type `rule:NAME`.
    Mark,
    /// Its session is denied for so many milliseconds.
    Deny(u64),
    /// Its address is denied for so many milliseconds.
    DenyIp(u64),
    /// While the subject is over the threshold, it gets so many requests.
    Limit(Rate),
}

/// What a rule's reactions are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It fires, counts and is recorded; nobody is refused.
    #[default]
    Monitor,
    /// Its reactions are in force.
    Enforce,
    /// It does not exist.
    Off,
}

impl Reaction {
    pub(crate) fn parse_all(list: &str) -> Result<Vec<Self>, RuleError> {
        let mut all: Vec<Self> = Vec::new();
        for word in list.split(',') {
            let reaction = Self::parse(word)?;
            let same =
                |other: &Self| std::mem::discriminant(other) == std::mem::discriminant(&reaction);
            if all.iter().any(same) {
                return Err(RuleError(format!(
                    "\"{word}\" is duplicate in \"then={list}\": one of its kind is accepted"
                )));
            }
            all.push(reaction);
        }
        Ok(all)
    }

    fn parse(word: &str) -> Result<Self, RuleError> {
        let time = |text: &str, example: &str| {
            let ms = units::time_ms(text).filter(|ms| DENIAL_MS.contains(ms));
            ms.ok_or_else(|| {
                let accepted = format!("a time of 1s to 365d, as in \"{example}\",");
                RuleError::invalid("parameter", word, &accepted)
            })
        };
        match word.split_once(':').unwrap_or((word, "")) {
            ("mark", "") if word == "mark" => Ok(Self::Mark),
            ("deny", text) => time(text, "deny:10m").map(Self::Deny),
            ("deny_ip", text) => time(text, "deny_ip:10m").map(Self::DenyIp),
            ("limit", text) => Rate::parse(text, word).map(Self::Limit),
            _ => Err(RuleError::invalid(
                "parameter",
                &format!("then={word}"),
                "\"mark\", \"deny:TIME\", \"deny_ip:TIME\" or \"limit:RATE\"",
            )),
        }
    }
}

impl Mode {
    pub(crate) fn parse(text: &str) -> Result<Self, RuleError> {
        match text {
            "monitor" => Ok(Self::Monitor),
            "enforce" => Ok(Self::Enforce),
            "off" => Ok(Self::Off),
            _ => Err(RuleError::invalid(
                "parameter",
                &format!("mode={text}"),
                "\"monitor\", \"enforce\" or \"off\"",
            )),
        }
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Enforce => "enforce",
            Self::Off => "off",
        }
    }
}
