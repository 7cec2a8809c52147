//! An MMDB file.

use std::collections::HashSet;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader, WithinOptions};
use serde::de::IgnoredAny;

use crate::Location;
use crate::limits::MAX_TEXT_BYTES;

/// Identifies a version of a file: device, inode, size, and modification time (seconds and nanoseconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version([u64; 3], [i64; 2]);

impl Version {
    pub(crate) fn of(path: &Path) -> Result<Version, MaxMindDbError> {
        let file = std::fs::metadata(path)?;
        Ok(Version([file.dev(), file.ino(), file.size()], [file.mtime(), file.mtime_nsec()]))
    }
}

/// The content of an MMDB file.
pub(crate) struct Database {
    reader: Reader<Vec<u8>>,
    path: String,
    /// A lookup error has been logged; it is logged once.
    is_reported: AtomicBool,
}

type Found<'d> = LookupResult<'d, Vec<u8>>;

/// Paths of the country code: MaxMind and DB-IP, also for blocks with only a registered country; IPinfo and
/// ip-location-db.
const COUNTRY: [&[&str]; 4] = [
    &["country", "iso_code"],
    &["registered_country", "iso_code"],
    &["country_code"],
    &["country"],
];
/// Paths of the autonomous system number.
const ASN: [&[&str]; 3] =
    [&["autonomous_system_number"], &["traits", "autonomous_system_number"], &["asn"]];
/// Paths of the organisation of the autonomous system.
const ORGANISATION: [&[&str]; 5] = [
    &["autonomous_system_organization"],
    &["traits", "autonomous_system_organization"],
    &["as_name"],
    &["organization"],
    &["org"],
];

impl Database {
    /// Reads a file into memory and checks that all entries can be decoded.
    pub(crate) fn read(path: &Path) -> Result<Database, MaxMindDbError> {
        let reader = Reader::open_readfile(path)?;
        verify(&reader)?;
        let path = path.display().to_string();
        Ok(Database { reader, path, is_reported: AtomicBool::new(false) })
    }

    /// The database type, as its vendor calls it.
    pub(crate) fn kind(&self) -> &str {
        &self.reader.metadata().database_type
    }

    /// Fills in the missing values of an address.
    pub(crate) fn add_to(&self, location: &mut Location, address: IpAddr) {
        let found = match self.reader.lookup(address) {
            Ok(found) if found.has_data() => found,
            Ok(_) => return,
            // An IPv4-only database.
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

/// Decodes each entry. [`Reader::verify`] is not used: it also rejects databases without a description.
fn verify(reader: &Reader<Vec<u8>>) -> Result<(), MaxMindDbError> {
    let mut entries = HashSet::new();
    // Each node has two records. More networks mean a cycle, which would never end.
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

/// The text at a path of the entry, truncated to [`MAX_TEXT_BYTES`]; `None` if it is absent, empty or not a text.
fn text(found: &Found<'_>, path: &[&str]) -> Option<String> {
    let mut text: String = found.decode_path(&elements(path)).ok()??;
    if text.len() > MAX_TEXT_BYTES {
        let end = (0..=MAX_TEXT_BYTES).rev().find(|at| text.is_char_boundary(*at));
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
