//! The body of a batch: read with limits, inflated with limits.

use std::io::Read;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use flate2::read::MultiGzDecoder;

use crate::error::AppError;

/// Longest body, as sent, bytes.
pub const MAX_SENT: usize = 16 << 20;

/// Longest body, inflated, bytes.
pub const MAX_INFLATED: usize = 64 << 20;

/// Longest time a body may take.
pub const READ_TIME: Duration = Duration::from_secs(60);

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// 413 where it is longer, 408 where it takes too long, 400 where the client went away.
pub async fn read(body: Body, limit: usize) -> Result<Bytes, AppError> {
    let read = axum::body::to_bytes(body, limit);
    let timeout =
        || AppError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body took too long");
    tokio::time::timeout(READ_TIME, read).await.map_err(|_| timeout())?.map_err(|error| {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = source {
            if inner.to_string().contains("length limit") {
                return AppError::too_large(format!("the body is longer than {limit} bytes"));
            }
            source = inner.source();
        }
        AppError::bad_request(format!("the body was not read: {error}"))
    })
}

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// RFC 1952, several members too.
    Gzip,
}

/// Reads `Content-Encoding`.
///
/// # Errors
/// 415 for all but gzip.
pub fn encoding(headers: &HeaderMap) -> Result<Encoding, AppError> {
    match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"" | b"identity") => Ok(Encoding::Identity),
        Some(value) if value.eq_ignore_ascii_case(b"gzip") => Ok(Encoding::Gzip),
        Some(_) => Err(AppError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            "Content-Encoding may be gzip or absent",
        )),
    }
}

/// A body inflated, and whether it was cut or damaged on the way.
///
/// # Errors
/// 413 where it inflates to more than [`MAX_INFLATED`].
pub fn inflate(sent: Bytes, encoding: Encoding) -> Result<(Bytes, bool), AppError> {
    if encoding == Encoding::Identity {
        return Ok((sent, false));
    }
    // What comes before the damage is used: each good line is stored.
    let mut inflated = Vec::with_capacity(sent.len().saturating_mul(4).min(MAX_INFLATED));
    let damaged = MultiGzDecoder::new(&*sent)
        .take(MAX_INFLATED as u64 + 1)
        .read_to_end(&mut inflated)
        .is_err();
    if inflated.len() > MAX_INFLATED {
        let detail = format!("the body inflates to more than {MAX_INFLATED} bytes");
        return Err(AppError::too_large(detail));
    }
    Ok((inflated.into(), damaged))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(raw: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(raw).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = gzip(&vec![0; MAX_INFLATED + 1]);
        assert!(bomb.len() < MAX_SENT);
        let error = inflate(bomb.into(), Encoding::Gzip).unwrap_err();
        assert_eq!(error.status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn a_cut_body_keeps_its_beginning() {
        let whole: String = (0..5000).map(|n| format!("line {}\n", n * 7919 % 10_007)).collect();
        let sent = gzip(whole.as_bytes());
        let (inflated, damaged) =
            inflate(sent[..sent.len() * 9 / 10].to_vec().into(), Encoding::Gzip).unwrap();
        assert!(damaged && !inflated.is_empty());
        assert!(whole.as_bytes().starts_with(&inflated));
    }
}
