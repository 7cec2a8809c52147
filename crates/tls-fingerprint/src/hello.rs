//! The parts of a ClientHello that a fingerprint is made of (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2).

use smallvec::SmallVec;

/// Handshake type of a ClientHello.
const CLIENT_HELLO: u8 = 1;
/// Length of `random`, bytes.
const RANDOM_BYTES: usize = 32;
/// Room in a list that needs no memory of its own: curl, which has the longest of the usual clients, sends 31 ciphers.
const USUAL_NUMBERS: usize = 32;
/// Longest `legacy_session_id`, bytes.
const MAX_SESSION_ID_BYTES: usize = 32;

pub(crate) mod extension {
    pub(crate) const SERVER_NAME: u16 = 0x0000;
    pub(crate) const SIGNATURE_ALGORITHMS: u16 = 0x000d;
    pub(crate) const ALPN: u16 = 0x0010;
    pub(crate) const PADDING: u16 = 0x0015;
    pub(crate) const PRE_SHARED_KEY: u16 = 0x0029;
    pub(crate) const EARLY_DATA: u16 = 0x002a;
    pub(crate) const SUPPORTED_VERSIONS: u16 = 0x002b;
    /// ALPS, by which a browser offers HTTP/2 settings: its first code point, then the one that replaced it.
    pub(crate) const APPLICATION_SETTINGS_OLD: u16 = 0x4469;
    pub(crate) const APPLICATION_SETTINGS: u16 = 0x44cd;
}

/// Numbers of two bytes, as they were sent.
pub type Numbers = SmallVec<[u16; USUAL_NUMBERS]>;

/// A ClientHello, taken apart. GREASE values (RFC 8701) are left out of all lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello<'h> {
    /// `legacy_version`.
    pub legacy_version: u16,
    /// `cipher_suites`, as they were sent.
    pub ciphers: Numbers,
    /// Types of the extensions, as they were sent.
    pub extensions: Numbers,
    /// Greatest of `supported_versions`; `None` where the extension is absent, 0 where it names none.
    pub supported_version: Option<u16>,
    /// `signature_algorithms`, as they were sent.
    pub signature_algorithms: Numbers,
    /// First protocol of ALPN; empty where there is none.
    pub first_protocol: &'h [u8],
}

impl<'h> ClientHello<'h> {
    /// Parses a handshake message with its header of four bytes, as OpenSSL's message callback hands it over
    /// (`SSL_CTX_set_msg_callback`). `None` where it is none or its lengths do not fit: a TLS library
    /// refuses such a handshake.
    ///
    /// A list inside an extension that does not fit it counts as empty. Whether an extension is well-formed is left
    /// to the TLS library, which may not look into one that it does not support.
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
            // Before TLS 1.3 a client need not send any.
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

/// One of the sixteen values that mean nothing (RFC 8701, 2): 0x0a0a, 0x1a1a, … 0xfafa.
fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// Bytes that are still to be read.
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

    /// A vector behind its length of one byte.
    fn vec8(&mut self) -> Option<Self> {
        let len = self.u8()?;
        self.take(len.into()).map(Self)
    }

    /// A vector behind its length of two bytes.
    fn vec16(&mut self) -> Option<Self> {
        let len = self.u16()?;
        self.take(len.into()).map(Self)
    }

    /// A vector behind its length of three bytes.
    fn vec24(&mut self) -> Option<Self> {
        let (high, low) = (self.u8()?, self.u16()?);
        self.take(usize::from(high) << 16 | usize::from(low)).map(Self)
    }

    /// Its numbers of two bytes each but for GREASE; a last single byte is left out.
    fn without_grease(self) -> impl Iterator<Item = u16> {
        let (numbers, _) = self.0.as_chunks();
        numbers.iter().map(|bytes| u16::from_be_bytes(*bytes)).filter(|it| !is_grease(*it))
    }
}
