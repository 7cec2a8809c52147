//! `then=REACTION[,REACTION]` and `mode=`.

use crate::{Rate, RuleError, units};

/// Minimum and maximum duration of a denial, milliseconds.
const DENIAL_MS: std::ops::RangeInclusive<u64> = 1000..=365 * 86_400_000;

/// A reaction when a rule fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Marks the request as malicious, with attack type `rule:NAME`.
    Mark,
    /// Denies the session, for this many milliseconds.
    Deny(u64),
    /// Denies the address, for this many milliseconds.
    DenyIp(u64),
    /// Limits the subject to this rate while it is over the threshold.
    Limit(Rate),
}

/// Whether a rule's reactions take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The rule counts, fires and is recorded, but refuses no one.
    #[default]
    Monitor,
    /// The reactions take effect.
    Enforce,
    /// The rule is ignored.
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

    /// Its name in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Enforce => "enforce",
            Self::Off => "off",
        }
    }
}
