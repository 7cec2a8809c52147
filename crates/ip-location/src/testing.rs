//! Writes MMDB files for tests.

#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::path::Path;

/// A value in a database.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A string.
    Text(String),
    /// An unsigned 32-bit number.
    Number(u32),
    /// A map.
    Map(Vec<(&'static str, Entry)>),
}

impl Entry {
    /// A string.
    pub fn text(text: &str) -> Entry {
        Entry::Text(text.to_owned())
    }

    /// A map.
    pub fn map<const N: usize>(members: [(&'static str, Entry); N]) -> Entry {
        Entry::Map(members.into())
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Entry::Text(text) => string(text, out),
            Entry::Number(number) => {
                out.push(6 << 5 | 4);
                out.extend(number.to_be_bytes());
            }
            Entry::Map(members) => {
                out.push(7 << 5 | members.len() as u8);
                for (name, value) in members {
                    string(name, out);
                    value.write(out);
                }
            }
        }
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    match text.len() {
        size @ 0..29 => out.push(2 << 5 | size as u8),
        size @ 29..285 => out.extend([2 << 5 | 29, (size - 29) as u8]),
        size => {
            out.push(2 << 5 | 30);
            out.extend(((size - 285) as u16).to_be_bytes());
        }
    }
    out.extend(text.as_bytes());
}

#[derive(Clone, Copy)]
enum Record {
    Nothing,
    Node(u32),
    Data(u32),
}

/// Writes a database of networks (`192.0.2.0/24`, `2001:db8::/32`) that do not overlap.
///
/// # Panics
/// A network is invalid, or the file cannot be written.
pub fn write(path: &Path, networks: &[(&str, Entry)]) {
    let mut nodes = vec![[Record::Nothing; 2]];
    let mut data = Vec::new();
    for (network, entry) in networks {
        let (address, length) = network.split_once('/').unwrap();
        let mut length: u32 = length.parse().unwrap();
        let bits = match address.parse().unwrap() {
            IpAddr::V4(four) => {
                length += 96;
                u128::from(u32::from(four))
            }
            IpAddr::V6(six) => six.into(),
        };
        let mut at = 0;
        for depth in 0..length {
            let side = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == length {
                nodes[at][side] = Record::Data(data.len() as u32);
            } else {
                at = match nodes[at][side] {
                    Record::Node(next) => next as usize,
                    _ => {
                        nodes.push([Record::Nothing; 2]);
                        nodes[at][side] = Record::Node(nodes.len() as u32 - 1);
                        nodes.len() - 1
                    }
                };
            }
        }
        entry.write(&mut data);
    }
    let count = nodes.len() as u32;
    let mut out = Vec::new();
    for record in nodes.iter().flatten() {
        let number = match record {
            Record::Nothing => count,
            Record::Node(node) => *node,
            Record::Data(at) => count + 16 + at,
        };
        out.extend(&number.to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let short = |number: u16| [&[5u8 << 5 | 2][..], &number.to_be_bytes()].concat();
    out.push(7 << 5 | 9);
    for (name, value) in [
        ("binary_format_major_version", short(2)),
        ("binary_format_minor_version", short(0)),
        ("build_epoch", [&[8, 2][..], &1_700_000_000u64.to_be_bytes()].concat()),
        ("ip_version", short(6)),
        ("node_count", [&[6u8 << 5 | 4][..], &count.to_be_bytes()].concat()),
        ("record_size", short(24)),
        // An array and a map without elements.
        ("languages", vec![0, 4]),
        ("description", vec![7 << 5]),
    ] {
        string(name, &mut out);
        out.extend(value);
    }
    string("database_type", &mut out);
    string("Test", &mut out);
    std::fs::write(path, out).unwrap();
}
