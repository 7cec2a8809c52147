//! Query strings of lists: what a client may write, checked, and turned into a store's question.

use serde::Deserialize;

use crate::error::AppError;
use api_sessions_store::clock::parse_ms;
use api_sessions_store::{Filter, RequestQuery, SessionQuery, Sort, StatusFilter};

/// Items in a page that asks for no number.
pub const DEFAULT_LIMIT: usize = 50;

/// Most items in a page.
pub const MAX_LIMIT: usize = 1000;

/// Longest value of a filter, bytes.
pub const MAX_VALUE: usize = 1024;

/// A query string as it comes; empty values count as absent, as a form sends them. A name that is not
/// known is a mistake that is told: a filter spelt wrong would find everything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct RawQuery {
    pub from: String,
    pub to: String,
    pub application: String,
    pub host: String,
    pub ip: String,
    pub user: String,
    pub role: String,
    pub status: String,
    pub method: String,
    pub attack: String,
    pub endpoint: String,
    pub session: String,
    pub denied: String,
    pub sort: String,
    pub order: String,
    pub limit: String,
    pub cursor: String,
}

fn wrong(name: &str, expected: &str) -> AppError {
    AppError::bad_request(format!("{name}: {expected}"))
}

fn optional<T>(
    name: &str,
    text: &str,
    expected: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, AppError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > MAX_VALUE {
        return Err(wrong(name, "too long"));
    }
    read(text).map(Some).ok_or_else(|| wrong(name, expected))
}

/// How many items a page may have.
///
/// # Errors
/// 400, saying what is accepted.
pub fn limit(text: &str) -> Result<Option<usize>, AppError> {
    optional("limit", text, &format!("a number from 1 to {MAX_LIMIT}"), |text| {
        text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit))
    })
}

impl RawQuery {
    /// The filters.
    ///
    /// # Errors
    /// 400, naming the parameter and what it may be.
    pub fn filter(&self) -> Result<Filter, AppError> {
        let time = "milliseconds since 1970 or RFC 3339";
        let word = |name, text| optional(name, text, "", |text| Some(text.to_owned()));
        Ok(Filter {
            from: optional("from", &self.from, time, parse_ms)?,
            to: optional("to", &self.to, time, parse_ms)?,
            application: word("application", &self.application)?,
            host: word("host", &self.host)?,
            ip: word("ip", &self.ip)?,
            user: word("user", &self.user)?,
            role: word("role", &self.role)?,
            status: optional("status", &self.status, "such as 403 or 4xx", StatusFilter::parse)?,
            method: word("method", &self.method)?,
            attack: word("attack", &self.attack)?,
            endpoint: word("endpoint", &self.endpoint)?,
            session: word("session", &self.session)?,
            denied: optional("denied", &self.denied, "true or false", |text| match text {
                "true" | "1" | "yes" | "on" => Some(true),
                "false" | "0" | "no" | "off" => Some(false),
                _ => None,
            })?,
        })
    }

    /// A page of sessions.
    ///
    /// # Errors
    /// 400, naming the parameter and what it may be.
    pub fn sessions(&self) -> Result<SessionQuery, AppError> {
        let (sort, descending) = match self.sort.strip_prefix('-') {
            Some(sort) => (sort, Some(true)),
            None => (self.sort.as_str(), None),
        };
        let expected = "last_ts, first_ts, requests, attacks, denied or duration";
        let sort = optional("sort", sort, expected, |text| {
            Some(match text {
                "last_ts" => Sort::LastTs,
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

    /// A page of a session's requests.
    ///
    /// # Errors
    /// 400, naming the parameter and what it may be.
    pub fn requests(&self, session: String) -> Result<RequestQuery, AppError> {
        Ok(RequestQuery {
            session,
            filter: self.filter()?,
            descending: !self.ascending()?.unwrap_or(true),
            limit: self.limit()?,
            cursor: self.cursor(),
        })
    }

    fn ascending(&self) -> Result<Option<bool>, AppError> {
        optional("order", &self.order, "asc or desc", |text| match text {
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
