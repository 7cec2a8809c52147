//! From a ClientHello to JA4.

use sha2::{Digest, Sha256};

use crate::hello::{ClientHello, extension};

/// Length of a JA4, bytes: `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub const JA4_BYTES: usize = 36;
/// Longest raw form that is kept, bytes: some 1,600 ciphers, extensions and signature algorithms, twenty times those
/// of a browser.
pub const MAX_RAW_BYTES: usize = 8 * 1024;

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
        let hello = ClientHello::parse(message)?;
        let mut ciphers = hello.ciphers.clone();
        ciphers.sort_unstable();
        let mut text = Vec::with_capacity(512);
        write_list(&ciphers, &mut text);
        let cipher_hash = hash(&text);

        let ja4 = Part { extensions: &hello.extensions, protocol: protocol(hello.first_protocol) };
        let stable: Vec<u16> =
            hello.extensions.iter().copied().filter(|kind| !UNSTABLE.contains(kind)).collect();
        let stable = Part { extensions: &stable, protocol: NO_PROTOCOL };

        let mut extensions = Vec::with_capacity(512);
        let stable = {
            stable.write_extensions(&hello, &mut extensions);
            join(&stable.head(&hello), &cipher_hash, &hash(&extensions))
        };
        extensions.clear();
        ja4.write_extensions(&hello, &mut extensions);
        let head = ja4.head(&hello);
        let raw = [&head, b"_".as_slice(), &text, b"_", &extensions];
        let fits = raw.iter().map(|part| part.len()).sum::<usize>() <= MAX_RAW_BYTES;
        Some(Self {
            ja4: join(&head, &cipher_hash, &hash(&extensions)),
            stable,
            raw: if fits { raw.concat().into() } else { Box::default() },
        })
    }
}

/// Extensions as they were sent, and the two characters of ALPN.
struct Part<'h> {
    extensions: &'h [u16],
    protocol: [u8; 2],
}

impl Part<'_> {
    /// JA4_a.
    fn head(&self, hello: &ClientHello<'_>) -> [u8; 10] {
        let [v1, v2] = version(hello.supported_version.unwrap_or(hello.legacy_version));
        let sni = if self.extensions.contains(&extension::SERVER_NAME) { b'd' } else { b'i' };
        let [c1, c2] = count(hello.ciphers.len());
        let [e1, e2] = count(self.extensions.len());
        let [p1, p2] = self.protocol;
        [b't', v1, v2, sni, c1, c2, e1, e2, p1, p2]
    }

    /// What JA4_c is the hash of.
    fn write_extensions(&self, hello: &ClientHello<'_>, out: &mut Vec<u8>) {
        let is_hashed = |kind: &u16| !matches!(*kind, extension::SERVER_NAME | extension::ALPN);
        let mut extensions: Vec<u16> = self.extensions.iter().copied().filter(is_hashed).collect();
        extensions.sort_unstable();
        write_list(&extensions, out);
        if !hello.signature_algorithms.is_empty() {
            out.push(b'_');
            write_list(&hello.signature_algorithms, out);
        }
    }
}

fn join(
    head: &[u8; 10],
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

/// `002f,0035`.
fn write_list(numbers: &[u16], out: &mut Vec<u8>) {
    for (at, number) in numbers.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let [high, low] = number.to_be_bytes();
        out.extend([digit(high >> 4), digit(high), digit(low >> 4), digit(low)]);
    }
}

/// The first digits of SHA-256; zeros for an empty list.
fn hash(list: &[u8]) -> [u8; HASH_DIGITS] {
    let mut digits = [b'0'; HASH_DIGITS];
    if !list.is_empty() {
        let hash = Sha256::digest(list);
        for (pair, byte) in digits.chunks_exact_mut(2).zip(hash) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte)]);
        }
    }
    digits
}
