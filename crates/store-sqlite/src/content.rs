//! Full content of malicious requests: JSON, deflated.

use std::io::{Read, Write};

use api_sessions_protocol::FullRequest;
use api_sessions_protocol::limits::MAX_RECORD_BYTES;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// As bytes.
pub(super) fn pack(content: &FullRequest<'_>) -> Vec<u8> {
    let json = serde_json::to_vec(content).unwrap_or_default();
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    // Infallible: both write to memory.
    let _ = encoder.write_all(&json);
    encoder.finish().unwrap_or_default()
}

/// Parses [`pack`]; `None`: the bytes are damaged.
pub(super) fn unpack(bytes: &[u8]) -> Option<FullRequest<'static>> {
    let mut json = String::new();
    // At most as long as the line it came from, apart from escapes.
    let limit = 8 * MAX_RECORD_BYTES as u64;
    DeflateDecoder::new(bytes).take(limit).read_to_string(&mut json).ok()?;
    let content: FullRequest<'_> = serde_json::from_str(&json).ok()?;
    Some(content.into_owned())
}
