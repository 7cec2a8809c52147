//! Server-side includes (`<!--#` and a directive) and edge-side includes (`<esi:` and a tag).

use std::ops::Range;

use api_sessions_values::View;

const DIRECTIVES: &[&[u8]] = &[
    b"block",
    b"config",
    b"echo",
    b"elif",
    b"else",
    b"endif",
    b"exec",
    b"flastmod",
    b"fsize",
    b"if",
    b"include",
    b"printenv",
    b"set",
];
const TAGS: &[&[u8]] = &[
    b"assign",
    b"attempt",
    b"choose",
    b"debug",
    b"eval",
    b"foreach",
    b"function",
    b"include",
    b"inline",
    b"remove",
    b"try",
    b"vars",
    b"when",
];

pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    view.each(b'<').find_map(|at| {
        let (start, list) = if view.starts(at, b"<!--") {
            let hash = view.behind_blanks(at + 4);
            (view.at(hash) == b'#').then(|| (view.behind_blanks(hash + 1), DIRECTIVES))?
        } else if view.starts(at, b"<esi:") {
            (at + 5, TAGS)
        } else if view.starts(at, b"<!--esi") {
            return Some(at..at + 7);
        } else {
            return None;
        };
        let word = view.word(start);
        list.contains(&word).then(|| at..start + word.len())
    })
}
