//! An entry's applications, reason and author, as words of the text heap.
//!
//! With applications, the text starts with their number and a hash of each, for lookups. Reason, author and
//! applications follow, each with a zero byte at the end.

use api_sessions_protocol::DenyEntry;
use api_sessions_protocol::limits::{DENY_APPLICATION_BYTES, DENY_APPLICATIONS, DENY_REASON_BYTES};

use crate::limits::DENY_AUTHOR_BYTES;

/// Words of 8 bytes of the longest text.
pub(super) const WORDS: usize = (8
    + DENY_APPLICATIONS * 8
    + DENY_APPLICATION_BYTES
    + DENY_APPLICATIONS
    + DENY_REASON_BYTES
    + DENY_AUTHOR_BYTES
    + 2)
.div_ceil(8);

/// A copy of a text outside the heap.
pub(super) struct Text {
    words: [u64; WORDS],
    bytes: usize,
    /// The text starts with the number and the hashes of applications.
    pub(super) has_applications: bool,
}

impl Text {
    /// The text of `entry`; without reason and author unless `complete`. `None`: there are too many applications, or
    /// their names are too long.
    pub(super) fn new(
        entry: &DenyEntry,
        complete: bool,
        hash: impl Fn(&[u8]) -> u64,
    ) -> Option<Self> {
        let applications = &entry.applications;
        let bytes: usize = applications.iter().map(String::len).sum();
        if applications.len() > DENY_APPLICATIONS || bytes > DENY_APPLICATION_BYTES {
            return None;
        }
        let has_applications = !applications.is_empty();
        let mut text = Self { words: [0; WORDS], bytes: 0, has_applications };
        if has_applications {
            text.push(&(applications.len() as u64).to_ne_bytes());
            for name in applications {
                text.push(&hash(name.as_bytes()).to_ne_bytes());
            }
        }
        let (reason, by) = if complete { (&entry.reason, &entry.by) } else { (&None, &None) };
        if has_applications || reason.is_some() || by.is_some() {
            text.push_text(reason.as_deref().unwrap_or(""), DENY_REASON_BYTES);
            text.push_text(by.as_deref().unwrap_or(""), DENY_AUTHOR_BYTES);
            for name in applications {
                text.push_text(name, DENY_APPLICATION_BYTES);
            }
        }
        Some(text)
    }

    /// A text read from the heap.
    pub(super) fn from_words(words: impl Iterator<Item = u64>, bytes: usize, apps: bool) -> Self {
        let mut text = Self { words: [0; WORDS], bytes, has_applications: apps };
        text.words.iter_mut().zip(words).for_each(|(to, from)| *to = from);
        text
    }

    /// Length in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// The words in the heap.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.words.iter().copied().take(self.bytes.div_ceil(8))
    }

    /// Sets reason, author and applications of `entry`.
    pub(super) fn write_to(&self, entry: &mut DenyEntry) {
        let bytes: Vec<u8> = self.words().flat_map(u64::to_ne_bytes).take(self.bytes).collect();
        let hashes = if self.has_applications { 8 + 8 * self.words[0] as usize } else { 0 };
        let mut texts = bytes.get(hashes..).unwrap_or_default().split(|byte| *byte == 0);
        let mut next = || texts.next().map(|text| String::from_utf8_lossy(text).into_owned());
        entry.reason = next().filter(|text| !text.is_empty());
        entry.by = next().filter(|text| !text.is_empty());
        if self.has_applications {
            entry.applications.extend((0..self.words[0]).map_while(|_| next()));
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(word) = self.words.get_mut(self.bytes / 8) {
                let mut bytes = word.to_ne_bytes();
                bytes[self.bytes % 8] = *byte;
                *word = u64::from_ne_bytes(bytes);
                self.bytes += 1;
            }
        }
    }

    /// Appends whole characters, `longest` bytes at most. A zero byte would end the text and becomes a space.
    fn push_text(&mut self, text: &str, longest: usize) {
        let end = (0..=longest.min(text.len())).rfind(|at| text.is_char_boundary(*at)).unwrap_or(0);
        for byte in text.bytes().take(end) {
            self.push(&[if byte == 0 { b' ' } else { byte }]);
        }
        self.push(&[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(entry: &DenyEntry, complete: bool) -> DenyEntry {
        let text = Text::new(entry, complete, |_| 7).unwrap();
        let copy = Text::from_words(text.words(), text.len(), text.has_applications);
        let mut read = DenyEntry::default();
        copy.write_to(&mut read);
        read
    }

    #[test]
    fn texts_survive_the_heap() {
        let entry = DenyEntry {
            applications: vec!["shop".into(), "".into(), "api".into()],
            reason: Some("credential stuffing, see T-1".into()),
            by: Some("anna".into()),
            ..DenyEntry::default()
        };
        assert_eq!(round_trip(&entry, true), entry);
        let expected = DenyEntry { reason: None, by: None, ..entry.clone() };
        assert_eq!(round_trip(&entry, false), expected);
        assert_eq!(Text::new(&DenyEntry::default(), true, |_| 7).unwrap().len(), 0);
    }

    #[test]
    fn long_texts_are_truncated_to_whole_characters_and_the_longest_fits() {
        let entry = DenyEntry {
            applications: vec![
                "a".repeat(DENY_APPLICATION_BYTES / DENY_APPLICATIONS);
                DENY_APPLICATIONS
            ],
            reason: Some("é".repeat(200) + "\0"),
            by: Some("b".repeat(100)),
            ..DenyEntry::default()
        };
        let read = round_trip(&entry, true);
        assert_eq!(read.applications, entry.applications);
        assert_eq!(read.reason, Some("é".repeat(DENY_REASON_BYTES / 2)));
        assert_eq!(read.by, Some("b".repeat(DENY_AUTHOR_BYTES)));
        let many = DenyEntry { applications: vec!["a".into(); 17], ..DenyEntry::default() };
        assert!(Text::new(&many, true, |_| 7).is_none());
    }
}
