//! Headers of CSV downloads.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Header of a download: days that could not be read completely.
const INCOMPLETE: HeaderName = HeaderName::from_static("x-incomplete-days");

/// The headers of a table that is downloaded as `NAME.csv`, with the days that could not be read completely.
pub(super) fn headers(name: &str, incomplete: &[String]) -> HeaderMap {
    let all = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")),
        (INCOMPLETE, incomplete.join(", ")),
    ];
    let value = |text: String| HeaderValue::from_str(&text).ok().filter(|value| !value.is_empty());
    all.into_iter().filter_map(|(name, text)| Some((name, value(text)?))).collect()
}
