//! Conditions on sessions and requests.

use crate::StoredRequest;

/// One status or a class of statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    /// `403`
    Code(u16),
    /// `4xx`: the hundreds digit.
    Class(u16),
}

impl StatusFilter {
    /// Parses `403` or `4xx`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(class) = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")) {
            return match class.parse() {
                Ok(class @ 1..=9) if text.len() == 3 => Some(Self::Class(class)),
                _ => None,
            };
        }
        text.parse().ok().filter(|code| *code < 1000).map(Self::Code)
    }

    /// Whether `status` is included.
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Code(code) => code == status,
            Self::Class(class) => status / 100 == class,
        }
    }

    /// Lowest and highest status included.
    pub fn range(self) -> (u16, u16) {
        match self {
            Self::Code(code) => (code, code),
            Self::Class(class) => (class * 100, class * 100 + 99),
        }
    }
}

/// Conditions on sessions or requests; all must hold.
///
/// A session meets a condition if any of its requests does, so two conditions may be met by different
/// requests. A request must meet all of them itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Earliest start of a request, ms since 1970.
    pub from: Option<u64>,
    /// Latest start of a request, ms since 1970.
    pub to: Option<u64>,
    /// Application, exactly.
    pub application: Option<String>,
    /// Host, exactly.
    pub host: Option<String>,
    /// Client address, exactly.
    pub ip: Option<String>,
    /// User, exactly.
    pub user: Option<String>,
    /// Role, exactly.
    pub role: Option<String>,
    /// Response status or class.
    pub status: Option<StatusFilter>,
    /// Method, exactly.
    pub method: Option<String>,
    /// JA4 or its stable form, exactly.
    pub ja4: Option<String>,
    /// Country of the client address, exactly.
    pub country: Option<String>,
    /// Autonomous system of the client address, exactly.
    pub asn: Option<String>,
    /// Organisation of that system, exactly.
    pub organisation: Option<String>,
    /// Attack type, exactly; [`ANY_ATTACK`] for any.
    pub attack: Option<String>,
    /// Substring of the endpoint, ASCII case-insensitive.
    pub endpoint: Option<String>,
    /// Session id.
    pub session: Option<String>,
    /// `true`: some request was denied; `false`: none was.
    pub denied: Option<bool>,
}

/// Filter value that matches every attack type.
pub const ANY_ATTACK: &str = "any";

impl Filter {
    /// Whether one request meets every condition. Ignores `session`.
    pub fn matches(&self, request: &StoredRequest) -> bool {
        let record = &request.record;
        let same = |want: &Option<String>, have: Option<&str>| {
            want.as_deref().is_none_or(|want| have == Some(want))
        };
        self.from.is_none_or(|from| record.ts >= from)
            && self.to.is_none_or(|to| record.ts <= to)
            && same(&self.application, record.app.as_deref())
            && same(&self.host, record.host.as_deref())
            && same(&self.ip, Some(&record.ip))
            && same(&self.user, record.user.as_deref())
            && same(&self.role, record.role.as_deref())
            && same(&self.method, Some(&record.method))
            && (same(&self.ja4, record.ja4.as_deref())
                || same(&self.ja4, record.ja4_stable.as_deref()))
            && same(&self.country, record.country.as_deref())
            && same(&self.asn, record.asn.as_deref())
            && same(&self.organisation, record.organisation.as_deref())
            && self.status.is_none_or(|status| status.matches(record.status))
            && self.denied.is_none_or(|denied| record.denied == denied)
            && self.attack.as_deref().is_none_or(|want| {
                if want == ANY_ATTACK {
                    !record.attacks.is_empty()
                } else {
                    record.attacks.iter().any(|attack| attack == want)
                }
            })
            && self.endpoint.as_deref().is_none_or(|want| {
                contains_ignore_case(&record.path, want)
                    || contains_ignore_case(&request.endpoint, want)
            })
    }
}

/// Whether `text` contains `part`, ASCII case-insensitive.
pub fn contains_ignore_case(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_filter_is_a_code_or_a_class() {
        assert_eq!(StatusFilter::parse("403"), Some(StatusFilter::Code(403)));
        assert_eq!(StatusFilter::parse("4xx"), Some(StatusFilter::Class(4)));
        for bad in ["", "xx", "44xx", "0xx", "4x", "abc", "-1", "99999"] {
            assert_eq!(StatusFilter::parse(bad), None, "{bad}");
        }
        assert!(StatusFilter::Class(4).matches(499) && !StatusFilter::Class(4).matches(500));
    }
}
