//! Serialized objects of PHP, Java, .NET, Python and Ruby, members that choose a class, and prototypes of JavaScript.

use std::ops::Range;

use api_sessions_values::{Mask, Place, View};

/// Packages of libraries, of which no client chooses a class; a class that holds data is not in them.
pub(super) const LIBRARIES: &[&str] = &[
    "bsh.",
    "ch.qos.logback",
    "clojure.",
    "com.ibm.",
    "com.mysql.",
    "com.sun.",
    "com.zaxxer.",
    "groovy.lang.",
    "groovy.util.",
    "java.awt.",
    "java.beans.",
    "java.io.",
    "java.net.",
    "java.rmi.",
    "java.security.",
    "javassist.",
    "javax.",
    "jdk.",
    "net.sf.",
    "ognl.",
    "oracle.jdbc",
    "org.codehaus.",
    "org.h2.",
    "org.hibernate.",
    "org.jboss.",
    "org.mozilla.javascript",
    "org.postgresql.",
    "sun.misc.",
    "sun.reflect.",
    "system.activities.",
    "system.codedom.",
    "system.configuration.",
    "system.diagnostics.",
    "system.io.",
    "system.management.",
    "system.security.",
    "system.web.",
    "system.windows.",
];
/// Names of the member that says to a library of JSON which class to make.
const TYPE_NAMES: &[&[u8]] =
    &[b"$type", b"@c", b"@class", b"@clazz", b"@type", b"__type", b"_class"];

/// Prefixes of serialized Java and .NET objects in base64 and hexadecimal, in lower case.
pub(super) const SERIALIZED: &[&[u8]] =
    &[b"ro0ab", b"aced0005", b"aaeaaad/", b"gasv", b"ganj", b"gajj", b"bahv", b"bahb"];
/// Prefixes of objects in base64, in lower case: pickle of protocol 4 and a class in 3 and 2; an object or an array
/// of Ruby's Marshal.
const PICKLED: &[&[u8]] = &[b"gasv", b"ganj", b"gajj", b"bahv", b"bahb"];

/// Whether a value begins like a serialized object, in upper or lower case. The first byte excludes most values.
pub(super) fn may_be_object(value: &[u8]) -> bool {
    const MIN_BYTES: usize = 13;
    let is_first =
        value.first().is_some_and(|byte| matches!(byte | 0x20, b'a' | b'b' | b'g' | b'r'));
    is_first
        && value.len() >= MIN_BYTES
        && SERIALIZED.iter().any(|head| value[..head.len()].eq_ignore_ascii_case(head))
}

/// An object, or a member that chooses a class.
pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    php_object(view).or_else(|| php_array(view)).or_else(|| native(view)).or_else(|| class(view))
}

/// `O:8:"stdClass":1:{`, also `O:+8:`: a serialized PHP object, at the start of a value or in an array.
fn php_object(view: &View<'_>) -> Option<Range<usize>> {
    if !view.mask.has(Mask::COLON) || !view.mask.has(Mask::QUOTE) {
        return None;
    }
    memchr::memmem::find_iter(view.low, b":\"").take(16).find_map(|quote| {
        let head = view.low[..quote].iter().rev().take(6);
        let digits = head.take_while(|byte| byte.is_ascii_digit()).count();
        // `O:+8:`: PHP reads a sign before the length.
        let sign = usize::from(digits > 0 && view.low[..quote - digits].ends_with(b"+"));
        let letter = (quote - digits - sign).checked_sub(2)?;
        let begins = letter == 0 || matches!(view.at(letter - 1), b';' | b'{' | b'|' | b'=' | b' ');
        if digits == 0
            || !matches!(view.at(letter), b'o' | b'c')
            || view.at(letter + 1) != b':'
            || !begins
        {
            return None;
        }
        // The name of the class, followed by the number of its members.
        let name = view.window(quote + 2, 96);
        let end = quote + 2 + memchr::memchr(b'"', name)?;
        (view.at(end + 1) == b':' && view.at(end + 2).is_ascii_digit()).then_some(letter..end + 1)
    })
}

/// `{"constructor": {"prototype": …`, `{"Object": {"prototype": …`: members shared by all objects.
pub(super) fn prototype(view: &View<'_>) -> Option<Range<usize>> {
    const NAME: &[u8] = b"\"prototype\"";
    memchr::memmem::find_iter(view.low, NAME).take(8).find_map(|at| {
        let mut end = at;
        for sign in [b'{', b':', b'"'] {
            end = view.before_blanks(end).checked_sub(1)?;
            if view.at(end) != sign {
                return None;
            }
        }
        let parent = view.word_before(end);
        matches!(parent, b"constructor" | b"object").then_some(end - parent.len()..at + NAME.len())
    })
}

/// A serialized PHP array that refers to one of its values, or holds `true` where a secret is compared: the keys
/// of sessions that some applications keep in cookies have neither.
fn php_array(view: &View<'_>) -> Option<Range<usize>> {
    const SECRETS: &[&[u8]] = &[b"user", b"pass", b"hash", b"hmac", b"token", b"secret"];
    let digits = view.window(2, 6).iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !view.starts(0, b"a:") || digits == 0 || !view.starts(2 + digits, b":{") {
        return None;
    }
    let body = view.window(2 + digits, 1024);
    view.spend(body.len() * 2);
    let refers = memchr::memmem::find_iter(body, b";r:").any(|at| {
        let number = body[at + 3..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        number > 0 && body.get(at + 3 + number) == Some(&b';')
    });
    let is_true = memchr::memmem::find_iter(body, b"\";b:1;").any(|at| {
        let name = body[..at].iter().rev().take_while(|byte| **byte != b'"').count();
        let name = &body[at - name..at];
        SECRETS.iter().any(|secret| memchr::memmem::find(name, secret).is_some())
    });
    (refers || is_true).then_some(0..2 + digits)
}

/// An object of Java, Python or Ruby in its own format, or in base64.
fn native(view: &View<'_>) -> Option<Range<usize>> {
    const MIN_BYTES: usize = 24;
    let is_raw = view.starts(0, &[0xAC, 0xED, 0, 5])
        || view.at(0) == 0x80
            && (2..=5).contains(&view.at(1))
            && matches!(view.at(2), 0x95 | b'c' | b'}' | b'(' | b']')
            && view.low.ends_with(b".");
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let is_base64 = || {
        PICKLED.iter().any(|head| view.starts(0, head))
            && view.low.len() >= MIN_BYTES
            && view.low.iter().any(u8::is_ascii_digit)
            && view.low.iter().all(is_digit)
    };
    (is_raw || is_base64()).then(|| 0..view.low.len().min(32))
}

/// `"@class": "java.net.URL"`, `["java.net.URL", …]`: a member that chooses a class of a library.
fn class(view: &View<'_>) -> Option<Range<usize>> {
    const MAX_BYTES: usize = 256;
    if !matches!(view.place, Place::Text | Place::Argument) || view.low.len() > MAX_BYTES {
        return None;
    }
    // Jackson also takes the class from the first element of an array.
    let dots = view.low.iter().filter(|byte| **byte == b'.').count();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._$".contains(byte);
    let is_element = view.place == Place::Text
        && view.name.is_empty()
        && dots >= 2
        && view.low.iter().all(is_name);
    view.spend(view.low.len());
    if !is_element && !TYPE_NAMES.contains(&view.name) || view.low.contains(&b'/') {
        return None;
    }
    let library = LIBRARIES.iter().find(|library| view.starts(0, library.as_bytes()))?;
    Some(0..library.len())
}
