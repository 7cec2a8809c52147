//! How often each value occurs in a day part, kept in its row as one blob.

use super::body::{byte, number, read_number};
use crate::store::parts::{Kind, MAX_VALUES};

/// Stands for all values beyond [`MAX_VALUES`]. They are still found by a filter.
pub(super) const OTHER: i64 = 0;

/// Counts by kind and string number, in that order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facets(pub(super) Vec<((u8, i64), u64)>);

impl Facets {
    /// Counts one; `true`: it may be new to the part.
    pub(super) fn add(&mut self, kind: Kind, string: i64) -> bool {
        let kind = kind as u8;
        match self.0.binary_search_by_key(&(kind, string), |entry| entry.0) {
            Ok(at) => {
                if let Some(entry) = self.0.get_mut(at) {
                    entry.1 += 1;
                }
                false
            }
            Err(at) => {
                let first = self.0.partition_point(|entry| entry.0.0 < kind);
                let end = self.0.partition_point(|entry| entry.0.0 <= kind);
                if end - first < MAX_VALUES {
                    self.0.insert(at, ((kind, string), 1));
                } else {
                    match self.0.get_mut(first) {
                        Some(((_, OTHER), count)) => *count += 1,
                        _ => self.0.insert(first, ((kind, OTHER), 1)),
                    }
                }
                true
            }
        }
    }

    /// As bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for ((kind, string), count) in &self.0 {
            out.push(*kind);
            number(out, string.unsigned_abs());
            number(out, *count);
        }
    }

    /// Reads what [`Facets::write`] wrote; damaged bytes end it.
    pub(super) fn read(mut bytes: &[u8]) -> Facets {
        let input = &mut bytes;
        let mut facets = Facets(Vec::with_capacity(input.len() / 3));
        while let Some(entry) = read_entry(input) {
            facets.0.push(entry);
        }
        facets
    }
}

fn read_entry(input: &mut &[u8]) -> Option<((u8, i64), u64)> {
    let kind = byte(input)?;
    let string = i64::try_from(read_number(input)?).ok()?;
    Some(((kind, string), read_number(input)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_and_are_bounded() {
        let mut facets = Facets::default();
        for n in 1..=MAX_VALUES as i64 + 5 {
            assert!(facets.add(Kind::Endpoint, n));
        }
        facets.add(Kind::Ip, 7);
        assert!(!facets.add(Kind::Ip, 7));
        facets.add(Kind::Key, 1);
        let mut bytes = Vec::new();
        facets.write(&mut bytes);
        let back = Facets::read(&bytes);
        assert_eq!(back, facets);
        let count = |kind: Kind, string| {
            back.0.iter().find(|entry| entry.0 == (kind as u8, string)).map(|entry| entry.1)
        };
        assert_eq!(count(Kind::Ip, 7), Some(2));
        assert_eq!(count(Kind::Endpoint, OTHER), Some(5));
        assert_eq!(back.0.iter().filter(|entry| entry.0.0 == Kind::Endpoint as u8).count(), 301);
    }
}
