//! Computes JA4 from a ClientHello.

use std::cell::OnceCell;

use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use crate::hello::{ClientHello, Numbers, extension};
use crate::limits::{MAX_JA4_COUNT, MAX_RAW_BYTES};

/// Length of a JA4 in bytes: `t13d1516h2_8daaf6152771_e5627efa2ab1`.
pub const JA4_BYTES: usize = 36;

/// Length of JA4_a in bytes.
const HEAD_BYTES: usize = 10;
/// Length of a number with its separator in bytes.
const NUMBER_BYTES: usize = 5;
/// Hex digits of a truncated hash.
const HASH_DIGITS: usize = 12;
/// Inline capacity of the lists. Among common clients, curl sends the most numbers: 61.
const USUAL_NUMBERS: usize = 64;
/// The ALPN characters if no protocol is offered.
const NO_PROTOCOL: [u8; 2] = *b"00";
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Extensions that vary between connections of one client: padding, resumption, early data, and the protocols, which
/// differ between a page and a WebSocket.
const UNSTABLE: [u16; 6] = [
    extension::PADDING,
    extension::PRE_SHARED_KEY,
    extension::EARLY_DATA,
    extension::ALPN,
    extension::APPLICATION_SETTINGS_OLD,
    extension::APPLICATION_SETTINGS,
];

/// The TLS fingerprint of a client. The handshake only copies the lists; each form is computed once, on first use.
#[derive(Debug, Clone)]
pub struct Fingerprint {
    /// Ciphers, extensions without server name and ALPN, and signature algorithms, in the order sent. Empty if they
    /// exceed [`MAX_RAW_BYTES`]: then the hashed forms are computed at once, and the raw form is empty.
    numbers: SmallVec<[u16; USUAL_NUMBERS]>,
    ciphers: usize,
    extensions: usize,
    plain_head: [u8; HEAD_BYTES],
    stable_head: [u8; HEAD_BYTES],
    ja4: OnceCell<[u8; JA4_BYTES]>,
    stable: OnceCell<[u8; JA4_BYTES]>,
    raw: OnceCell<Box<[u8]>>,
}

impl Fingerprint {
    /// The fingerprint of a client over TCP, from its handshake message; `None` as for [`ClientHello::parse`].
    pub fn of_client_hello(message: &[u8]) -> Option<Self> {
        let hello = ClientHello::parse(message)?;
        let is_named = hello.extensions.contains(&extension::SERVER_NAME);
        let unstable = hello.extensions.iter().filter(|kind| is_unstable(**kind)).count();
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

        let mut numbers = SmallVec::with_capacity(
            hello.ciphers.len() + hello.extensions.len() + hello.signature_algorithms.len(),
        );
        numbers.extend_from_slice(&hello.ciphers);
        let is_listed = |kind: &u16| !matches!(*kind, extension::SERVER_NAME | extension::ALPN);
        numbers.extend(hello.extensions.iter().copied().filter(is_listed));
        let (ciphers, extensions) = (hello.ciphers.len(), numbers.len() - hello.ciphers.len());
        numbers.extend_from_slice(&hello.signature_algorithms);
        let mut fingerprint = Self {
            numbers,
            ciphers,
            extensions,
            plain_head,
            stable_head,
            ja4: OnceCell::new(),
            stable: OnceCell::new(),
            raw: OnceCell::new(),
        };
        if fingerprint.raw_bytes() > MAX_RAW_BYTES {
            fingerprint.ja4();
            fingerprint.stable();
            fingerprint.raw.get_or_init(Box::default);
            fingerprint.numbers = SmallVec::new();
            (fingerprint.ciphers, fingerprint.extensions) = (0, 0);
        }
        Some(fingerprint)
    }

    /// JA4.
    pub fn ja4(&self) -> &[u8; JA4_BYTES] {
        self.ja4.get_or_init(|| self.hashed(&self.plain_head, |_| true))
    }

