//! Streams the entries of a HAR file, so that only one at a time is in memory.

use std::fmt;
use std::io::BufRead;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::entry::Entry;

/// Takes an entry, or the reason why it is invalid.
type Take<'t> = &'t mut dyn FnMut(Result<Entry, serde_json::Error>);

/// Calls `take` with each entry, in the order of the file.
///
/// # Errors
/// The file is not a HAR file, or is damaged: with line and column. Entries before the damage have been taken.
pub(super) fn entries(mut reader: impl BufRead, take: Take<'_>) -> Result<(), serde_json::Error> {
    skip_byte_order_mark(&mut reader).map_err(serde_json::Error::io)?;
    let mut file = serde_json::Deserializer::from_reader(reader);
    file.deserialize_map(Members { wanted: "log", inner: Log(take) })?;
    file.end()
}

/// Some exporters begin with U+FEFF in UTF-8.
fn skip_byte_order_mark(reader: &mut impl BufRead) -> std::io::Result<()> {
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.read_exact(&mut [0; 3])?;
    }
    Ok(())
}

/// An object: one member is read, all others are skipped.
struct Members<S> {
    wanted: &'static str,
    inner: S,
}

impl<'de, S: DeserializeSeed<'de, Value = ()>> Visitor<'de> for Members<S> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "a HAR file: an object with \"{}\"", self.wanted)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let (wanted, mut inner) = (self.wanted, Some(self.inner));
        while let Some(name) = map.next_key::<String>()? {
            match (name == wanted).then(|| inner.take()).flatten() {
                Some(seed) => map.next_value_seed(seed)?,
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        match inner {
            None => Ok(()),
            Some(_) => Err(M::Error::custom(format_args!("no HAR file: \"{wanted}\" is missing"))),
        }
    }
}

struct Log<'t>(Take<'t>);

impl<'de> DeserializeSeed<'de> for Log<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, log: D) -> Result<(), D::Error> {
        log.deserialize_map(Members { wanted: "entries", inner: Entries(self.0) })
    }
}

struct Entries<'t>(Take<'t>);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, entries: D) -> Result<(), D::Error> {
        entries.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a list of entries")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        // In two steps, so that an invalid entry does not stop the next one.
        while let Some(text) = list.next_element::<Box<RawValue>>()? {
            (self.0)(serde_json::from_str(text.get()));
        }
        Ok(())
    }
}
