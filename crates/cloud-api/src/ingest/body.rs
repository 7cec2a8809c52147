//! Bodies of batches, received and decompressed within limits.

use std::io::Read;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, StatusCode, header};
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt;

use crate::error::AppError;
use crate::limits::{MAX_DISCARDED_BYTES, MAX_INFLATED_BYTES};

/// Longest time to receive a body.
pub const READ_TIME: Duration = Duration::from_secs(60);

/// Receives a body of at most `limit` bytes.
///
/// # Errors
/// 413 if it is longer, 408 if it takes too long, 400 if the client disconnects.
pub async fn read(body: Body, limit: usize) -> Result<Bytes, AppError> {
    let timeout =
        || AppError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body took too long");
    tokio::time::timeout(READ_TIME, collect(body, limit)).await.map_err(|_| timeout())?
}

/// Reads and discards the rest of a body that is too long: closing the connection while the client still sends resets
/// it, and the client never sees the 413 (RFC 9112, 9.6).
async fn collect(body: Body, limit: usize) -> Result<Bytes, AppError> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut kept = Vec::with_capacity(if expected <= limit { expected } else { 0 });
    let (mut received, mut chunks) = (0_usize, body.into_data_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(_) if received > limit => break,
            Err(error) => {
                return Err(AppError::bad_request(format!("the body is incomplete: {error}")));
            }
        };
        received = received.saturating_add(chunk.len());
        if received <= limit {
            kept.extend_from_slice(&chunk);
        } else {
            kept = Vec::new();
            if received - limit > MAX_DISCARDED_BYTES {
                break;
            }
        }
    }
    if received > limit {
        return Err(AppError::too_large(format!("the body is longer than {limit} bytes")));
    }
    Ok(kept.into())
}

/// `Content-Encoding` of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// None.
    Identity,
    /// gzip (RFC 1952), with any number of members.
    Gzip,
}

/// Parses `Content-Encoding`; names are case-insensitive, and `x-gzip` is an alias of `gzip` (RFC 9110, 8.4.1).
///
/// # Errors
/// 415 for anything but one gzip.
pub fn encoding(headers: &HeaderMap) -> Result<Encoding, AppError> {
    let mut found = Encoding::Identity;
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    for name in values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
        let name = name.trim_ascii().to_ascii_lowercase();
        match (name.as_slice(), found) {
            (b"" | b"identity", _) => {}
            (b"gzip" | b"x-gzip", Encoding::Identity) => found = Encoding::Gzip,
            _ => {
                return Err(AppError::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupported_encoding",
                    "unsupported Content-Encoding: gzip or identity is expected",
                ));
            }
        }
    }
    Ok(found)
}

/// A decompressed body.
#[derive(Debug)]
pub enum Inflated {
    /// Complete.
    Whole(Bytes),
    /// Everything before the point where it is truncated or corrupt.
    Cut(Bytes),
    /// Longer than the limit.
    Longer,
}

/// Decompresses a body to at most `limit` bytes.
///
/// # Errors
/// 400 if it is not gzip.
pub fn inflate(sent: Bytes, encoding: Encoding, limit: usize) -> Result<Inflated, AppError> {
    if encoding == Encoding::Identity {
        return Ok(if sent.len() > limit { Inflated::Longer } else { Inflated::Whole(sent) });
    }
    // On an error, the lines before the corrupt part are still stored.
    let mut inflated = Vec::new();
    let damaged =
        MultiGzDecoder::new(&*sent).take(limit as u64 + 1).read_to_end(&mut inflated).is_err();
    match damaged {
        _ if inflated.len() > limit => Ok(Inflated::Longer),
        true if inflated.is_empty() => {
            Err(AppError::bad_request("Content-Encoding is gzip, the body is not"))
        }
        true => Ok(Inflated::Cut(inflated.into())),
        false => Ok(Inflated::Whole(inflated.into())),
    }
}

/// The error for a body that decompresses to more than [`MAX_INFLATED_BYTES`].
pub fn too_long() -> AppError {
    AppError::too_large(format!("the body decompresses to more than {MAX_INFLATED_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use crate::limits::MAX_SENT_BYTES;
    use std::io::Write;

    use super::*;

    fn gzip(raw: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(raw).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_decompression_bomb_is_refused() {
        let bomb = gzip(&vec![0; MAX_INFLATED_BYTES + 1]);
        assert!(bomb.len() < MAX_SENT_BYTES);
        let inflated = inflate(bomb.into(), Encoding::Gzip, MAX_INFLATED_BYTES).unwrap();
        assert!(matches!(inflated, Inflated::Longer));
    }

    #[test]
    fn a_truncated_body_keeps_its_beginning() {
        let whole: String = (0..5000).map(|n| format!("line {}\n", n * 7919 % 10_007)).collect();
        let sent = gzip(whole.as_bytes());
        let half = sent[..sent.len() * 9 / 10].to_vec().into();
        let Ok(Inflated::Cut(inflated)) = inflate(half, Encoding::Gzip, MAX_INFLATED_BYTES) else {
            panic!("not truncated");
        };
        assert!(!inflated.is_empty());
        assert!(whole.as_bytes().starts_with(&inflated));
    }
}
