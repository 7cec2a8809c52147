//! Query strings of lists: parsing and validation.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::error::AppError;
use crate::limits::{MAX_FILTER_BYTES, MAX_PAGE_ITEMS};
use api_sessions_store::clock::parse_ms;
use api_sessions_store::{Filter, RequestQuery, SessionQuery, Sort, StatusFilter};

/// Default number of items per page.
pub const DEFAULT_LIMIT: usize = 50;

/// The query string of a list. An empty value counts as absent, since forms send empty fields. An unknown name
/// is an error: a misspelt filter would match everything.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RawQuery {
    /// Earliest time: milliseconds since 1970 or RFC 3339.
    pub from: String,
    /// Latest time.
    pub to: String,
    /// Exact match.
    pub application: String,
    /// Exact match.
    pub host: String,
    /// Exact match.
    pub ip: String,
    /// Exact match.
    pub user: String,
    /// Exact match.
    pub role: String,
    /// Such as `403` or `4xx`.
    pub status: String,
    /// Exact match.
    pub method: String,
    /// JA4 of the client's TLS, or its stable form; exact match.
    pub ja4: String,
    /// Country of the client address, such as `DE`; exact match.
    pub country: String,
    /// Autonomous system of the client address, such as `AS64496`; exact match.
    pub asn: String,
    /// Organisation of that system; exact match.
    pub organisation: String,
    /// Attack type, or `any`.
    pub attack: String,
    /// Part of an endpoint; `/users/42` also finds `/users/{int}`.
    pub endpoint: String,
    /// Session id.
    pub session: String,
    /// `true` or `false`.
    pub denied: String,
    /// `last_ts`, `first_ts`, `requests`, `attacks`, `denied`, `duration` or `score`; prefixed with `-`, largest first.
    pub sort: String,
    /// `asc` or `desc`.
    pub order: String,
    /// Items per page.
    #[param(value_type = u32, minimum = 1, maximum = 1000, default = 50)]
    pub limit: String,
    /// `next` of the previous page.
    pub cursor: String,
}

fn wrong(name: &str, expected: &str) -> AppError {
    AppError::bad_request(format!("invalid value of {name}: {expected}"))
}

/// Parses an optional value of a query string; an empty one counts as absent.
///
/// # Errors
/// 400, naming the parameter and what is expected.
pub fn optional<T>(
    name: &str,
    text: &str,
    expected: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, AppError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > MAX_FILTER_BYTES {
        return Err(wrong(name, &format!("longer than {MAX_FILTER_BYTES} bytes")));
    }
    read(text).map(Some).ok_or_else(|| wrong(name, expected))
}

/// Parses an optional time.
///
/// # Errors
/// 400, naming the parameter and its forms.
pub fn time(name: &str, text: &str) -> Result<Option<u64>, AppError> {
    optional(name, text, "milliseconds since 1970 or RFC 3339 expected", parse_ms)
}

/// Parses an optional text.
///
/// # Errors
/// 400 if it is too long.
pub fn word(name: &str, text: &str) -> Result<Option<String>, AppError> {
    optional(name, text, "", |text| Some(text.to_owned()))
}

/// Parses the number of items per page.
///
/// # Errors
/// 400, naming the valid range.
pub fn limit(text: &str) -> Result<Option<usize>, AppError> {
    optional("limit", text, &format!("a number from 1 to {MAX_PAGE_ITEMS} expected"), |text| {
        text.parse().ok().filter(|limit| (1..=MAX_PAGE_ITEMS).contains(limit))
    })
}