    /// JA4 without the extensions padding, pre_shared_key, early_data, ALPN and application_settings (0x0015, 0x0029,
    /// 0x002a, 0x0010, 0x4469, 0x44cd), and with ALPN characters `00`. It is the same on all connections of a client.
    pub fn stable(&self) -> &[u8; JA4_BYTES] {
        self.stable.get_or_init(|| self.hashed(&self.stable_head, |kind| !is_unstable(kind)))
    }

    /// JA4_r: the lists that JA4 hashes. Empty if longer than [`MAX_RAW_BYTES`].
    pub fn raw(&self) -> &[u8] {
        self.raw.get_or_init(|| {
            let mut raw = Vec::with_capacity(self.raw_bytes());
            raw.extend_from_slice(&self.plain_head);
            raw.push(b'_');
            let (ciphers, extensions, signatures) = self.lists();
            write_list(sorted(ciphers).iter(), &mut raw);
            raw.push(b'_');
            write_list(sorted(extensions).iter(), &mut raw);
            write_signatures(signatures, &mut raw);
            raw.into()
        })
    }

    /// Ciphers, extensions and signature algorithms, in the order sent.
    fn lists(&self) -> (&[u16], &[u16], &[u16]) {
        let (ciphers, rest) = self.numbers.split_at(self.ciphers);
        let (extensions, signatures) = rest.split_at(self.extensions);
        (ciphers, extensions, signatures)
    }

    /// Length of the raw form: each number has a separator before it, except the first ones of the first two lists.
    fn raw_bytes(&self) -> usize {
        let first = usize::from(self.ciphers > 0) + usize::from(self.extensions > 0);
        HEAD_BYTES + 2 + NUMBER_BYTES * self.numbers.len() - first
    }

    fn hashed(&self, head: &[u8; HEAD_BYTES], is_wanted: impl Fn(u16) -> bool) -> [u8; JA4_BYTES] {
        let (ciphers, extensions, signatures) = self.lists();
        let mut text = Vec::with_capacity(self.raw_bytes());
        write_list(sorted(ciphers).iter(), &mut text);
        let ciphers = hash(&text);
        text.clear();
        write_list(sorted(extensions).iter().filter(|kind| is_wanted(**kind)), &mut text);
        write_signatures(signatures, &mut text);
        join(head, &ciphers, &hash(&text))
    }
}

fn is_unstable(kind: u16) -> bool {
    UNSTABLE.contains(&kind)
}

fn sorted(list: &[u16]) -> Numbers {
    let mut list = Numbers::from_slice(list);
    list.sort_unstable();
    list
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
    let number = number.min(MAX_JA4_COUNT) as u8;
    [b'0' + number / 10, b'0' + number % 10]
}

/// First and last character of the protocol, or of its hex digits if either character is not ASCII alphanumeric.
fn protocol(name: &[u8]) -> [u8; 2] {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return NO_PROTOCOL };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [*first, *last];
    }
    [digit(first >> 4), digit(*last)]
}

/// The low four bits as a hex digit.
fn digit(half: u8) -> u8 {
    DIGITS[usize::from(half & 0x0f)]
}

/// Appends `002f,0035`.
fn write_list<'n>(numbers: impl Iterator<Item = &'n u16>, out: &mut Vec<u8>) {
    for (at, number) in numbers.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let [high, low] = number.to_be_bytes();
        out.extend_from_slice(&[digit(high >> 4), digit(high), digit(low >> 4), digit(low)]);
    }
}

/// Appends `_0403,0804`, or nothing if the list is empty.
fn write_signatures(algorithms: &[u16], out: &mut Vec<u8>) {
    if !algorithms.is_empty() {
        out.push(b'_');
        write_list(algorithms.iter(), out);
    }
}

/// The first hex digits of the SHA-256 of a text; zeros if it is empty.
fn hash(text: &[u8]) -> [u8; HASH_DIGITS] {
    let mut digits = [b'0'; HASH_DIGITS];
    if !text.is_empty() {
        for (pair, byte) in digits.chunks_exact_mut(2).zip(Sha256::digest(text)) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte)]);
        }
    }
    digits
}
