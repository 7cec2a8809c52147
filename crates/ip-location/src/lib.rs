//! Country and network of client addresses, from MMDB files (MaxMind DB format 2.0) provided by the operator.

#![forbid(unsafe_code)]

mod database;
pub mod limits;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use database::{Database, Version};

/// The location of an address. A value is `None` if no file has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// Two-letter ISO 3166-1 code, such as `DE`.
    pub country: Option<String>,
    /// Autonomous system that announces the address, such as `AS64496`.
    pub asn: Option<String>,
    /// Organisation of that system.
    pub organisation: Option<String>,
}

impl Location {
    fn is_complete(&self) -> bool {
        self.country.is_some() && self.asn.is_some() && self.organisation.is_some()
    }
}

/// A configured file, readable or not.
struct Loaded {
    path: PathBuf,
    /// Version of the file when it was last read; `None` if it was missing.
    version: Option<Version>,
    /// Its last valid content.
    database: Option<Arc<Database>>,
}

/// The configured files, in memory.
#[derive(Default)]
pub struct Locations {
    files: Mutex<Vec<Loaded>>,
    /// The valid files, in order.
    databases: RwLock<Arc<[Arc<Database>]>>,
}

impl Locations {
    /// Replaces the list of files, and reads those that are new or have changed. A missing or damaged file is logged;
    /// its last valid content, if any, stays in use. Blocks on file I/O.
    pub fn load(&self, paths: &[PathBuf]) {
        let mut files = self.files.lock();
        let mut old = std::mem::take(&mut *files);
        for path in paths {
            let known = old.iter().position(|file| file.path == *path).map(|at| old.remove(at));
            let known =
                known.unwrap_or(Loaded { path: path.clone(), version: None, database: None });
            files.push(known);
        }
        Self::read_changed(&mut files);
        self.publish(&files);
    }

    /// Reads changed files again. Blocks on file I/O.
    pub fn refresh(&self) {
        let mut files = self.files.lock();
        if Self::read_changed(&mut files) {
            self.publish(&files);
        }
    }

    /// Reads changed files. Returns whether any file has changed.
    fn read_changed(files: &mut [Loaded]) -> bool {
        let mut is_changed = false;
        for file in files {
            let version = Version::of(&file.path);
            let is_first = file.version.is_none() && file.database.is_none();
            let is_new = match (&version, &file.version) {
                (Ok(new), Some(old)) => new != old,
                (Ok(_), None) => true,
                // A missing file is logged once.
                (Err(_), old) => old.is_some() || is_first,
            };
            if !is_new {
                continue;
            }
            is_changed = true;
            let path = file.path.display();
            match version.and_then(|version| Ok((version, Database::read(&file.path)?))) {
                Ok((version, database)) => {
                    tracing::info!("mmdb: {path} ({}) is in use", database.kind());
                    file.version = Some(version);
                    file.database = Some(Arc::new(database));
                }
                Err(error) => {
                    file.version = Version::of(&file.path).ok();
                    let rest = match file.database {
                        Some(_) => "its previous content stays in use",
                        None => "it is left out",
                    };
                    tracing::error!("mmdb: {path}: {error}; {rest}");
                }
            }
        }
        is_changed
    }

    fn publish(&self, files: &[Loaded]) {
        *self.databases.write() = files.iter().filter_map(|file| file.database.clone()).collect();
    }

    /// Whether no file is in use.
    pub fn is_empty(&self) -> bool {
        self.databases.read().is_empty()
    }

    /// Looks up an address. Each value comes from the first file that has it. IPv4-mapped IPv6 addresses are looked up
    /// as IPv4.
    pub fn find(&self, address: IpAddr) -> Location {
        let databases = Arc::clone(&self.databases.read());
        let mut location = Location::default();
        for database in databases.iter() {
            database.add_to(&mut location, address.to_canonical());
            if location.is_complete() {
                break;
            }
        }
        location
    }
}

#[cfg(test)]
mod tests {
    use crate::limits::MAX_TEXT_BYTES;
    use std::path::Path;

    use super::*;
    use crate::testing::{Entry, write};

    fn find(locations: &Locations, address: &str) -> [Option<String>; 3] {
        let found = locations.find(address.parse().unwrap());
        [found.country, found.asn, found.organisation]
    }

    fn some(texts: [&str; 3]) -> [Option<String>; 3] {
        texts.map(|text| Some(text.to_owned()).filter(|text| !text.is_empty()))
    }

    fn country(path: &Path, network: &str, code: &str) {
        write(path, &[(network, Entry::map([("country_code", Entry::text(code))]))]);
    }

