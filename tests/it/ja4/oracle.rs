//! JA4 computed from the bytes on the wire, in text and step by step as the specification says. It has nothing in
//! common with the module's.

use sha2::{Digest, Sha256};

/// The three forms, as the test's server shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ja4 {
    pub(super) ja4: String,
    pub(super) stable: String,
    pub(super) raw: String,
}

/// Of the first ClientHello in what a client has sent.
#[track_caller]
pub(super) fn ja4(wire: &[u8]) -> Ja4 {
    let hello = handshake(wire);
    let all: Vec<String> = hello.iter().map(|byte| format!("{byte:02x}")).collect();
    let number =
        |at: usize, len: usize| usize::from_str_radix(&all[at..at + len].concat(), 16).unwrap();
    let words = |from: usize, to: usize| -> Vec<String> {
        (from..to)
            .step_by(2)
            .map(|at| all[at..at + 2].concat())
            .filter(|word| !grease(word))
            .collect()
    };
    assert_eq!((all[0].as_str(), number(1, 3) + 4), ("01", all.len()));
    let mut at = 4 + 2 + 32;
    at += 1 + number(at, 1);
    let mut ciphers = words(at + 2, at + 2 + number(at, 2));
    at += 2 + number(at, 2);
    at += 1 + number(at, 1);
    let (mut kinds, mut signatures, mut protocol) = (Vec::new(), Vec::new(), Vec::new());
    let mut versions = vec![all[4..6].concat()];
    at += 2;
    while at < all.len() {
        let (kind, len) = (all[at..at + 2].concat(), number(at + 2, 2));
        let data = at + 4;
        match kind.as_str() {
            "002b" => versions = words(data + 1, data + len),
            "000d" => signatures = words(data + 2, data + len),
            "0010" => protocol = hello[data + 3..data + 3 + number(data + 2, 1)].to_vec(),
            _ => {}
        }
        if !grease(&kind) {
            kinds.push(kind);
        }
        at = data + len;
    }
    ciphers.sort();
    versions.sort();
    let version = match versions.last().unwrap().as_str() {
        "0304" => "13",
        "0303" => "12",
        "0302" => "11",
        "0301" => "10",
        other => panic!("version {other}"),
    };
    let protocol = match (protocol.first(), protocol.last()) {
        (Some(first), Some(last))
            if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() =>
        {
            format!("{}{}", *first as char, *last as char)
        }
        (Some(first), Some(last)) => {
            format!("{}{}", &format!("{first:02x}")[..1], &format!("{last:02x}")[1..])
        }
        _ => "00".to_owned(),
    };
    let forms = |kinds: &[String], protocol: &str| {
        let sni = if kinds.iter().any(|kind| kind == "0000") { "d" } else { "i" };
        let (most_ciphers, most_kinds) = (ciphers.len().min(99), kinds.len().min(99));
        let head = format!("t{version}{sni}{most_ciphers:02}{most_kinds:02}{protocol}");
        let mut hashed: Vec<&str> = kinds
            .iter()
            .map(String::as_str)
            .filter(|kind| !["0000", "0010"].contains(kind))
            .collect();
        hashed.sort_unstable();
        let mut third = hashed.join(",");
        if !signatures.is_empty() {
            third = format!("{third}_{}", signatures.join(","));
        }
        let second = ciphers.join(",");
        (format!("{head}_{}_{}", hash(&second), hash(&third)), format!("{head}_{second}_{third}"))
    };
    let (ja4, raw) = forms(&kinds, &protocol);
    let unstable = ["0015", "0029", "002a", "0010", "4469", "44cd"];
    kinds.retain(|kind| !unstable.contains(&kind.as_str()));
    Ja4 { ja4, stable: forms(&kinds, "00").0, raw }
}

fn hash(list: &str) -> String {
    if list.is_empty() {
        return "000000000000".to_owned();
    }
    Sha256::digest(list).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

fn grease(word: &str) -> bool {
    word[..2] == word[2..] && word.ends_with('a')
}

/// How many records of ClientHellos, each in one, a client has sent in clear.
pub(super) fn hellos(mut wire: &[u8]) -> usize {
    let mut hellos = 0;
    while let [kind, _, _, high, low, content @ ..] = wire {
        hellos += usize::from(*kind == 22 && content.first() == Some(&1));
        wire = content.get(usize::from(*high) * 256 + usize::from(*low)..).unwrap_or_default();
    }
    hellos
}

/// The first handshake message, out of as many records as it takes.
fn handshake(mut wire: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    loop {
        if let [_, a, b, c, ..] = message[..] {
            let len = 4 + usize::from(a) * 65536 + usize::from(b) * 256 + usize::from(c);
            if message.len() >= len {
                message.truncate(len);
                return message;
            }
        }
        assert_eq!(wire[0], 22, "a record of a handshake");
        let len = usize::from(wire[3]) * 256 + usize::from(wire[4]);
        message.extend_from_slice(&wire[5..5 + len]);
        wire = &wire[5 + len..];
    }
}
