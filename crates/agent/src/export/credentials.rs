//! Files with what authenticates an exporter. Messages never show values.

use super::settings::ExportHeader;

/// Reads a file of headers: one a line; empty lines and lines that begin with `#` are skipped.
///
/// # Errors
/// A message that names the line.
pub fn parse_headers(path: &str, bytes: &[u8]) -> Result<Vec<ExportHeader>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("\"{path}\" is not text"))?;
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim()));
    let headers: Vec<ExportHeader> = lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(n, line)| {
            ExportHeader::parse(line).map_err(|error| format!("\"{path}\" line {n}: {error}"))
        })
        .collect::<Result<_, _>>()?;
    match headers.is_empty() {
        true => Err(format!("\"{path}\" holds no header: one \"Name: value\" a line is accepted")),
        false => Ok(headers),
    }
}

/// Reads a file that holds a bearer token (RFC 6750).
///
/// # Errors
/// It is not one line of visible ASCII.
pub fn parse_token(path: &str, bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "\"{path}\" holds no token: one line of visible ASCII is accepted, which follows \"Bearer\"; another scheme goes into \"header_file=\", as \"Authorization: Basic ...\""
        ));
    }
    Ok(text.to_owned())
}
