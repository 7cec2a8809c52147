//! A request as a row of the table `request`: a column for each field of a record.
//!
//! Repeated strings, and `source`, are stored as numbers of rows in `string`. The id is a blob; the path is
//! stored only if it differs from the endpoint; attacks, rules, evidence and links are JSON arrays.
//! Parameters are `postcard`, or the row of an earlier request of the session with the same ones.

use std::borrow::Cow;
use std::sync::LazyLock;

use api_sessions_protocol::{Evidence, Record, RuleHit, SessionLink, Source, record_fields};
use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;

use super::codec::{self, Id, id_text};
use super::damaged::damaged;
use api_sessions_store::{NewRequest, StoredRequest};

/// Assigns numbers to strings.
pub(super) trait Intern {
    fn intern(&mut self, text: &str) -> rusqlite::Result<u32>;
    /// The row of an earlier request of the session with the same parameters.
    fn same_params(&mut self, packed: &[u8]) -> Option<u32>;
}

/// Resolves numbers to strings.
pub(super) trait Resolve {
    fn resolve(&mut self, id: u32) -> rusqlite::Result<String>;
    /// The parameters stored in a row.
    fn params(&mut self, row: u32) -> rusqlite::Result<Vec<u8>>;
}

macro_rules! column_type {
    (id $kind:ident) => {
        "id NOT NULL"
    };
    (session $kind:ident) => {
        "session INTEGER NOT NULL"
    };
    (path $kind:ident) => {
        "path TEXT"
    };
    ($name:ident words) => {
        concat!(stringify!($name), " TEXT")
    };
    ($name:ident rules) => {
        concat!(stringify!($name), " TEXT")
    };
    ($name:ident evidence) => {
        concat!(stringify!($name), " TEXT")
    };
    ($name:ident links) => {
        concat!(stringify!($name), " TEXT")
    };
    ($name:ident parameters) => {
        stringify!($name)
    };
    ($name:ident $kind:ident) => {
        concat!(stringify!($name), " INTEGER")
    };
}

/// How the view `requests` shows a column.
macro_rules! column_view {
    (id $kind:ident) => {
        "CASE typeof(r.id) WHEN 'blob' THEN lower(hex(r.id)) ELSE r.id END AS id"
    };
    (ts $kind:ident) => {
        "strftime('%Y-%m-%d %H:%M:%f', r.ts / 1000.0, 'unixepoch') AS time, r.ts"
    };
    (session $kind:ident) => {
        "(SELECT ifnull(name, lower(hex(session))) FROM session WHERE id = r.session) AS session"
    };
    (path $kind:ident) => {
        "ifnull(r.path, (SELECT text FROM string WHERE id = r.endpoint)) AS path"
    };
    ($name:ident text) => { column_view!(@string $name) };
    ($name:ident text_or_empty) => { column_view!(@string $name) };
    ($name:ident optional_text) => { column_view!(@string $name) };
    ($name:ident source) => { column_view!(@string $name) };
    ($name:ident $kind:ident) => { concat!("r.", stringify!($name)) };
    (@string $name:ident) => {
        concat!(
            "(SELECT text FROM string WHERE id = r.", stringify!($name), ") AS ", stringify!($name)
        )
    };
}

/// Binds a field to the statement.
macro_rules! bind {
    (id $kind:ident $at:ident $to:ident $new:ident $strings:ident) => {
        $to.raw_bind_parameter($at, Id(&$new.record.id))?
    };
    // Bound by number, not as part of the record.
    (session $kind:ident $at:ident $to:ident $new:ident $strings:ident) => {};
    (path $kind:ident $at:ident $to:ident $new:ident $strings:ident) => {{
        let path = &*$new.record.path;
        $to.raw_bind_parameter($at, (path != $new.endpoint).then_some(path))?
    }};
    ($name:ident text $at:ident $to:ident $new:ident $strings:ident) => {
        $to.raw_bind_parameter($at, $strings.intern(&$new.record.$name)?)?
    };
    ($name:ident text_or_empty $at:ident $to:ident $new:ident $strings:ident) => {
        $to.raw_bind_parameter($at, $strings.intern(&$new.record.$name)?)?
    };
    ($name:ident optional_text $at:ident $to:ident $new:ident $strings:ident) => {{
        let id = $new.record.$name.as_deref().map(|text| $strings.intern(text)).transpose()?;
        $to.raw_bind_parameter($at, id)?
    }};
    ($name:ident source $at:ident $to:ident $new:ident $strings:ident) => {
        $to.raw_bind_parameter($at, $strings.intern($new.record.$name.as_str())?)?
    };
    ($name:ident optional_number $at:ident $to:ident $new:ident $strings:ident) => {
        $to.raw_bind_parameter($at, $new.record.$name.map(|n| n as i64))?
    };
    ($name:ident words $at:ident $to:ident $new:ident $strings:ident) => {
        bind!(@json $at $to $new.record.$name)
    };
    ($name:ident evidence $at:ident $to:ident $new:ident $strings:ident) => {
        bind!(@json $at $to $new.record.$name)
    };
    ($name:ident links $at:ident $to:ident $new:ident $strings:ident) => {
        bind!(@json $at $to $new.record.$name)
    };
    ($name:ident rules $at:ident $to:ident $new:ident $strings:ident) => {
        bind!(@json $at $to $new.record.$name)
    };
    ($name:ident parameters $at:ident $to:ident $new:ident $strings:ident) => {{
        let params = &$new.record.$name;
        let bytes = (!params.is_empty()).then(|| codec::pack_params(params));
        match bytes.as_deref().and_then(|bytes| $strings.same_params(bytes)) {
            Some(row) => $to.raw_bind_parameter($at, row)?,
            None => $to.raw_bind_parameter($at, bytes)?,
        }
    }};
    ($name:ident $kind:ident $at:ident $to:ident $new:ident $strings:ident) => {
        $to.raw_bind_parameter($at, $new.record.$name as i64)?
    };
    (@json $at:ident $to:ident $list:expr) => {{
        let list = &$list;
        let json = (!list.is_empty()).then(|| serde_json::to_string(list).unwrap_or_default());
        $to.raw_bind_parameter($at, json)?
    }};
}

