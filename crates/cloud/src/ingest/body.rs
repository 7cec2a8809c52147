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

/// Reads `Content-Encoding`: names in letters of either case, and `x-gzip` is gzip (RFC 9110).
///
/// # Errors
/// 415 for all but gzip.
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
                    "Content-Encoding: gzip is accepted, or none",
                ));
            }
        }
    }
    Ok(found)
}

/// What became of a body.
#[derive(Debug)]
pub enum Inflated {
    /// All of it.
    Whole(Bytes),
    /// What came before it was cut or damaged.
    Cut(Bytes),
    /// It is longer than was allowed.
    Longer,
}

/// Inflates a body to at most `limit` bytes.
///
/// # Errors
/// 400 where it is no gzip at all.
pub fn inflate(sent: Bytes, encoding: Encoding, limit: usize) -> Result<Inflated, AppError> {
    if encoding == Encoding::Identity {
        return Ok(if sent.len() > limit { Inflated::Longer } else { Inflated::Whole(sent) });
    }
    // What comes before the damage is used: each good line is stored.
    let mut inflated = Vec::new();
    let damaged =
        MultiGzDecoder::new(&*sent).take(limit as u64 + 1).read_to_end(&mut inflated).is_err();
    match damaged {
        _ if inflated.len() > limit => Ok(Inflated::Longer),
        true if inflated.is_empty() => {
            Err(AppError::bad_request("the body is not gzip, as Content-Encoding says it is"))
        }
        true => Ok(Inflated::Cut(inflated.into())),
        false => Ok(Inflated::Whole(inflated.into())),
    }
}

/// What is said of a body that inflates to more than [`MAX_INFLATED`].
pub fn too_long() -> AppError {
    AppError::too_large(format!("the body inflates to more than {MAX_INFLATED} bytes"))
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
        let inflated = inflate(bomb.into(), Encoding::Gzip, MAX_INFLATED).unwrap();
        assert!(matches!(inflated, Inflated::Longer));
    }

    #[test]
    fn a_cut_body_keeps_its_beginning() {
        let whole: String = (0..5000).map(|n| format!("line {}\n", n * 7919 % 10_007)).collect();
        let sent = gzip(whole.as_bytes());
        let half = sent[..sent.len() * 9 / 10].to_vec().into();
        let Ok(Inflated::Cut(inflated)) = inflate(half, Encoding::Gzip, MAX_INFLATED) else {
            panic!("it is cut");
        };
        assert!(!inflated.is_empty());
        assert!(whole.as_bytes().starts_with(&inflated));
    }
}
