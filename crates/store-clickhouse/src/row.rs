//! A request as a row.

use api_sessions_protocol::{
    Evidence, FullRequest, Param, Record, RuleHit, SessionLink, Source, record_fields,
};
use serde::{Deserialize, Serialize};

use api_sessions_store::{Day, NewRequest, StoredRequest};

macro_rules! column_names {
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)*) => { concat!($(", ", stringify!($name)),*) };
}
macro_rules! column_types {
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)*) => {
        concat!($(", ", stringify!($name), " ", column_type!($name $kind)),*)
    };
}
macro_rules! column_type {
    (key $kind:ident) => {
        "{word}"
    };
    (method $kind:ident) => {
        "{word}"
    };
    ($name:ident source) => {
        "{word}"
    };
    ($name:ident text) => {
        "String"
    };
    ($name:ident text_or_empty) => {
        "String"
    };
    ($name:ident optional_text) => {
        "Nullable(String)"
    };
    ($name:ident status) => {
        "UInt16"
    };
    ($name:ident number) => {
        "UInt64"
    };
    ($name:ident optional_number) => {
        "Nullable(UInt64)"
    };
    ($name:ident flag) => {
        "UInt8"
    };
    ($name:ident words) => {
        "Array(String)"
    };
    ($name:ident evidence) => {
        "String"
    };
    ($name:ident links) => {
        "String"
    };
    ($name:ident parameters) => {
        "String"
    };
    ($name:ident rules) => {
        "String"
    };
}

/// The columns of a request, apart from its full content.
pub(super) const COLUMNS: &str = concat!(
    "batch, line, arrived, endpoint, notEmpty(content) AS has_content",
    record_fields!(column_names)
);

/// The columns of a record with their types; `{word}` is a placeholder for the type of low-cardinality strings.
pub(super) const RECORD_COLUMNS: &str = record_fields!(column_types);

/// Type of a column on insert.
macro_rules! new_type {
    (text) => { &'r str };
    (text_or_empty) => { &'r str };
    (optional_text) => { Option<&'r str> };
    (source) => { &'static str };
    (status) => { u16 };
    (number) => { u64 };
    (optional_number) => { Option<u64> };
    (flag) => { u8 };
    (words) => { Vec<&'r str> };
    (evidence) => { String };
    (links) => { String };
    (parameters) => { String };
    (rules) => { String };
}
macro_rules! new_value {
    (text $value:expr) => {
        &$value
    };
    (text_or_empty $value:expr) => {
        &$value
    };
    (optional_text $value:expr) => {
        $value.as_deref()
    };
    (source $value:expr) => {
        $value.as_str()
    };
    (flag $value:expr) => {
        $value.into()
    };
    (words $value:expr) => {
        $value.iter().map(|word| &**word).collect()
    };
    (evidence $value:expr) => {
        evidence_text(&$value)
    };
    (links $value:expr) => {
        links_text(&$value)
    };
    (parameters $value:expr) => {
        serde_json::to_string(&$value).unwrap_or_default()
    };
    (rules $value:expr) => {
        if $value.is_empty() {
            String::new()
        } else {
            serde_json::to_string(&$value).unwrap_or_default()
        }
    };
    ($kind:ident $value:expr) => {
        $value
    };
}

/// Type of a column on select.
macro_rules! row_type {
    (text) => { String };
    (text_or_empty) => { String };
    (optional_text) => { Option<String> };
    (source) => { Source };
    (status) => { u16 };
    (number) => { u64 };
    (optional_number) => { Option<u64> };
    (flag) => { u8 };
    (words) => { Vec<String> };
    (evidence) => { String };
    (links) => { String };
    (parameters) => { String };
    (rules) => { String };
}
macro_rules! row_value {
    (text $value:expr) => {
        $value.into()
    };
    (text_or_empty $value:expr) => {
        $value.into()
    };
    (optional_text $value:expr) => {
        $value.map(Into::into)
    };
    (flag $value:expr) => {
        $value != 0
    };
    (words $value:expr) => {
        $value.into_iter().map(Into::into).collect()
    };
    (evidence $value:expr) => {
        evidence(&$value)
    };
    (links $value:expr) => {
        links(&$value)
    };
    (parameters $value:expr) => {
        parameters(&$value)
    };
    (rules $value:expr) => {
        rules(&$value)
    };
    ($kind:ident $value:expr) => {
        $value
    };
}

/// Declares [`NewRow`] and [`Row`]: a column for each field of a record.
macro_rules! declare_rows {
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)*) => {
        /// A row to insert.
        #[derive(Serialize)]
        pub(super) struct NewRow<'r> {
            day: String,
            batch: &'r str,
            line: u32,
            endpoint: &'r str,
            $($name: new_type!($kind),)*
            content: String,
            arrived: u64,
        }

        impl<'r> NewRow<'r> {
            /// A row of the named batch, which arrived at the Unix time `arrived` in milliseconds.
            pub(super) fn new(batch: &'r str, request: &'r NewRequest, arrived: u64) -> Self {
                let NewRequest { record, endpoint, line } = request;
                let content = record.request.as_ref().and_then(|full| serde_json::to_string(full).ok());
                NewRow {
                    day: Day::of(record.ts).to_string(),
                    batch,
                    line: *line,
                    endpoint,
                    $($name: new_value!($kind record.$name),)*
                    content: content.unwrap_or_default(),
                    arrived,
                }
            }
        }

        /// A selected row ([`COLUMNS`]).
        #[derive(Deserialize)]
        pub(super) struct Row {
            pub(super) batch: String,
            pub(super) line: u32,
            pub(super) arrived: u64,
            endpoint: String,
            has_content: u8,
            $(pub(super) $name: row_type!($kind),)*
            #[serde(default)]
            content: String,
        }

        impl From<Row> for StoredRequest {
            fn from(row: Row) -> StoredRequest {
                StoredRequest {
                    record: Record {
                        $($name: row_value!($kind row.$name),)*
                        request: serde_json::from_str::<FullRequest<'_>>(&row.content)
                            .ok()
                            .map(FullRequest::into_owned),
                    },
                    endpoint: row.endpoint,
                    has_content: row.has_content != 0,
                }
            }
        }
    };
}

record_fields!(declare_rows);

/// A JSON array; empty: none.
fn evidence_text(list: &[Evidence<'_>]) -> String {
    match list {
        [] => String::new(),
        list => serde_json::to_string(list).unwrap_or_default(),
    }
}

fn evidence(json: &str) -> Vec<Evidence<'static>> {
    let list: Vec<Evidence<'_>> = serde_json::from_str(json).unwrap_or_default();
    list.into_iter().map(Evidence::into_owned).collect()
}

/// A JSON array; empty: none.
fn links_text(list: &[SessionLink<'_>]) -> String {
    match list {
        [] => String::new(),
        list => serde_json::to_string(list).unwrap_or_default(),
    }
}

fn links(json: &str) -> Vec<SessionLink<'static>> {
    let list: Vec<SessionLink<'_>> = serde_json::from_str(json).unwrap_or_default();
    list.into_iter().map(SessionLink::into_owned).collect()
}

fn parameters(json: &str) -> Vec<Param<'static>> {
    let params: Vec<Param<'_>> = serde_json::from_str(json).unwrap_or_default();
    params.into_iter().map(Param::into_owned).collect()
}

fn rules(json: &str) -> Vec<RuleHit<'static>> {
    let hits: Vec<RuleHit<'_>> = serde_json::from_str(json).unwrap_or_default();
    hits.into_iter().map(RuleHit::into_owned).collect()
}