    #[test]
    fn the_members_of_the_common_databases_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("all.mmdb");
        let nested = |code| Entry::map([("iso_code", Entry::text(code))]);
        write(
            &path,
            &[
                // GeoLite2-Country, DB-IP
                ("192.0.2.0/25", Entry::map([("country", nested("DE"))])),
                ("192.0.2.128/25", Entry::map([("registered_country", nested("FR"))])),
                // GeoLite2-ASN, iptoasn
                (
                    "198.51.100.0/24",
                    Entry::map([
                        ("autonomous_system_number", Entry::Number(64496)),
                        ("autonomous_system_organization", Entry::text("Example Net")),
                    ]),
                ),
                // IPinfo
                (
                    "2001:db8::/32",
                    Entry::map([
                        ("country_code", Entry::text("NL")),
                        ("country", Entry::text("Netherlands")),
                        ("asn", Entry::text("AS64497")),
                        ("as_name", Entry::text("Second Net")),
                    ]),
                ),
                (
                    "203.0.113.0/24",
                    Entry::map([("country", Entry::text("US")), ("asn", Entry::Number(3))]),
                ),
            ],
        );
        let locations = Locations::default();
        locations.load(&[path]);
        for (address, wanted) in [
            ("192.0.2.7", ["DE", "", ""]),
            ("192.0.2.200", ["FR", "", ""]),
            ("::ffff:192.0.2.200", ["FR", "", ""]),
            ("198.51.100.9", ["", "AS64496", "Example Net"]),
            ("2001:db8:7::1", ["NL", "AS64497", "Second Net"]),
            ("203.0.113.1", ["US", "AS3", ""]),
            ("10.0.0.1", ["", "", ""]),
            ("2001:db9::1", ["", "", ""]),
        ] {
            assert_eq!(find(&locations, address), some(wanted), "{address}");
        }
    }

    #[test]
    fn the_first_file_that_knows_a_value_counts() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.mmdb", "b.mmdb"].map(|name| dir.path().join(name));
        country(&paths[0], "192.0.2.0/24", "DE");
        let both = Entry::map([("country_code", Entry::text("FR")), ("asn", Entry::text("64496"))]);
        write(&paths[1], &[("192.0.0.0/16", both)]);
        let locations = Locations::default();
        locations.load(&paths);
        assert_eq!(find(&locations, "192.0.2.1"), some(["DE", "AS64496", ""]));
        assert_eq!(find(&locations, "192.0.3.1"), some(["FR", "AS64496", ""]));
        locations.load(&paths[1..]);
        assert_eq!(find(&locations, "192.0.2.1"), some(["FR", "AS64496", ""]));
    }

    #[test]
    fn a_file_that_changes_is_read_again_and_a_damaged_one_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.mmdb", "damaged.mmdb", "missing.mmdb"].map(|name| dir.path().join(name));
        country(&paths[0], "192.0.2.0/24", "DE");
        std::fs::write(&paths[1], "no database").unwrap();
        let locations = Locations::default();
        locations.load(&paths);
        assert_eq!(find(&locations, "192.0.2.1"), some(["DE", "", ""]));

        // Each replaces the file, so that the inode changes even within one tick of the clock.
        let replace = |text: &dyn Fn(&Path)| {
            let new = dir.path().join("new");
            text(&new);
            std::fs::rename(&new, &paths[0]).unwrap();
            locations.refresh();
        };
        replace(&|path| country(path, "192.0.2.0/24", "FR"));
        assert_eq!(find(&locations, "192.0.2.1"), some(["FR", "", ""]));
        replace(&|path| std::fs::write(path, "half a file").unwrap());
        assert_eq!(find(&locations, "192.0.2.1"), some(["FR", "", ""]));
        country(&paths[2], "192.0.2.0/24", "NL");
        replace(&|path| country(path, "198.51.100.0/24", "US"));
        assert_eq!(find(&locations, "192.0.2.1"), some(["NL", "", ""]));
        assert_eq!(find(&locations, "198.51.100.1"), some(["US", "", ""]));
    }

    #[test]
    fn no_damage_stops_a_lookup() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.mmdb");
        country(&path, "192.0.2.0/24", "DE");
        let whole = std::fs::read(&path).unwrap();
        let addresses = ["192.0.2.1", "255.255.255.255", "::", "2001:db8::1"];
        let ask = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            if let Ok(database) = Database::read(&path) {
                for address in addresses {
                    database.add_to(&mut Location::default(), address.parse().unwrap());
                }
            }
        };
        // Each node leads to the first one and to the entry.
        let mut cycle = whole.clone();
        cycle[3..6].fill(0);
        for node in 1..120 {
            cycle[6 * node..6 * node + 3].fill(0);
        }
        ask(&cycle);
        for at in 0..whole.len() {
            ask(&whole[..at]);
            for bits in [1, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= bits;
                ask(&damaged);
            }
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.mmdb");
        let name = "ä".repeat(MAX_TEXT_BYTES);
        write(&path, &[("192.0.2.0/24", Entry::map([("as_name", Entry::text(&name))]))]);
        let locations = Locations::default();
        locations.load(&[path]);
        let found = locations.find("192.0.2.1".parse().unwrap());
        assert_eq!(found.organisation.unwrap(), "ä".repeat(MAX_TEXT_BYTES / 2));
    }
}
