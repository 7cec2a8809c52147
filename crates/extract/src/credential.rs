//! Points that yield a whole credential; such a parameter must state how it is exported.

use super::{Decoder, Point, PointSource};

/// Headers that are credentials as a whole, spelled as in NGINX's variables.
const HEADERS: &[&str] = &["authorization", "proxy_authorization", "cookie", "set_cookie"];
/// Prefixes of the variables that contain headers.
const VARIABLE_PREFIXES: &[&str] = &["http_", "sent_http_", "upstream_http_"];

impl Point {
    /// Whether the value contains a whole credential: `Authorization`, `Proxy-Authorization`, `Cookie` or `Set-Cookie`,
    /// also through an NGINX variable, or what `bearer` yields.
    pub fn is_whole_credential(&self) -> bool {
        // A decoder that picks a part drops the rest of the credential.
        let picks = |decoder: &Decoder| match decoder {
            Decoder::Jwt { .. } | Decoder::Json(_) | Decoder::BasicUser => true,
            Decoder::Base64 | Decoder::UrlDecode | Decoder::Bearer => false,
        };
        let whole = self.decoders.iter().rposition(picks).map_or(0, |last| last + 1);
        let bearer = self.decoders.iter().skip(whole).any(|decoder| *decoder == Decoder::Bearer);
        bearer || (whole == 0 && self.has_credential_source())
    }

    fn has_credential_source(&self) -> bool {
        match &self.source {
            PointSource::Header { name, .. } => HEADERS.iter().any(|known| is_header(name, known)),
            PointSource::Variable(_) => variable_names(&self.text).any(is_credential_variable),
            _ => false,
        }
    }
}

fn is_header(lower_case_name: &[u8], known: &str) -> bool {
    lower_case_name.len() == known.len()
        && lower_case_name
            .iter()
            .zip(known.bytes())
            .all(|(byte, known)| *byte == known || (*byte == b'-' && known == b'_'))
}

/// Names of variables are case-insensitive.
fn is_credential_variable(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    VARIABLE_PREFIXES
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix))
        .any(|header| HEADERS.contains(&header))
}

/// Names of the variables in an NGINX complex value: `$name` and `${name}`.
pub fn variable_names(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).map(|behind| {
        let name = behind.strip_prefix('{').unwrap_or(behind);
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        name.get(..end.unwrap_or(name.len())).unwrap_or_default()
    })
}
