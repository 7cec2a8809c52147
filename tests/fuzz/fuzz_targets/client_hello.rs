#![no_main]
//! A ClientHello is taken apart as `tls-parser` does it, and its forms fit together.
use api_sessions_tls_fingerprint::limits::MAX_RAW_BYTES;
use api_sessions_tls_fingerprint::{ClientHello, Fingerprint};
use tls_parser::{TlsExtension, TlsMessage, TlsMessageHandshake};

const UNSTABLE: [u16; 6] = [0x0015, 0x0029, 0x002a, 0x0010, 0x4469, 0x44cd];

fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

fn without_grease(values: impl Iterator<Item = u16>) -> Vec<u16> {
    values.filter(|value| !is_grease(*value)).collect()
}

/// Type and content of each extension; `None` where their lengths do not fit.
fn extensions(mut rest: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut all = Vec::new();
    while !rest.is_empty() {
        let [k1, k2, l1, l2, behind @ ..] = rest else { return None };
        let (data, next) = behind.split_at_checked(usize::from(*l1) << 8 | usize::from(*l2))?;
        all.push((u16::from_be_bytes([*k1, *k2]), data));
        rest = next;
    }
    Some(all)
}

/// The message without the extensions that the stable form leaves out.
fn rebuilt(message: &[u8], block: &[u8], kept: &[(u16, &[u8])]) -> Vec<u8> {
    let kept: Vec<u8> = kept
        .iter()
        .flat_map(|(kind, data)| {
            [&kind.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
        })
        .collect();
    let before = &message[4..message.len() - block.len() - 2];
    let body = [before, &(kept.len() as u16).to_be_bytes(), &kept].concat();
    [&[1][..], &(body.len() as u32).to_be_bytes()[1..], &body].concat()
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // With lengths that fit, so that it gets beyond them.
    let mut whole = [&[1, 0, 0, 0][..], data].concat();
    whole[1..4].copy_from_slice(&(data.len() as u32).to_be_bytes()[1..]);
    for message in [data, &whole] {
        check(message);
    }
});

fn check(message: &[u8]) {
    let Some(hello) = ClientHello::parse(message) else {
        assert!(Fingerprint::of_client_hello(message).is_none());
        return;
    };
    let Some(found) = Fingerprint::of_client_hello(message) else { panic!("no fingerprint") };
    let parts = |ja4: &[u8]| {
        let text = std::str::from_utf8(ja4).expect("text").to_owned();
        text.split('_').map(str::len).collect::<Vec<_>>()
    };
    assert_eq!((parts(found.ja4()), parts(found.stable())), (vec![10, 12, 12], vec![10, 12, 12]));
    assert!(found.raw().len() <= MAX_RAW_BYTES);
    assert!(found.raw().is_empty() || found.raw().starts_with(&found.ja4()[..10]));
    assert_eq!(&found.stable()[8..10], b"00");
    assert_eq!(
        (found.ja4()[..4] == found.stable()[..4], found.ja4()[11..23] == found.stable()[11..23]),
        (true, true)
    );

    let parsed = tls_parser::parse_tls_message_handshake(message);
    let Ok((rest, TlsMessage::Handshake(TlsMessageHandshake::ClientHello(other)))) = parsed else {
        return;
    };
    assert_eq!(rest, b"");
    assert_eq!(hello.legacy_version, other.version.0);
    assert_eq!(hello.ciphers.to_vec(), without_grease(other.ciphers.iter().map(|cipher| cipher.0)));
    let block = other.ext.unwrap_or_default();
    let Some(all) = extensions(block) else { return };
    assert_eq!(hello.extensions.to_vec(), without_grease(all.iter().map(|(kind, _)| *kind)));
    let Ok((b"", read)) = tls_parser::parse_tls_client_hello_extensions(block) else { return };
    // There once, with a list that fills it: of another, both readings are free.
    let fits = |kind: u16, data: &[u8]| match (kind, data) {
        (0x002b, [len, list @ ..]) => {
            usize::from(*len) == list.len() && list.len().is_multiple_of(2)
        }
        (_, [high, low, list @ ..]) => usize::from(*high) << 8 | usize::from(*low) == list.len(),
        _ => false,
    };
    let once = |kind: u16| {
        let mut found = all.iter().filter(|(known, _)| *known == kind);
        found.next().is_some_and(|(_, data)| fits(kind, data)) && found.next().is_none()
    };
    for extension in &read {
        match extension {
            TlsExtension::SupportedVersions(versions) if once(0x002b) => {
                let versions = without_grease(versions.iter().map(|version| version.0));
                assert_eq!(hello.supported_version, Some(versions.into_iter().max().unwrap_or(0)));
            }
            TlsExtension::SignatureAlgorithms(list) if once(0x000d) => {
                assert_eq!(hello.signature_algorithms.to_vec(), without_grease(list.iter().copied()));
            }
            TlsExtension::ALPN(protocols) if once(0x0010) => {
                assert_eq!(hello.first_protocol, protocols.first().copied().unwrap_or_default());
            }
            _ => {}
        }
    }
    if other.ext.is_some() {
        let kept: Vec<_> = all.into_iter().filter(|(kind, _)| !UNSTABLE.contains(kind)).collect();
        let kept = rebuilt(message, block, &kept);
        let Some(kept) = Fingerprint::of_client_hello(&kept) else { panic!("rebuilt wrongly") };
        assert_eq!((kept.ja4(), kept.stable()), (found.stable(), found.stable()));
    }
}
