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

/// What is said of a cursor that is none.
pub fn wrong() -> StoreError {
    StoreError::Invalid("cursor: not one that this list gave".into())
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

    proptest::proptest! {
        #[test]
        fn anything_else_is_none_and_no_panic(text in ".{0,40}") {
            let _ = open("s", &text);
        }
    }
}
