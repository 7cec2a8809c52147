//! Filters as SQL conditions.

use super::sql::{Sql, Value};
use crate::limits::MAX_DATE_MS;
use api_sessions_store::Day;
use api_sessions_store::path_template;
use api_sessions_store::query::{ANY_ATTACK, Filter};

/// Condition on the days that a filter can match; it prunes partitions.
pub(super) fn days(filter: &Filter) -> Sql {
    let mut sql = Sql::new("1");
    if let Some(from) = filter.from {
        sql = sql.add(" AND day >= toDate(?)", [day_of(from)]);
    }
    if let Some(to) = filter.to {
        sql = sql.add(" AND day <= toDate(?)", [day_of(to)]);
    }
    sql
}

fn day_of(ts: u64) -> Value {
    Value::Text(Day::of(ts.min(MAX_DATE_MS)).to_string())
}

/// Conditions on a request, one per value filter; each must hold for some request of a session.
pub(super) fn by_value(filter: &Filter) -> Vec<Sql> {
    let mut all = Vec::new();
    for (column, value) in [
        ("app", &filter.application),
        ("host", &filter.host),
        ("ip", &filter.ip),
        ("user", &filter.user),
        ("role", &filter.role),
        ("method", &filter.method),
        ("country", &filter.country),
        ("asn", &filter.asn),
        ("organisation", &filter.organisation),
    ] {
        if let Some(value) = value {
            // `ifNull`, since columns may be NULL and a condition must not be.
            all.push(Sql::new("").add(&format!("ifNull({column} = ?, 0)"), [value.into()]));
        }
    }
    if let Some(ja4) = &filter.ja4 {
        let either = "(ifNull(ja4 = ?, 0) OR ifNull(ja4_stable = ?, 0))";
        all.push(Sql::new("").add(either, [ja4.into(), ja4.into()]));
    }
    if let Some(status) = filter.status {
        let (first, last) = status.range();
        let range = [Value::from(u64::from(first)), Value::from(u64::from(last))];
        all.push(Sql::new("").add("(status >= ? AND status <= ?)", range));
    }
    if let Some(attack) = filter.attack.as_deref().filter(|attack| *attack != ANY_ATTACK) {
        all.push(Sql::new("").add("has(attacks, ?)", [attack.into()]));
    }
    all
}

/// Condition that the endpoint contains the text, as given or as a path template.
pub(super) fn endpoint(part: &str) -> Sql {
    let shape = path_template::endpoint(part);
    Sql::new("").add(
        "(positionCaseInsensitive(endpoint, ?) > 0 OR positionCaseInsensitive(endpoint, ?) > 0)",
        [part.into(), Value::Text(shape)],
    )
}

/// All conditions of a filter, for a single request.
pub(super) fn on_request(filter: &Filter) -> Sql {
    let mut sql = days(filter);
    if let Some(from) = filter.from {
        sql = sql.add(" AND ts >= ?", [from.into()]);
    }
    if let Some(to) = filter.to {
        sql = sql.add(" AND ts <= ?", [to.into()]);
    }
    for condition in by_value(filter) {
        sql = sql.add(" AND ", []).then(condition);
    }
    if filter.attack.as_deref() == Some(ANY_ATTACK) {
        sql = sql.add(" AND notEmpty(attacks)", []);
    }
    if let Some(denied) = filter.denied {
        sql = sql.add(" AND denied = ?", [Value::from(u64::from(denied))]);
    }
    if let Some(part) = &filter.endpoint {
        sql = sql.add(
            " AND (positionCaseInsensitive(path, ?) > 0 OR positionCaseInsensitive(endpoint, ?) > 0)",
            [part.into(), part.into()],
        );
    }
    sql
}
