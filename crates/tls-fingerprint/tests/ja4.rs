//! JA4 against the examples of its specification, and against a second implementation that builds text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    reason = "a test ends where something fails"
)]

use api_sessions_tls_fingerprint::limits::MAX_RAW_BYTES;
use api_sessions_tls_fingerprint::{ClientHello, Fingerprint};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// A ClientHello as a client would send it.
#[derive(Debug, Clone, Default)]
struct Hello {
    version: u16,
    session_id: Vec<u8>,
    ciphers: Vec<u16>,
    /// `None` leaves even their length out.
    extensions: Option<Vec<(u16, Vec<u8>)>>,
}

impl Hello {
    fn new(ciphers: &[u16], extensions: Vec<(u16, Vec<u8>)>) -> Self {
        Self {
            version: 0x0303,
            ciphers: ciphers.to_vec(),
            extensions: Some(extensions),
            ..Self::default()
        }
    }

    fn message(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(self.session_id.len() as u8);
        body.extend(&self.session_id);
        body.extend(behind_len16(&numbers(&self.ciphers)));
        body.extend([1, 0]);
        if let Some(extensions) = &self.extensions {
            let all = extensions.iter().flat_map(|(kind, data)| {
                [kind.to_be_bytes().to_vec(), behind_len16(data)].concat()
            });
            body.extend(behind_len16(&all.collect::<Vec<u8>>()));
        }
        let mut message =
            vec![1, (body.len() >> 16) as u8, (body.len() >> 8) as u8, body.len() as u8];
        message.append(&mut body);
        message
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_client_hello(&self.message()).unwrap()
    }

    fn ja4(&self) -> String {
        text(self.fingerprint().ja4())
    }

    fn stable(&self) -> String {
        text(self.fingerprint().stable())
    }

    fn raw(&self) -> String {
        text(self.fingerprint().raw())
    }

    fn all(&self) -> [String; 3] {
        [self.ja4(), self.stable(), self.raw()]
    }

    fn with(mut self, kind: u16, data: Vec<u8>) -> Self {
        self.extensions.get_or_insert_default().push((kind, data));
        self
    }

