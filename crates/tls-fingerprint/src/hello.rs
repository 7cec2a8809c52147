//! Parser for the parts of a ClientHello that make up the fingerprint (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2).

use smallvec::SmallVec;

use crate::limits::MAX_SESSION_ID_BYTES;

/// Handshake type of a ClientHello.
const CLIENT_HELLO: u8 = 1;
/// Length of `random` in bytes.
const RANDOM_BYTES: usize = 32;
/// Inline capacity of a list. Among common clients, curl sends the longest: 31 ciphers.
const USUAL_NUMBERS: usize = 32;

pub(crate) mod extension {
    pub(crate) const SERVER_NAME: u16 = 0x0000;
    pub(crate) const SIGNATURE_ALGORITHMS: u16 = 0x000d;
    pub(crate) const ALPN: u16 = 0x0010;
    pub(crate) const PADDING: u16 = 0x0015;
    pub(crate) const PRE_SHARED_KEY: u16 = 0x0029;
    pub(crate) const EARLY_DATA: u16 = 0x002a;
    pub(crate) const SUPPORTED_VERSIONS: u16 = 0x002b;
    /// ALPS, with which browsers send HTTP/2 settings: the original code point, then its replacement.
    pub(crate) const APPLICATION_SETTINGS_OLD: u16 = 0x4469;
    pub(crate) const APPLICATION_SETTINGS: u16 = 0x44cd;
}

/// 16-bit numbers in the order sent.
pub type Numbers = SmallVec<[u16; USUAL_NUMBERS]>;

/// A parsed ClientHello. All lists omit GREASE values (RFC 8701).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello<'h> {
    /// `legacy_version`.
    pub legacy_version: u16,
    /// `cipher_suites`, in the order sent.
    pub ciphers: Numbers,
    /// Extension types, in the order sent.
    pub extensions: Numbers,
    /// Highest of `supported_versions`; `None` if the extension is absent, 0 if it lists no version.
    pub supported_version: Option<u16>,
    /// `signature_algorithms`, in the order sent.
    pub signature_algorithms: Numbers,
    /// First ALPN protocol; empty if there is none.
    pub first_protocol: &'h [u8],
}

impl<'h> ClientHello<'h> {
    /// Parses a handshake message with its four-byte header, as passed to OpenSSL's message callback
    /// (`SSL_CTX_set_msg_callback`). `None` if it is not a ClientHello or its lengths are inconsistent; a TLS library
    /// rejects such a handshake.
    ///
    /// A list that does not fit its extension counts as empty. Validating extensions is left to the TLS library, which
    /// may ignore those it does not support.
    pub fn parse(message: &'h [u8]) -> Option<Self> {
        let mut message = Reader(message);
        if message.u8()? != CLIENT_HELLO {
            return None;
        }
        let mut body = message.vec24()?;
        if !message.0.is_empty() {
            return None;
        }
        let mut hello = Self { legacy_version: body.u16()?, ..Self::default() };
        body.take(RANDOM_BYTES)?;
        if body.vec8()?.0.len() > MAX_SESSION_ID_BYTES {
            return None;
        }
        let ciphers = body.vec16()?;
        if !ciphers.0.len().is_multiple_of(2) {
            return None;
        }
        hello.ciphers = ciphers.without_grease().collect();
        let _compression_methods = body.vec8()?;
        if body.0.is_empty() {
            // Extensions are optional before TLS 1.3.
            return Some(hello);
        }
        let mut extensions = body.vec16()?;
        if !body.0.is_empty() {
            return None;
        }
        while !extensions.0.is_empty() {
            let (kind, data) = (extensions.u16()?, extensions.vec16()?);
            if !is_grease(kind) {
                hello.extensions.push(kind);
                hello.read_extension(kind, data);
            }
        }
        Some(hello)
    }

    fn read_extension(&mut self, kind: u16, mut data: Reader<'h>) {
        match kind {
            extension::SUPPORTED_VERSIONS => {
                let greatest = data.vec8().and_then(|versions| versions.without_grease().max());
                let greatest = greatest.unwrap_or(0);
                self.supported_version = self.supported_version.max(Some(greatest));
            }
            extension::SIGNATURE_ALGORITHMS => {
                let algorithms = data.vec16();
                self.signature_algorithms =
                    algorithms.map(|list| list.without_grease().collect()).unwrap_or_default();
            }
            extension::ALPN => {
                let first = data.vec16().and_then(|mut protocols| protocols.vec8());
                self.first_protocol = first.map(|protocol| protocol.0).unwrap_or_default();
            }
            _ => {}
        }
    }
}

/// Whether it is one of the sixteen GREASE values (RFC 8701, 2): 0x0a0a, 0x1a1a, … 0xfafa.
fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// The unread bytes.
#[derive(Clone, Copy)]
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn u16(&mut self) -> Option<u16> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*first))
    }

    /// Reads a vector with a one-byte length prefix.
    fn vec8(&mut self) -> Option<Self> {
        let len = self.u8()?;
        self.take(len.into()).map(Self)
    }

    /// Reads a vector with a two-byte length prefix.
    fn vec16(&mut self) -> Option<Self> {
        let len = self.u16()?;
        self.take(len.into()).map(Self)
    }

    /// Reads a vector with a three-byte length prefix.
    fn vec24(&mut self) -> Option<Self> {
        let (high, low) = (self.u8()?, self.u16()?);
        self.take(usize::from(high) << 16 | usize::from(low)).map(Self)
    }

    /// The 16-bit numbers without GREASE values. A trailing odd byte is ignored.
    fn without_grease(self) -> impl Iterator<Item = u16> {
        let (numbers, _) = self.0.as_chunks();
        numbers.iter().map(|bytes| u16::from_be_bytes(*bytes)).filter(|it| !is_grease(*it))
    }
}
