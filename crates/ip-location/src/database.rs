//! One MMDB file.

use std::collections::HashSet;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader, WithinOptions};
use serde::de::IgnoredAny;

use crate::{Location, MAX_TEXT};

/// Tells whether a file changed: device, inode, size, time of the last change (seconds and nanoseconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version([u64; 3], [i64; 2]);

impl Version {
    pub(crate) fn of(path: &Path) -> Result<Version, MaxMindDbError> {
        let file = std::fs::metadata(path)?;
        Ok(Version([file.dev(), file.ino(), file.size()], [file.mtime(), file.mtime_nsec()]))
    }
}

/// The content of a file.
pub(crate) struct Database {
    reader: Reader<Vec<u8>>,
    path: String,
    /// An entry could not be read; reported once.
    is_reported: AtomicBool,
}

type Found<'d> = LookupResult<'d, Vec<u8>>;

/// Where databases have the code of a country: MaxMind and DB-IP; those of blocks registered without a place;
/// IPinfo and ip-location-db.
const COUNTRY: [&[&str]; 4] = [
    &["country", "iso_code"],
    &["registered_country", "iso_code"],
    &["country_code"],
    &["country"],
];
/// Where they have the number of the autonomous system.
const ASN: [&[&str]; 3] =
    [&["autonomous_system_number"], &["traits", "autonomous_system_number"], &["asn"]];
/// Where they have its organisation.
const ORGANISATION: [&[&str]; 5] = [
    &["autonomous_system_organization"],
    &["traits", "autonomous_system_organization"],
    &["as_name"],
    &["organization"],
    &["org"],
];

impl Database {
    /// Reads a file into memory and all entries once.
    pub(crate) fn read(path: &Path) -> Result<Database, MaxMindDbError> {
        let reader = Reader::open_readfile(path)?;
        verify(&reader)?;
        let path = path.display().to_string();
        Ok(Database { reader, path, is_reported: AtomicBool::new(false) })
    }

    /// The kind of database, as its makers call it.
    pub(crate) fn kind(&self) -> &str {
        &self.reader.metadata().database_type
    }

    /// Adds what is known of an address and not there yet.
    pub(crate) fn add_to(&self, location: &mut Location, address: IpAddr) {
        let found = match self.reader.lookup(address) {
            Ok(found) if found.has_data() => found,
            Ok(_) => return,
            // A database of IPv4 alone.
            Err(MaxMindDbError::InvalidInput { .. }) => return,
            Err(error) => {
                if !self.is_reported.swap(true, Ordering::Relaxed) {
                    tracing::error!("mmdb: {}: {address}: {error}", self.path);
                }
                return;
            }
        };
        if location.country.is_none() {
            let is_code = |text: &String| text.len() == 2 && text.is_ascii();
            location.country = COUNTRY.iter().filter_map(|path| text(&found, path)).find(is_code);
        }
        if location.asn.is_none() {
            location.asn = ASN.iter().find_map(|path| asn(&found, path));
        }
        if location.organisation.is_none() {
            location.organisation = ORGANISATION.iter().find_map(|path| text(&found, path));
        }
    }
}

/// Decodes each entry. [`Reader::verify`] would also refuse databases without a description.
fn verify(reader: &Reader<Vec<u8>>) -> Result<(), MaxMindDbError> {
    let mut entries = HashSet::new();
    // Each node has two sides. Nodes that lead back to each other would never end.
    let most = 2 * reader.metadata().node_count as usize;
    for (count, network) in reader.networks(WithinOptions::default())?.enumerate() {
        if count > most {
            return Err(MaxMindDbError::invalid_database("nodes of the search tree form a cycle"));
        }
        let network = network?;
        if network.offset().is_some_and(|entry| entries.insert(entry)) {
            network.decode::<IgnoredAny>()?;
        }
    }
    Ok(())
}

/// The text at a path of the entry; `None`: there is none, or something else.
fn text(found: &Found<'_>, path: &[&str]) -> Option<String> {
    let mut text: String = found.decode_path(&elements(path)).ok()??;
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or_default());
    }
    Some(text).filter(|text| !text.is_empty())
}

fn asn(found: &Found<'_>, path: &[&str]) -> Option<String> {
    let number = match found.decode_path::<u32>(&elements(path)) {
        Ok(number) => number?,
        Err(_) => text(found, path)?.trim_start_matches("AS").parse().ok()?,
    };
    Some(format!("AS{number}"))
}

fn elements<'p>(path: &[&'p str]) -> Vec<PathElement<'p>> {
    path.iter().map(|key| PathElement::Key(key)).collect()
}