impl RawQuery {
    /// Parses the filters.
    ///
    /// # Errors
    /// 400, naming the parameter and its valid values.
    pub fn filter(&self) -> Result<Filter, AppError> {
        Ok(Filter {
            from: time("from", &self.from)?,
            to: time("to", &self.to)?,
            application: word("application", &self.application)?,
            host: word("host", &self.host)?,
            ip: word("ip", &self.ip)?,
            user: word("user", &self.user)?,
            role: word("role", &self.role)?,
            status: optional(
                "status",
                &self.status,
                "a status such as 403 or 4xx expected",
                StatusFilter::parse,
            )?,
            method: word("method", &self.method)?,
            ja4: word("ja4", &self.ja4)?,
            country: word("country", &self.country)?,
            asn: word("asn", &self.asn)?,
            organisation: word("organisation", &self.organisation)?,
            attack: word("attack", &self.attack)?,
            endpoint: word("endpoint", &self.endpoint)?,
            session: word("session", &self.session)?,
            denied: optional(
                "denied",
                &self.denied,
                "true or false expected",
                |text| match text {
                    "true" | "1" | "yes" | "on" => Some(true),
                    "false" | "0" | "no" | "off" => Some(false),
                    _ => None,
                },
            )?,
        })
    }

    /// Parses a query that accepts filters only, without order or pages.
    ///
    /// # Errors
    /// 400, naming the parameter and its valid values.
    pub fn filter_alone(&self) -> Result<Filter, AppError> {
        for (name, value) in [
            ("sort", &self.sort),
            ("order", &self.order),
            ("limit", &self.limit),
            ("cursor", &self.cursor),
        ] {
            if !value.is_empty() {
                return Err(wrong(name, "filters only are expected"));
            }
        }
        self.filter()
    }

    /// Parses a query for sessions.
    ///
    /// # Errors
    /// 400, naming the parameter and its valid values.
    pub fn sessions(&self) -> Result<SessionQuery, AppError> {
        let (sort, descending) = match self.sort.strip_prefix('-') {
            Some(sort) => (sort, Some(true)),
            None => (self.sort.as_str(), None),
        };
        let expected = "last_ts, first_ts, requests, attacks, denied, duration or score expected";
        let sort = optional("sort", sort, expected, |text| {
            Some(match text {
                // Those to choose from ([`RawQuery::is_by_score`]).
                "last_ts" | "score" => Sort::LastTs,
                "first_ts" => Sort::FirstTs,
                "requests" => Sort::Requests,
                "attacks" => Sort::Attacks,
                "denied" => Sort::Denied,
                "duration" => Sort::Duration,
                _ => return None,
            })
        })?;
        let ascending = match descending {
            Some(descending) => !descending,
            None => self.ascending()?.unwrap_or(false),
        };
        Ok(SessionQuery {
            filter: self.filter()?,
            sort: sort.unwrap_or_default(),
            ascending,
            limit: self.limit()?,
            cursor: self.cursor(),
        })
    }

    /// Whether sessions are sorted by their scores, which the store does not know.
    pub fn is_by_score(&self) -> bool {
        matches!(self.sort.trim(), "score" | "-score")
    }

    /// Parses a query for a session's requests.
    ///
    /// # Errors
    /// 400, naming the parameter and its valid values.
    pub fn requests(&self, session: String) -> Result<RequestQuery, AppError> {
        if !self.sort.is_empty() {
            return Err(wrong(
                "sort",
                "requests are in the order of their time, order=asc or order=desc",
            ));
        }
        Ok(RequestQuery {
            session,
            filter: self.filter()?,
            descending: !self.ascending()?.unwrap_or(true),
            limit: self.limit()?,
            cursor: self.cursor(),
        })
    }

    fn ascending(&self) -> Result<Option<bool>, AppError> {
        optional("order", &self.order, "asc or desc expected", |text| match text {
            "asc" => Some(true),
            "desc" => Some(false),
            _ => None,
        })
    }

    fn limit(&self) -> Result<usize, AppError> {
        Ok(limit(&self.limit)?.unwrap_or(DEFAULT_LIMIT))
    }

    fn cursor(&self) -> Option<String> {
        Some(self.cursor.clone()).filter(|cursor| !cursor.is_empty())
    }
}
