//! Whether a record shows a value to somebody who decodes what they see: written as simply as it can be, for
//! the search itself is what is checked.

use api_sessions_protocol::Record;

use crate::common::decoded;

/// Of a longer value, so many bytes are promised to be hidden.
const LOOKED_FOR: usize = 512;
/// A shorter beginning of a value, at the end of a body that was cut, is none.
const SHORTEST: usize = 4;

pub struct Oracle<'s> {
    secret: &'s [u8],
    /// The body went on behind what was seen.
    cut: bool,
}

impl<'s> Oracle<'s> {
    pub fn new(secret: &'s str, cut: bool) -> Self {
        let secret = secret.as_bytes();
        Self { secret: secret.get(..LOOKED_FOR).unwrap_or(secret), cut }
    }

    /// The first part of the record that shows the value.
    pub fn leak(&self, record: &Record<'_>) -> Option<String> {
        let params = record.params.iter().flat_map(|param| [&*param.name, &*param.value]);
        let named = [&record.user, &record.role].into_iter().flatten().map(|text| &**text);
        let shown = texts(record).into_iter().chain(params).chain(named);
        for text in shown {
            if forms(text.as_bytes(), self.has_space()).iter().any(|form| self.is_in(form)) {
                return Some(format!("{text:?}"));
            }
        }
        self.is_in_body(&body(record)?).then(|| "the body".to_owned())
    }

    fn is_in_body(&self, body: &[u8]) -> bool {
        let all = forms(body, self.has_space());
        let joined: Vec<u8> =
            body.iter().copied().filter(|byte| !matches!(byte, 0 | b'\r' | b'\n')).collect();
        all.iter().any(|form| self.is_in(form))
            || self.is_in(&joined)
            || self.cut && self.is_begun(body)
    }

    /// At the end, or before half of an escape there.
    fn is_begun(&self, body: &[u8]) -> bool {
        let escapes =
            (body.len().saturating_sub(6)..body.len()).filter(|at| b"%\\&".contains(&body[*at]));
        let begins = |form: &Vec<u8>| {
            (SHORTEST..=self.secret.len()).any(|len| form.ends_with(&self.secret[..len]))
        };
        escapes
            .chain([body.len()])
            .any(|end| forms(&body[..end], self.has_space()).iter().any(begins))
    }

    fn is_in(&self, text: &[u8]) -> bool {
        contains(text, self.secret)
            || text.split(|byte| sextet(*byte).is_none()).any(|run| {
                run.len() > self.secret.len()
                    && (0..4).any(|from| {
                        contains(&from_base64(run.get(from..).unwrap_or_default()), self.secret)
                    })
            })
    }

    fn has_space(&self) -> bool {
        self.secret.contains(&b' ')
    }
}

/// Whether a text shows a token of somebody's, as it is or percent-encoded.
pub fn shows_token(text: &str, token: &str) -> bool {
    forms(text.as_bytes(), false).iter().any(|form| contains(form, token.as_bytes()))
}

/// Whether something was cut out of a text, or out of base64 in it.
pub fn shows_placeholder(text: &str) -> bool {
    ["[hidden]", "[hash:"].into_iter().any(|placeholder| {
        let oracle = Oracle::new(placeholder, false);
        forms(text.as_bytes(), false).iter().any(|form| oracle.is_in(form))
    })
}

/// What an attack's record shows of the request.
pub fn content<'r>(record: &'r Record<'_>) -> Vec<&'r str> {
    let mut texts = Vec::new();
    if let Some(request) = &record.request {
        texts.push(&*request.line);
        texts.extend(request.headers.iter().flat_map(|(name, value)| [&**name, &**value]));
        texts.extend(request.body.as_deref());
    }
    texts
}

/// What every record shows, and what it shows of an attack.
pub fn texts<'r>(record: &'r Record<'_>) -> Vec<&'r str> {
    let optional = [&record.app, &record.ua, &record.host, &record.proto];
    let mut texts: Vec<&str> = optional.into_iter().flatten().map(|text| &**text).collect();
    texts.extend([&*record.method, &*record.path]);
    texts.extend(content(record));
    let evidence = record.evidence.iter();
    texts.extend(evidence.flat_map(|it| [it.name.as_deref().unwrap_or_default(), &*it.matched]));
    texts
}

fn body(record: &Record<'_>) -> Option<Vec<u8>> {
    let request = record.request.as_ref()?;
    let decoded = |text: &str| from_base64(text.trim_end_matches('=').as_bytes());
    request
        .body
        .as_ref()
        .map(|text| text.as_bytes().to_vec())
        .or(request.body_base64.as_deref().map(decoded))
}

/// What a text stands for: as it is, decoded once, decoded twice, and each without JSON's escapes or without
/// HTML's.
fn forms(text: &[u8], has_space: bool) -> Vec<Vec<u8>> {
    let mut forms = vec![text.to_vec()];
    // Each step is left out where it would change nothing, as nearly always: the fuzzer counts its branches.
    if text.contains(&b'%') {
        let once = decoded(text, false);
        forms.extend([decoded(&once, false), once]);
    }
    if has_space && text.contains(&b'+') {
        let once = decoded(text, true);
        forms.extend([decoded(&once, true), once]);
    }
    for form in forms.clone() {
        if form.contains(&b'\\') {
            forms.push(json_unescaped(&form));
        }
        if form.contains(&b'&') || form.contains(&b'%') {
            forms.push(dereferenced(&form));
        }
    }
    forms
}

/// Each run of escapes as serde_json reads it, if it does.
fn json_unescaped(text: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        // An escape, or two of them that make one character.
        let read = [12, 6, 2].into_iter().find_map(|len| {
            let escape = text.get(at..at + len).filter(|escape| escape[0] == b'\\')?;
            let quoted = [b"\"", escape, b"\""].concat();
            let read: String = serde_json::from_slice(&quoted).ok()?;
            (read.chars().count() == 1).then_some((len, read))
        });
        match read {
            Some((len, read)) => {
                out.extend(read.into_bytes());
                at += len;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

/// With the characters that `&#1;`, `&amp;` and `%u0001` stand for, where a semicolon ends those of HTML.
fn dereferenced(text: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        match reference(&text[at..]) {
            Some((len, read)) => {
                out.extend(read.to_string().into_bytes());
                at += len;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

fn reference(text: &[u8]) -> Option<(usize, char)> {
    let unit = |from: usize| {
        let digits = text.get(from..from + 6).filter(|unit| unit[0] == b'%' && unit[1] == b'u')?;
        let digits = digits[2..].iter().all(u8::is_ascii_hexdigit).then_some(&digits[2..])?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    if let Some(first) = unit(0) {
        let units = [Some(first), unit(6)];
        let read = char::decode_utf16(units.into_iter().flatten()).next()?.ok()?;
        return Some((6 * read.len_utf16(), read));
    }
    let end = text.iter().take(10).position(|byte| *byte == b';').filter(|_| text[0] == b'&')?;
    let read = match &text[1..end] {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        [b'#', digits @ ..] => char::from_u32(std::str::from_utf8(digits).ok()?.parse().ok()?)?,
        _ => return None,
    };
    Some((end + 1, read))
}

fn sextet(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

fn from_base64(run: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for sextet in run.iter().map_while(|byte| sextet(*byte)) {
        (bits, count) = ((bits << 6 | sextet) & 0xFFFF, count + 6);
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xFF) as u8);
        }
    }
    out
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window[0] == wanted[0] && window == wanted)
}
