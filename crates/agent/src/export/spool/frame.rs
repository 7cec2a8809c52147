//! One batch in a segment.
//!
//! ```text
//! mark: 4 | crc32 of the rest: 4 | length of the name: 2 | length of the lines: 4 | name | lines
//! ```
//!
//! Numbers are little-endian. The mark contains bytes that never occur in UTF-8, and lines are JSON.

use super::Spooled;
use crate::limits::{MAX_BATCH_BYTES, MAX_BATCH_NAME_BYTES};

/// Where a batch begins.
pub(super) const MARK: [u8; 4] = [0xff, 0xfe, b'a', b's'];
const HEAD: usize = MARK.len() + 4 + 2 + 4;

/// Bytes of a batch on disk.
pub(super) fn size(name: &str, lines: &[u8]) -> u64 {
    (HEAD + name.len() + lines.len()) as u64
}

/// Appends a batch to `out`. Settings keep a name short and a batch below 64 MB.
pub(super) fn write(name: &str, lines: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(name.len() as u16).to_le_bytes());
    out.extend_from_slice(&(lines.len() as u32).to_le_bytes());
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(lines);
    let sum = crc32fast::hash(&out[start + 8..]);
    out[start + 4..start + 8].copy_from_slice(&sum.to_le_bytes());
}

/// Parses a batch at the start of `bytes` and returns it with its length on disk. `None`: there is no complete one.
pub(super) fn read(bytes: &[u8]) -> Option<(Spooled, usize)> {
    let rest = bytes.strip_prefix(&MARK)?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let (name_len, tail) = rest.split_first_chunk::<2>()?;
    let (lines_len, tail) = tail.split_first_chunk::<4>()?;
    let name_len = usize::from(u16::from_le_bytes(*name_len));
    let lines_len = usize::try_from(u32::from_le_bytes(*lines_len)).ok()?;
    if name_len > MAX_BATCH_NAME_BYTES
        || lines_len > MAX_BATCH_BYTES
        || tail.len() < name_len + lines_len
    {
        return None;
    }
    let checked = rest.get(..6 + name_len + lines_len)?;
    if crc32fast::hash(checked) != u32::from_le_bytes(*sum) {
        return None;
    }
    let (name, tail) = tail.split_at(name_len);
    let name = std::str::from_utf8(name).ok()?.to_owned();
    let lines = tail[..lines_len].to_vec();
    Some((Spooled { name, lines }, HEAD + name_len + lines_len))
}