/// Reads a field from a row.
macro_rules! read {
    (id $kind:ident $at:ident $row:ident $endpoint:ident $strings:ident) => {
        Cow::Owned(id_text($row.get_ref($at)?))
    };
    (session $kind:ident $at:ident $row:ident $endpoint:ident $strings:ident) => {
        Cow::Borrowed("")
    };
    (path $kind:ident $at:ident $row:ident $endpoint:ident $strings:ident) => {
        Cow::Owned($row.get::<_, Option<String>>($at)?.unwrap_or_else(|| $endpoint.to_owned()))
    };
    ($name:ident text $at:ident $row:ident $endpoint:ident $strings:ident) => {
        Cow::Owned($strings.resolve($row.get($at)?)?)
    };
    ($name:ident text_or_empty $at:ident $row:ident $endpoint:ident $strings:ident) => {
        Cow::Owned($strings.resolve($row.get($at)?)?)
    };
    ($name:ident optional_text $at:ident $row:ident $endpoint:ident $strings:ident) => {
        match $row.get::<_, Option<u32>>($at)? {
            Some(id) => Some(Cow::Owned($strings.resolve(id)?)),
            None => None,
        }
    };
    ($name:ident source $at:ident $row:ident $endpoint:ident $strings:ident) => {
        source(&$strings.resolve($row.get($at)?)?)
    };
    ($name:ident optional_number $at:ident $row:ident $endpoint:ident $strings:ident) => {
        $row.get::<_, Option<i64>>($at)?.map(|n| n as u64)
    };
    ($name:ident number $at:ident $row:ident $endpoint:ident $strings:ident) => {
        $row.get::<_, i64>($at)? as u64
    };
    ($name:ident words $at:ident $row:ident $endpoint:ident $strings:ident) => {
        words($row, $at)?.into_iter().map(Cow::Owned).collect()
    };
    ($name:ident rules $at:ident $row:ident $endpoint:ident $strings:ident) => {
        match $row.get_ref($at)?.as_str_or_null().map_err(|_| damaged())? {
            Some(json) => serde_json::from_str::<Vec<RuleHit<'_>>>(json)
                .map_err(|_| damaged())?
                .into_iter()
                .map(RuleHit::into_owned)
                .collect(),
            None => Vec::new(),
        }
    };
    ($name:ident links $at:ident $row:ident $endpoint:ident $strings:ident) => {
        links($row, $at)?
    };
    ($name:ident evidence $at:ident $row:ident $endpoint:ident $strings:ident) => {
        evidence($row, $at)?
    };
    ($name:ident parameters $at:ident $row:ident $endpoint:ident $strings:ident) => {
        match $row.get_ref($at)? {
            ValueRef::Null => Vec::new(),
            ValueRef::Blob(bytes) => codec::unpack_params(bytes).ok_or_else(damaged)?,
            _ => codec::unpack_params(&$strings.params($row.get($at)?)?).ok_or_else(damaged)?,
        }
    };
    ($name:ident $kind:ident $at:ident $row:ident $endpoint:ident $strings:ident) => {
        $row.get($at)?
    };
}