    fn without(mut self, unwanted: u16) -> Self {
        self.extensions.get_or_insert_default().retain(|(kind, _)| *kind != unwanted);
        self
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn behind_len16(data: &[u8]) -> Vec<u8> {
    [&(data.len() as u16).to_be_bytes(), data].concat()
}

fn behind_len8(data: &[u8]) -> Vec<u8> {
    [&[data.len() as u8], data].concat()
}

fn alpn(protocols: &[&[u8]]) -> (u16, Vec<u8>) {
    let list: Vec<u8> = protocols.iter().flat_map(|protocol| behind_len8(protocol)).collect();
    (0x0010, behind_len16(&list))
}

fn versions(list: &[u16]) -> (u16, Vec<u8>) {
    (0x002b, behind_len8(&numbers(list)))
}

fn signatures(list: &[u16]) -> (u16, Vec<u8>) {
    (0x000d, behind_len16(&numbers(list)))
}

const CIPHERS: [u16; 15] = [
    0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c,
    0x009d, 0x002f, 0x0035,
];
const SIGNATURES: [u16; 8] = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];

/// The example of the specification.
fn browser() -> Hello {
    let kinds = [
        0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012,
        0x002b, 0xff01, 0x000b, 0x000a, 0x0015,
    ];
    let extensions = kinds.map(|kind| match kind {
        0x0010 => alpn(&[b"h2", b"http/1.1"]),
        0x002b => versions(&[0x0304, 0x0303]),
        0x000d => signatures(&SIGNATURES),
        _ => (kind, Vec::new()),
    });
    Hello::new(&CIPHERS, extensions.to_vec())
}

#[test]
fn the_example_of_the_specification() {
    assert_eq!(browser().ja4(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    assert_eq!(
        browser().raw(),
        "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_\
         0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_\
         0403,0804,0401,0503,0805,0501,0806,0601"
    );
    let without = browser().without(0x000d).with(0x000d, Vec::new());
    assert_eq!(without.ja4(), "t13d1516h2_8daaf6152771_6d807ffa2a79");
}

#[test]
fn grease_does_not_count() {
    let mut greased = browser();
    greased.ciphers.insert(0, 0x3a3a);
    let grease: Vec<u16> = (0..16).map(|n| 0x0a0a + 0x1010 * n).collect();
    greased.ciphers.extend(&grease);
    let greased = grease.iter().fold(greased, |hello, kind| hello.with(*kind, vec![0]));
    let greased = greased.without(0x002b).without(0x000d);
    let (kind, data) = versions(&[0xfafa, 0x0304, 0x0303]);
    let greased = greased.with(kind, data);
    let (kind, data) = signatures(&[&[0x0a0a], SIGNATURES.as_slice(), &[0x8a8a]].concat());
    let greased = greased.with(kind, data);
    assert_eq!(greased.all(), browser().all());
    // Alike, but no GREASE: both bytes must be the same, and end in `a`.
    for kind in [0x0a1a, 0x1a0a, 0x0b0b, 0xaaab] {
        assert!(browser().with(kind, Vec::new()).ja4().starts_with("t13d1517h2_"), "{kind:04x}");
    }
}

#[test]
fn the_first_protocol_gives_two_characters() {
    for (protocol, characters) in [
        (&b"h2"[..], "h2"),
        (b"http/1.1", "h1"),
        (b"h", "hh"),
        (b"", "00"),
        (b"Z9", "Z9"),
        // The specification's own.
        (b"\xab", "ab"),
        (b"\x20", "20"),
        (b"\xab\xcd", "ad"),
        (b"\x20\x61", "21"),
        (b"\x30\xab", "3b"),
        (b"\x61\x20", "60"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
        (b"\x00", "00"),
    ] {
        let (kind, data) = alpn(&[protocol, b"http/1.1"]);
        let hello = browser().without(0x0010).with(kind, data);
        assert_eq!(hello.ja4()[8..10], *characters, "{protocol:02x?}");
    }
    let without = browser().without(0x0010);
    assert_eq!(without.ja4()[..10], *"t13d151500");
    for broken in [&b""[..], b"\0", b"\0\0", b"\0\x05\x09h2"] {
        assert_eq!(without.clone().with(0x0010, broken.to_vec()).ja4()[..10], *"t13d151600");
    }
}

#[test]
fn the_version_is_the_greatest_that_is_supported() {
    for (list, characters) in [
        (&[0x0303, 0x0304, 0x0302][..], "13"),
        (&[0x0303], "12"),
        (&[0x0301, 0x0302], "11"),
        (&[0x0301], "10"),
        (&[0x0300], "s3"),
        (&[0x0002], "s2"),
        (&[0x2a2a], "00"),
        (&[], "00"),
        (&[0x7f1c, 0x0303], "00"),
    ] {
        let (kind, data) = versions(list);
        assert_eq!(
            browser().without(0x002b).with(kind, data).ja4()[1..3],
            *characters,
            "{list:04x?}"
        );
    }
    let old = Hello { version: 0x0301, ..browser().without(0x002b) };
    assert_eq!(old.ja4()[1..3], *"10");
}

#[test]
fn a_client_that_names_no_server_is_i() {
    // An IP address is never named in this extension (RFC 6066, 3).
    assert!(browser().without(0x0000).ja4().starts_with("t13i1515h2_"));
}

#[test]
fn counts_end_at_99() {
    let many: Vec<u16> = (0x5000..0x5000 + 100).collect();
    let extensions = many.iter().map(|kind| (*kind, vec![1, 2, 3])).collect();
    let hello = Hello::new(&many, extensions);
    assert!(hello.ja4().starts_with("t12i999900_"), "{}", hello.ja4());
    assert_eq!(hello.raw().split(['_', ',']).count(), 1 + 100 + 100);
    let all = Hello::new(&(0..30_000).collect::<Vec<u16>>(), Vec::new());
    assert!(all.raw().is_empty(), "longer than {MAX_RAW_BYTES} bytes");
    assert_eq!(all.ja4(), second(&all, false));
    assert_eq!(all.stable(), second(&all, true));
}

#[test]
fn the_longest_raw_form_that_is_kept() {
    // Each list has a number more than commas.
    let most = (MAX_RAW_BYTES as u16 - 12 + 2) / 5;
    let hello = |extensions: u16| {
        let kinds = (0x5000..0x5000 + extensions).map(|kind| (kind, Vec::new()));
        Hello::new(&(0x5000..0x5000 + most - 100).collect::<Vec<u16>>(), kinds.collect())
    };
    assert_eq!(hello(100).raw(), second_parts(&hello(100), false).join("_"));
    assert_eq!(hello(100).raw().len(), MAX_RAW_BYTES - 2);
    assert!(hello(101).raw().is_empty());
    assert_eq!(hello(101).ja4(), second(&hello(101), false));
}

#[test]
fn forms_are_the_same_in_whatever_order_they_are_asked_for() {
    let (first, second) = (browser().fingerprint(), browser().fingerprint());
    let (raw, stable, ja4) = (first.raw(), first.stable(), first.ja4());
    assert_eq!((second.ja4(), second.stable(), second.raw()), (ja4, stable, raw));
    assert_eq!((first.raw(), first.stable(), first.ja4()), (raw, stable, ja4));
}

#[test]
fn an_empty_list_is_zeros() {
    let hello = Hello { version: 0x0301, ..Hello::default() };
    assert_eq!(hello.ja4(), "t10i000000_000000000000_000000000000");
    assert_eq!(hello.raw(), "t10i000000__");
    let hello = Hello::new(&[0x002f], vec![(0x0000, Vec::new())]);
    assert!(hello.ja4().ends_with("_000000000000"));
}

#[test]
fn the_stable_form_is_that_of_each_connection_of_a_visit() {
    let page = browser();
    let stable = page.stable();
    assert!(stable.starts_with("t13d151300_"), "{stable}");
    let socket = page.clone().without(0x4469).without(0x0010);
    let (kind, data) = alpn(&[b"http/1.1"]);
    for (what, other) in [
        ("without padding", page.clone().without(0x0015)),
        ("resumption", page.clone().with(0x0029, vec![1])),
        ("early data", page.clone().with(0x002a, Vec::new()).with(0x0029, vec![1])),
        ("WebSocket", socket.clone().with(kind, data)),
        ("no ALPN", socket),
        ("ALPS", page.clone().without(0x4469).with(0x44cd, Vec::new())),
    ] {
        assert_eq!(other.stable(), stable, "{what}");
        assert_ne!(other.ja4(), page.ja4(), "{what}");
    }
    for other in [page.clone().without(0x0000), page.with(0x0031, Vec::new())] {
        assert_ne!(other.stable(), stable);
    }
}

#[test]
fn what_is_no_client_hello_has_no_fingerprint() {
    let message = browser().message();
    assert!(Fingerprint::of_client_hello(&message).is_some());
    for len in 0..message.len() {
        assert!(Fingerprint::of_client_hello(&message[..len]).is_none(), "{len} bytes of it");
    }
    assert!(Fingerprint::of_client_hello(&[&message[..], &[0]].concat()).is_none());
    let server_hello = [&[2], &message[1..]].concat();
    assert!(Fingerprint::of_client_hello(&server_hello).is_none());
    let long_session = Hello { session_id: vec![0; 33], ..browser() };
    assert!(Fingerprint::of_client_hello(&long_session.message()).is_none());
}

// The second implementation: from the values that were put in, in text, step by step as the specification says.

fn is_grease(number: u16) -> bool {
    let grease = [
        "0a0a", "1a1a", "2a2a", "3a3a", "4a4a", "5a5a", "6a6a", "7a7a", "8a8a", "9a9a", "aaaa",
        "baba", "caca", "dada", "eaea", "fafa",
    ];
    grease.contains(&format!("{number:04x}").as_str())
}

fn hexes(numbers: &[u16]) -> Vec<String> {
    numbers.iter().filter(|it| !is_grease(**it)).map(|it| format!("{it:04x}")).collect()
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

fn read_numbers(data: &[u8]) -> Vec<u16> {
    data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

fn second(hello: &Hello, is_stable: bool) -> String {
    let [a, b, c] = second_parts(hello, is_stable);
    let hash = |list: &str| match list {
        "" => "0".repeat(12),
        _ => Sha256::digest(list).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
            [..12]
            .to_owned(),
    };
    format!("{a}_{}_{}", hash(&b), hash(&c))
}

fn second_parts(hello: &Hello, is_stable: bool) -> [String; 3] {
    let all = hello.extensions.clone().unwrap_or_default();
    let data_of = |wanted: u16| all.iter().find(|(kind, _)| *kind == wanted).map(|(_, data)| data);
    let unstable = ["0015", "0029", "002a", "0010", "4469", "44cd"];
    let kinds: Vec<String> = hexes(&all.iter().map(|(kind, _)| *kind).collect::<Vec<_>>())
        .into_iter()
        .filter(|kind| !is_stable || !unstable.contains(&kind.as_str()))
        .collect();
    let ciphers = sorted(hexes(&hello.ciphers));
    let version = match data_of(0x002b) {
        None => format!("{:04x}", hello.version),
        Some(data) => hexes(&read_numbers(&data[1..])).into_iter().max().unwrap_or_default(),
    };
    let version = match version.as_str() {
        "0304" => "13",
        "0303" => "12",
        "0302" => "11",
        "0301" => "10",
        "0300" => "s3",
        "0002" => "s2",
        "feff" => "d1",
        "fefd" => "d2",
        "fefc" => "d3",
        _ => "00",
    };
    let protocol = data_of(0x0010).filter(|data| !is_stable && data.len() > 3 && data[2] > 0);
    let protocol = protocol.map_or("00".to_owned(), |data| {
        let name = &data[3..3 + usize::from(data[2])];
        let hex: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
        let is_plain = |byte: &u8| (*byte as char).is_ascii_alphanumeric();
        let shown = match (name.first(), name.last()) {
            (Some(first), Some(last)) if is_plain(first) && is_plain(last) => {
                name.iter().map(|byte| *byte as char).collect()
            }
            _ => hex,
        };
        let mut characters = shown.chars();
        let first = characters.next().unwrap();
        format!("{first}{}", characters.next_back().unwrap_or(first))
    });
    let sni = if kinds.iter().any(|kind| kind == "0000") { "d" } else { "i" };
    let head =
        format!("t{version}{sni}{:02}{:02}{protocol}", ciphers.len().min(99), kinds.len().min(99));
    let hashed = kinds.into_iter().filter(|kind| kind != "0000" && kind != "0010").collect();
    let mut third = sorted(hashed).join(",");
    let signatures = data_of(0x000d).map(|data| hexes(&read_numbers(&data[2..])).join(","));
    if let Some(signatures) = signatures.filter(|list| !list.is_empty()) {
        third = format!("{third}_{signatures}");
    }
    [head, ciphers.join(","), third]
}

fn number() -> impl Strategy<Value = u16> {
    prop_oneof![3 => 0u16..0x50, 1 => (0u16..16).prop_map(|n| 0x0a0a + 0x1010 * n), 2 => any::<u16>()]
}

fn list(most: usize) -> impl Strategy<Value = Vec<u16>> {
    proptest::collection::vec(number(), 0..most)
}

fn any_hello() -> impl Strategy<Value = Hello> {
    let protocol = prop_oneof![
        Just(b"h2".to_vec()),
        Just(b"http/1.1".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6)
    ];
    let version = prop_oneof![0x0300u16..0x0305, Just(0x0002), 0xfefcu16..=0xfeff, any::<u16>()];
    let listed = (
        proptest::option::of(proptest::collection::vec(version.clone(), 0..5)),
        proptest::option::of(list(12)),
        proptest::option::of(proptest::collection::vec(protocol, 0..3)),
    );
    let others = proptest::collection::vec((number(), "[a-z]{0,8}"), 0..40);
    let unstable = proptest::sample::subsequence(vec![0x15u16, 0x29, 0x2a, 0x4469, 0x44cd], 0..=5);
    (version, list(120), listed, others, unstable, any::<u64>(), 0usize..33).prop_map(
        |(version, ciphers, (supported, signed, protocols), others, unstable, turn, id)| {
            let mut extensions: Vec<_> = others
                .into_iter()
                .filter(|(kind, _)| ![0x0d, 0x10, 0x2b].contains(kind))
                .map(|(kind, data)| (kind, data.into_bytes()))
                .collect();
            extensions.extend(unstable.into_iter().map(|kind| (kind, Vec::new())));
            extensions.extend(supported.map(|list| versions(&list)));
            extensions.extend(signed.map(|list| signatures(&list)));
            extensions.extend(
                protocols.map(|list| alpn(&list.iter().map(Vec::as_slice).collect::<Vec<_>>())),
            );
            let middle = turn as usize % extensions.len().max(1);
            extensions.rotate_left(middle);
            let session_id = vec![1; id];
            let extensions = (!extensions.is_empty() || turn % 2 == 0).then_some(extensions);
            Hello { version, session_id, ciphers, extensions }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn both_implementations_agree(hello in any_hello()) {
        prop_assert_eq!(hello.ja4(), second(&hello, false));
        prop_assert_eq!(hello.stable(), second(&hello, true));
        prop_assert_eq!(hello.raw(), second_parts(&hello, false).join("_"));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..80) {
        let mut message = browser().message();
        let at = at.min(message.len());
        message.splice(at..(at + bytes.len()).min(message.len()), bytes.iter().copied());
        for message in [&bytes, &message] {
            let both = (Fingerprint::of_client_hello(message), ClientHello::parse(message));
            prop_assert_eq!(both.0.is_some(), both.1.is_some());
        }
    }
}
