//! Statements with bound values.

use clickhouse::Client;
use clickhouse::query::Query;
use serde::Serialize;

/// A value in a statement.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Signed(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Value::Text(text.clone())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Number(number)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Signed(number)
    }
}

/// A statement with a `?` for each bound value, which the client library quotes.
#[derive(Debug, Clone, Default)]
pub(super) struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(super) fn new(text: impl Into<String>) -> Sql {
        Sql { text: text.into(), values: Vec::new() }
    }

    /// Appends text, and the values of the `?` in it.
    pub(super) fn add(mut self, text: &str, values: impl IntoIterator<Item = Value>) -> Sql {
        self.text.push_str(text);
        self.values.extend(values);
        self
    }

    /// Appends the values of `?` appended earlier.
    pub(super) fn bound(self, values: impl IntoIterator<Item = Value>) -> Sql {
        self.add("", values)
    }

    /// Appends a list for `IN`.
    pub(super) fn list(self, texts: &[String]) -> Sql {
        let marks = vec!["?"; texts.len()].join(", ");
        self.add(&format!("({marks})"), texts.iter().map(Value::from))
    }

    /// Appends another statement.
    pub(super) fn then(self, other: Sql) -> Sql {
        self.add(&other.text, other.values)
    }

    pub(super) fn query(&self, client: &Client) -> Query {
        self.values.iter().fold(client.query(&self.text), |query, value| query.bind(value))
    }
}