macro_rules! declare {
    ($($(#[$doc:meta])* $name:ident: $kind:ident;)*) => {
        /// Columns of a record, in their order.
        #[derive(Debug, Clone, Copy)]
        #[allow(non_camel_case_types, reason = "the names of the fields")]
        #[allow(dead_code, reason = "not all are asked for by name")]
        pub(super) enum Column { $($name),* }

        /// Number of columns of a record.
        const COLUMNS: usize = [$(Column::$name),*].len();

        /// Their names.
        const NAMES: [&str; COLUMNS] = [$(stringify!($name)),*];

        /// Their definitions, each after a comma.
        pub(super) const DEFINITIONS: &str = concat!($(", ", column_type!($name $kind)),*);

        /// Their expressions in the view `requests`, each before a comma.
        pub(super) const VIEW: &str = concat!($(column_view!($name $kind), ", "),*);

        fn bind_record<I: Intern>(
            to: &mut Statement<'_>,
            new: &NewRequest,
            strings: &mut I,
        ) -> rusqlite::Result<()> {
            $({
                let _at = Column::$name as usize + FIRST;
                bind!($name $kind _at to new strings);
            })*
            Ok(())
        }

        fn read_record<R: Resolve>(
            row: &Row<'_>,
            endpoint: &str,
            strings: &mut R,
        ) -> rusqlite::Result<Record<'static>> {
            Ok(Record {
                $($name: {
                    let _at = Column::$name as usize;
                    read!($name $kind _at row endpoint strings)
                },)*
                request: None,
            })
        }
    };
}
record_fields!(declare);

/// Index of the first parameter bound to a field of the record.
const FIRST: usize = 1;

/// The statement that stores a request: a record's columns, then its endpoint, whether it has full content, and the
/// row.
pub(super) static INSERT: LazyLock<String> = LazyLock::new(|| {
    let names = NAMES.join(", ");
    let marks = vec!["?"; COLUMNS + 3].join(", ");
    format!("INSERT INTO request ({names}, endpoint, content, row) VALUES ({marks})")
});

/// A statement that reads a request by its row.
pub(super) static SELECT: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT {}, endpoint, content FROM request WHERE row = ?", NAMES.join(", "))
});

/// Stores a request of the session with this number.
pub(super) fn insert<I: Intern>(
    statement: &mut Statement<'_>,
    row: u32,
    session: u32,
    new: &NewRequest,
    strings: &mut I,
) -> rusqlite::Result<()> {
    bind_record(statement, new, strings)?;
    let endpoint = strings.intern(&new.endpoint)?;
    statement.raw_bind_parameter(Column::session as usize + FIRST, session)?;
    statement.raw_bind_parameter(COLUMNS + FIRST, endpoint)?;
    statement.raw_bind_parameter(COLUMNS + 1 + FIRST, new.record.request.is_some())?;
    statement.raw_bind_parameter(COLUMNS + 2 + FIRST, row)?;
    statement.raw_execute().map(|_| ())
}

/// Reads a row of [`SELECT`] as a request, without its session and full content.
pub(super) fn read<R: Resolve>(row: &Row<'_>, strings: &mut R) -> rusqlite::Result<StoredRequest> {
    let endpoint = strings.resolve(row.get(COLUMNS)?)?;
    let record = read_record(row, &endpoint, strings)?;
    Ok(StoredRequest { record, endpoint, has_content: row.get(COLUMNS + 1)? })
}

/// A JSON array of words; NULL: empty.
pub(super) fn words(row: &Row<'_>, at: usize) -> rusqlite::Result<Vec<String>> {
    match row.get_ref(at)?.as_str_or_null().map_err(|_| damaged())? {
        Some(json) => serde_json::from_str(json).map_err(|_| damaged()),
        None => Ok(Vec::new()),
    }
}

/// A JSON array; NULL: empty.
fn evidence(row: &Row<'_>, at: usize) -> rusqlite::Result<Vec<Evidence<'static>>> {
    let Some(json) = row.get_ref(at)?.as_str_or_null().map_err(|_| damaged())? else {
        return Ok(Vec::new());
    };
    let list: Vec<Evidence<'_>> = serde_json::from_str(json).map_err(|_| damaged())?;
    Ok(list.into_iter().map(Evidence::into_owned).collect())
}

/// A JSON array; NULL: empty.
fn links(row: &Row<'_>, at: usize) -> rusqlite::Result<Vec<SessionLink<'static>>> {
    let Some(json) = row.get_ref(at)?.as_str_or_null().map_err(|_| damaged())? else {
        return Ok(Vec::new());
    };
    let list: Vec<SessionLink<'_>> = serde_json::from_str(json).map_err(|_| damaged())?;
    Ok(list.into_iter().map(SessionLink::into_owned).collect())
}

fn source(text: &str) -> Source {
    let text: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    // A source added by a newer version.
    Source::deserialize(text).unwrap_or_default()
}
