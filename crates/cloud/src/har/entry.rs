//! The parts of a HAR 1.2 entry on which sessions can depend.

use serde::{Deserialize, Deserializer};

/// One request and its response.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object with \"request\" and \"response\"")]
pub(super) struct Entry {
    /// RFC 3339.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) started_date_time: String,
    /// Time until the response was received, ms; negative if unknown.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) time: f64,
    pub(super) request: Request,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) response: Response,
    /// Chromium: "memory" or "disk" if the response comes from the cache.
    #[serde(default, rename = "_fromCache", deserialize_with = "or_default")]
    pub(super) from_cache: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) headers: Vec<Pair>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) cookies: Vec<Pair>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) post_data: Content,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Response {
    /// 0 if there was none.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) status: i64,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) headers: Vec<Pair>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) cookies: Vec<Pair>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) content: Content,
}

/// A header or a cookie.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pair {
    pub(super) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) value: String,
}

/// A body.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Content {
    #[serde(default, deserialize_with = "or_default")]
    pub(super) mime_type: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) text: String,
    /// "base64", or empty.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) encoding: String,
}

/// Reads a value that exporters may write as null.
fn or_default<'de, D, T>(value: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(value)?.unwrap_or_default())
}
