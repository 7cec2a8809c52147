#![no_main]
//! Whatever a request holds, its record is one line of JSON, and a hidden value is not in it in any encoding.
//!
//! The fuzzer writes a request part by part. Bytes from 0xC0 on stand in it for the hidden value, each in
//! another encoding, so that it finds by itself where one may stand.
mod common;
mod encodings;
mod oracle;
mod request;

use api_sessions_protocol::limits::MAX_RECORD_BYTES;
use api_sessions_extract::builtin::EntrySet;
use api_sessions_agent::record::{RecordEncoder, RecordOptions, RequestMeta};
use api_sessions_detect::{AttackKinds, Workspace, detect};
use api_sessions_redact::FullContent;
use api_sessions_identity::{Fallback, Hasher, Keys, Phase, resolve};
use api_sessions_extract::Scratch;
use api_sessions_protocol::{Record};
use oracle::Oracle;
use request::{JWT, LIVE, Request};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some(request) = Request::of(data) else { return };
    let exchange = &request.exchange;
    let hasher = Hasher::new(&[7; 32]);
    let keys = Keys { own: &request.keys, builtin: request.builtin, fallback: Fallback::IpUa, demoted: EntrySet::NONE };
    let (mut scratch, mut found) = (Scratch::default(), Vec::new());
    let resolution = resolve(keys, exchange, Phase::Log, &hasher, &mut scratch, &mut found);
    let settings =
        RecordOptions { keys, params: &request.params, masks: &request.masks, shown: &[], content: FullContent::Redacted, hasher: &hasher };
    let mut workspace = Workspace::default();
    detect(exchange, AttackKinds::all(), &mut workspace);
    let facts = RequestMeta {
        attacks: &["sqli"],
        findings: workspace.findings(),
        app: Some(&request.app),
        proto: &request.proto,
        ..RequestMeta::default()
    };
    let mut encoder = RecordEncoder::default();
    let line =
        encoder.encode(&facts, &settings, &resolution, &found, exchange, &mut scratch).to_vec();
    // Nothing is left in the buffers that would change the next one.
    assert_eq!(
        line,
        encoder.encode(&facts, &settings, &resolution, &found, exchange, &mut scratch)
    );

    let text = std::str::from_utf8(&line).expect("UTF-8");
    assert!(
        text.len() <= MAX_RECORD_BYTES && text.ends_with('\n') && text.matches('\n').count() == 1
    );
    let record: Record<'_> = serde_json::from_str(text).expect("a record");
    let oracle = Oracle::new(&request.secret, exchange.request_body_cut);
    if let Some(place) = oracle.leak(&record) {
        panic!("{} reads {:?} and {place} shows it: {text}", request.point, request.secret);
    }
    // Of places that nobody named, the built-in set knows these; what the fuzzer wrote elsewhere by itself is
    // no secret.
    let is_copied = data.windows(LIVE.len()).any(|window| window == LIVE.as_bytes());
    for text in oracle::texts(&record) {
        assert!(!text.contains(JWT), "{text}");
        assert!(is_copied || !text.contains(LIVE), "{text}");
    }
    // What nothing was cut out of is as it was sent. A placeholder may stand in base64 that was written again around it.
    let sent = request.line();
    if let Some(full) =
        record.request.as_ref().filter(|full| !full.truncated && !oracle::shows_placeholder(&full.line))
    {
        assert_eq!(full.line, String::from_utf8_lossy(&sent));
    }
    for text in oracle::content(&record) {
        assert!(!oracle::shows_token(text, JWT), "{text}");
    }
});
