//! Judges a key in a window, by medians only, so that a single client cannot change the verdict.

use serde::{Deserialize, Serialize};

use super::facts::Kind;
use super::sample::CLIENTS_A_VALUE;
use super::summary::{MANY, Summary, is_judged};
use crate::limits::{MIN_MEDIAN_VALUES, MIN_VERDICT_CLIENTS};

/// Values of a client within an hour from which each request would be a session.
const MANY_VALUES: u32 = 8;
/// Share of use from which nearly all requests have one value.
const NEARLY_ALL: f64 = 0.9;
/// Users of a value from which it belongs to an application.
const MANY_USERS: u32 = 3;

/// Quality of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Each client keeps its value, and no other client has it.
    Good,
    /// Its value changes: each request would be a session.
    Volatile,
    /// Many clients have the same value: it belongs to an application, not to a user.
    Shared,
    /// Too little traffic for a verdict.
    #[default]
    TooLittle,
}

impl Verdict {
    /// Its name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Volatile => "volatile",
            Verdict::Shared => "shared",
            Verdict::TooLittle => "too_little",
        }
    }

    /// Whether the key should not be used for sessions.
    pub const fn is_bad(self) -> bool {
        matches!(self, Verdict::Volatile | Verdict::Shared)
    }
}

/// Verdict of a window.
pub fn judge(kind: Kind, summary: &Summary) -> Verdict {
    let has_clients = summary.clients >= MIN_VERDICT_CLIENTS;
    if is_judged(kind) {
        // One address can have any number of User-Agents: networks decide as well.
        let changes = summary.values_per_client.p50 >= MANY_VALUES
            && summary.network_values_per_client >= MANY_VALUES
            && summary.window_values_per_client > 1;
        if has_clients && changes {
            return Verdict::Volatile;
        }
        let of_many = summary.counted_values >= MIN_MEDIAN_VALUES
            && summary.counted_clients >= MANY
            || summary.top_clients >= MANY && summary.top_share >= NEARLY_ALL;
        if of_many && (summary.at_once > 0 || summary.users_per_value >= MANY_USERS) {
            return Verdict::Shared;
        }
    }
    let has_values = summary.lowest.len() >= MIN_MEDIAN_VALUES as usize;
    if has_clients && has_values { Verdict::Good } else { Verdict::TooLittle }
}

/// A count that is kept up to [`CLIENTS_A_VALUE`], which is also the limit of values per client.
fn count(count: u32) -> String {
    let is_limit = count as usize >= CLIENTS_A_VALUE;
    if is_limit { format!("{count} or more") } else { count.to_string() }
}

/// Such a count of something.
fn counted(number: u32, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// The figures behind a verdict, in words.
pub fn evidence(kind: Kind, summary: &Summary) -> Vec<String> {
    let Summary { values_per_client, clients_per_value, .. } = summary;
    let mut texts = vec![
        format!(
            "{} per client within an hour (median of about {} clients; 90 % have at most {})",
            counted(values_per_client.p50, "value"),
            summary.clients,
            count(values_per_client.p90)
        ),
        format!(
            "{} per value (median; 90 % have at most {}, the maximum is {})",
            counted(clients_per_value.p50, "client"),
            count(clients_per_value.p90),
            count(clients_per_value.max)
        ),
    ];
    if !is_judged(kind) {
        return texts;
    }
    if summary.values_per_client.p50 >= MANY_VALUES
        && summary.network_values_per_client < MANY_VALUES
    {
        texts.push(format!(
            "{} per client in the median network, which does not count as volatile",
            counted(summary.network_values_per_client, "value")
        ));
    }
    if summary.top_clients >= MANY && summary.top_share >= NEARLY_ALL {
        texts.push(format!("one value has {:.0} % of all uses", summary.top_share * 100.0));
    }
    if summary.at_once > 0 {
        let were = if summary.at_once == 1 { "value was" } else { "values were" };
        texts.push(format!("{} {were} in three networks at once, repeatedly", summary.at_once));
    }
    if summary.users_per_value >= MANY_USERS {
        texts.push(format!("{} users per value", summary.users_per_value));
    }
    let is_volatile = judge(kind, summary) == Verdict::Volatile;
    if summary.counted_values == 0 && summary.present > 0 && !is_volatile {
        texts.push(
            "its values were seen at one endpoint only, which does not count as shared".to_owned(),
        );
    }
    if summary.is_issued() {
        texts.push("the application sets it".to_owned());
    }
    texts
}
