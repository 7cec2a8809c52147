//! Opaque cursors: the place of the last item of a page, as hex so that nothing needs escaping.

use super::StoreError;

/// Makes one of `kind` from its fields.
pub fn make(kind: &str, fields: &[&str]) -> String {
    let mut text = kind.to_owned();
    for field in fields {
        text.push('\0');
        text.push_str(field);
    }
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Longest cursor that is read.
const MAX: usize = 4096;

/// The fields of one of `kind`; `None`: it is none.
pub fn open(kind: &str, cursor: &str) -> Option<Vec<String>> {
    if cursor.len() > MAX || cursor.len() % 2 == 1 || !cursor.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> = (0..cursor.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(cursor.get(at..at + 2)?, 16).ok())
        .collect();
    let text = String::from_utf8(bytes?).ok()?;
    let mut fields = text.split('\0').map(str::to_owned);
    (fields.next()? == kind).then(|| fields.collect())
}

/// Hexadecimal digits of the stamp in front of a sealed cursor.
const STAMP: usize = 16;

/// Of which question a cursor is: one of another sort or filter would give a page that fits neither.
fn stamp(question: &str) -> String {
    let hash = blake3::hash(question.as_bytes());
    hash.to_hex().chars().take(STAMP).collect()
}

/// A store's cursor as clients get it: it goes with `question` alone.
pub fn seal(question: &str, cursor: &str) -> String {
    stamp(question) + cursor
}

/// The store's cursor in one that a client gave back.
///
/// # Errors
/// [`StoreError::Invalid`]: it is none, or of another question.
pub fn unseal(question: &str, sealed: &str) -> Result<String, StoreError> {
    sealed.strip_prefix(&*stamp(question)).map(str::to_owned).ok_or_else(wrong)
}

/// What is said of a cursor that is none.
pub fn wrong() -> StoreError {
    StoreError::Invalid(
        "cursor: not one that this list gave, with these filters and in this order".into(),
    )
}

/// What is said of a cursor after which too much has come to tell what its list was.
pub fn too_old() -> StoreError {
    StoreError::Invalid(
        "cursor: too many requests have come since its list began: ask for the list anew".into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_of_its_kind() {
        let cursor = make("s", &["-5", "a b"]);
        assert_eq!(open("s", &cursor), Some(vec!["-5".into(), "a b".into()]));
        assert_eq!(open("r", &cursor), None);
    }

    #[test]
    fn a_sealed_cursor_goes_with_its_question() {
        let sealed = seal("by time", "abc");
        assert_eq!(unseal("by time", &sealed).unwrap(), "abc");
        assert!(unseal("by size", &sealed).is_err() && unseal("by time", "abc").is_err());
    }

    proptest::proptest! {
        #[test]
        fn anything_else_is_none_and_no_panic(text in ".{0,40}") {
            let _ = open("s", &text);
        }
    }
}
