//! From a ClientHello to JA4.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::hello::{ClientHello, extension};

/// Length of a JA4, bytes: `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub const JA4_BYTES: usize = 36;
/// Longest raw form that is kept, bytes: some 1,600 ciphers, extensions and signature algorithms, twenty times those
/// of a browser.
pub const MAX_RAW_BYTES: usize = 8 * 1024;

/// Length of JA4_a, bytes.
const HEAD_BYTES: usize = 10;
/// Of a number and the comma behind it.
const NUMBER_BYTES: usize = 5;
/// Digits of a hash.
const HASH_DIGITS: usize = 12;
/// Greatest count that is shown.
const MAX_COUNT: usize = 99;
/// The two characters where no protocol is offered.
const NO_PROTOCOL: [u8; 2] = *b"00";
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Extensions that come and go within one visit: resumption, early data and padding, and the protocols that
/// a page and a WebSocket offer.
const UNSTABLE: [u16; 6] = [
    extension::PADDING,
    extension::PRE_SHARED_KEY,
    extension::EARLY_DATA,
    extension::ALPN,
    extension::APPLICATION_SETTINGS_OLD,
    extension::APPLICATION_SETTINGS,
];

/// What a client's TLS looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// JA4.
    pub ja4: [u8; JA4_BYTES],
    /// JA4 without the extensions padding, pre_shared_key, early_data, ALPN and application_settings (0x0015, 0x0029,
    /// 0x002a, 0x0010, 0x4469, 0x44cd), its ALPN characters `00`: the same over all connections of one client.
    pub stable: [u8; JA4_BYTES],
    /// JA4_r: the lists that JA4 hashes. Empty where it would be longer than [`MAX_RAW_BYTES`].
    pub raw: Box<[u8]>,
}

impl Fingerprint {
    /// The fingerprint of a client over TCP, from its handshake message; see [`ClientHello::parse`].
    pub fn of_client_hello(message: &[u8]) -> Option<Self> {
        let mut hello = ClientHello::parse(message)?;
        let is_named = hello.extensions.contains(&extension::SERVER_NAME);
        let is_unstable = |kind: &&u16| UNSTABLE.contains(*kind);
        let unstable = hello.extensions.iter().filter(is_unstable).count();
        let head = |extensions: usize, protocol: [u8; 2]| -> [u8; HEAD_BYTES] {
            let [v1, v2] = version(hello.supported_version.unwrap_or(hello.legacy_version));
            let sni = if is_named { b'd' } else { b'i' };
            let [c1, c2] = count(hello.ciphers.len());
            let [e1, e2] = count(extensions);
            let [p1, p2] = protocol;
            [b't', v1, v2, sni, c1, c2, e1, e2, p1, p2]
        };
        let plain_head = head(hello.extensions.len(), protocol(hello.first_protocol));
        let stable_head = head(hello.extensions.len() - unstable, NO_PROTOCOL);

        hello.ciphers.sort_unstable();
        hello.extensions.sort_unstable();
        hello.extensions.retain(|kind| !matches!(*kind, extension::SERVER_NAME | extension::ALPN));
        let numbers =
            hello.ciphers.len() + hello.extensions.len() + hello.signature_algorithms.len();
        let mut raw = Vec::with_capacity(HEAD_BYTES + 2 + NUMBER_BYTES * numbers);
        raw.extend_from_slice(&plain_head);
        raw.push(b'_');
        let ciphers = write_list(hello.ciphers.iter(), &mut raw);
        raw.push(b'_');
        let extensions = write_list(hello.extensions.iter(), &mut raw);
        let signatures = raw.len();
        if !hello.signature_algorithms.is_empty() {
            raw.push(b'_');
            write_list(hello.signature_algorithms.iter(), &mut raw);
        }
        let (lists, signatures) = raw.split_at(signatures);
        let ciphers = hash(&lists[ciphers], b"");
        let plain = hash(&lists[extensions], signatures);
        let stable = if unstable == 0 {
            plain
        } else {
            hello.extensions.retain(|kind| !UNSTABLE.contains(kind));
            let mut list = Vec::with_capacity(NUMBER_BYTES * hello.extensions.len());
            write_list(hello.extensions.iter(), &mut list);
            hash(&list, signatures)
        };
        if raw.len() > MAX_RAW_BYTES {
            raw = Vec::new();
        }
        Some(Self {
            ja4: join(&plain_head, &ciphers, &plain),
            stable: join(&stable_head, &ciphers, &stable),
            raw: raw.into(),
        })
    }
}

fn join(
    head: &[u8; HEAD_BYTES],
    ciphers: &[u8; HASH_DIGITS],
    extensions: &[u8; HASH_DIGITS],
) -> [u8; JA4_BYTES] {
    let mut ja4 = [b'_'; JA4_BYTES];
    let (a, rest) = ja4.split_at_mut(head.len());
    let (b, c) = rest.split_at_mut(1 + HASH_DIGITS);
    a.copy_from_slice(head);
    b[1..].copy_from_slice(ciphers);
    c[1..].copy_from_slice(extensions);
    ja4
}

fn version(version: u16) -> [u8; 2] {
    match version {
        0x0304 => *b"13",
        0x0303 => *b"12",
        0x0302 => *b"11",
        0x0301 => *b"10",
        0x0300 => *b"s3",
        0x0002 => *b"s2",
        0xfeff => *b"d1",
        0xfefd => *b"d2",
        0xfefc => *b"d3",
        _ => *b"00",
    }
}

fn count(number: usize) -> [u8; 2] {
    let number = number.min(MAX_COUNT) as u8;
    [b'0' + number / 10, b'0' + number % 10]
}

/// First and last character of a protocol; of its hexadecimal digits, where either is no letter or digit of ASCII.
fn protocol(name: &[u8]) -> [u8; 2] {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return NO_PROTOCOL };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [*first, *last];
    }
    [digit(first >> 4), digit(*last)]
}

/// The last four bits in hexadecimal.
fn digit(half: u8) -> u8 {
    DIGITS[usize::from(half & 0x0f)]
}

/// Appends `002f,0035`; where that is.
fn write_list<'n>(numbers: impl Iterator<Item = &'n u16>, out: &mut Vec<u8>) -> Range<usize> {
    let start = out.len();
    for number in numbers {
        let [high, low] = number.to_be_bytes();
        out.extend_from_slice(&[digit(high >> 4), digit(high), digit(low >> 4), digit(low), b',']);
    }
    if out.len() > start {
        out.pop();
    }
    start..out.len()
}

/// The first digits of SHA-256 of a list and what is behind it; zeros for an empty one.
fn hash(list: &[u8], behind: &[u8]) -> [u8; HASH_DIGITS] {
    let mut digits = [b'0'; HASH_DIGITS];
    if !list.is_empty() || !behind.is_empty() {
        let hash = Sha256::new().chain_update(list).chain_update(behind).finalize();
        for (pair, byte) in digits.chunks_exact_mut(2).zip(hash) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte)]);
        }
    }
    digits
}
