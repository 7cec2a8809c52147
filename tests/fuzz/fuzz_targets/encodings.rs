//! The encodings in which a request may carry a value.

use std::fmt::Write;

use crate::request::JWT;

/// The fuzzer's bytes with those from 0xC0 on replaced by the value.
pub fn expand(part: &[u8], secret: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in part {
        match byte.checked_sub(0xC0) {
            Some(form) => out.extend(write(form, secret)),
            None => out.push(*byte),
        }
    }
    out
}

fn write(form: u8, secret: &str) -> Vec<u8> {
    let text = match form % 22 {
        0 => percent(secret),
        1 => percent(&percent(secret)).to_lowercase(),
        // As a browser sends it.
        2 => some(secret, |letter| !letter.is_ascii_alphanumeric(), percent).replace("%20", "+"),
        3 => some(secret, |letter| letter.is_ascii_lowercase(), percent),
        4 => base64(secret.as_bytes(), STANDARD),
        5 => base64(format!("x{secret}y").as_bytes(), STANDARD),
        6 => base64(format!("xy{secret}z").as_bytes(), URL_SAFE),
        7 => percent(&base64(secret.as_bytes(), STANDARD)),
        8 => json(secret),
        9 => some(secret, |letter| letter.is_ascii_digit() || "\"\\".contains(letter), json),
        10 => percent(&json(secret)),
        11 => jwt(secret),
        12 => return secret.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        // Half of it: together with another half, or at the end of what was seen.
        13 => return secret.as_bytes()[..secret.len() / 2].to_vec(),
        14 => return secret.as_bytes()[secret.len() / 2..].to_vec(),
        15 => secret.to_owned(),
        // A token of somebody's is hidden wherever it stands.
        16 => JWT.to_owned(),
        17 => percent(JWT),
        18 => html(secret),
        19 => {
            some(secret, |letter| letter.is_ascii_digit(), |letter| html(letter).replace(';', ""))
        }
        20 => some(secret, |letter| "&<>\"".contains(letter), html),
        _ => json(secret).replace('\\', "%"),
    };
    text.into_bytes()
}

fn html(text: &str) -> String {
    let named = [('&', "amp"), ('<', "lt"), ('>', "gt"), ('"', "quot")];
    text.chars().fold(String::new(), |mut out, letter| {
        let _ = match named.iter().find(|(known, _)| *known == letter) {
            Some((_, name)) => write!(out, "&{name};"),
            None => write!(out, "&#{};", u32::from(letter)),
        };
        out
    })
}

/// As a part of a URL, of a string of JSON, as a claim and as a user.
pub fn all(secret: &str) -> [String; 4] {
    let basic = format!("Basic {}", base64(format!("{secret}:pass").as_bytes(), STANDARD));
    [percent(secret), json(secret), jwt(secret), basic]
}

fn jwt(secret: &str) -> String {
    let sub = serde_json::json!({ "sub": secret }).to_string();
    format!("eyJhbGciOiJub25lIn0.{}.c2ln", base64(sub.as_bytes(), URL_SAFE))
}

fn some(secret: &str, is: impl Fn(char) -> bool, encode: impl Fn(&str) -> String) -> String {
    secret
        .chars()
        .map(|letter| if is(letter) { encode(&letter.to_string()) } else { letter.into() })
        .collect()
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "%{byte:02X}");
        out
    })
}

fn json(text: &str) -> String {
    text.encode_utf16().fold(String::new(), |mut out, unit| {
        let _ = write!(out, "\\u{unit:04x}");
        out
    })
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Without padding.
fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let bits = |at: usize| {
        let byte = |at: usize| u16::from(bytes.get(at).copied().unwrap_or_default());
        let pair = byte(at * 6 / 8) << 8 | byte(at * 6 / 8 + 1);
        usize::from(pair >> (10 - at * 6 % 8) & 63)
    };
    (0..(bytes.len() * 8).div_ceil(6)).map(|at| char::from(alphabet[bits(at)])).collect()
}
