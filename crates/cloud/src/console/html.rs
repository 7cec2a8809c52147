//! What all pages have around them, and how values are written.

use maud::{DOCTYPE, Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use super::Viewer;

/// Pages of the menu: address and name.
const MENU: [(&str, &str); 4] = [
    ("/", "Sessions"),
    ("/denylist", "Denylist"),
    ("/parameters", "Parameters"),
    ("/nodes", "Nodes"),
];

/// A page of the Console; what is put into it is text unless it is markup already. `at` is the page's
/// place in the menu.
pub(super) fn page(title: &str, at: &str, viewer: Viewer, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – API Sessions" }
                link rel="stylesheet" href="/style.css";
                script src="/app.js" defer {}
            }
            body {
                a.skip href="#content" { "To the content" }
                header {
                    strong { "API Sessions" }
                    nav aria-label="Main" {
                        @for (address, name) in MENU {
                            a href=(address) aria-current=[(address == at).then_some("page")] { (name) }
                        }
                    }
                    form.out method="post" action="/logout" {
                        @if !viewer.is_admin { span.quiet { "read only " } }
                        button.plain { "Log out" }
                    }
                }
                main #content { (content) }
            }
        }
    }
}

/// That days are missing from what is shown, where some are.
pub(super) fn incomplete(days: &[String]) -> Markup {
    html! {
        @if !days.is_empty() {
            p.notice.bad { "Not complete: what is kept of " (days.join(", ")) " (UTC) cannot be read, or not all of it." }
        }
    }
}

/// A moment, to the second; milliseconds since 1970.
pub(super) fn time(ts: u64) -> String {
    let text = api_sessions_store::clock::rfc3339(ts);
    text.get(..19).map_or(text.clone(), |seconds| seconds.replace('T', " "))
}

/// How long something took, in words that fit a table.
pub(super) fn duration(ms: u64) -> String {
    match ms / 1000 {
        0 => format!("{ms} ms"),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Bytes, in words that fit a table.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        10_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

/// A text of an attacker's choice as it may stand in a page: what would not be seen, or would turn what
/// is around it, is written out (Unicode control and bidirectional formatting characters).
pub(super) fn visible(text: &str) -> String {
    let is_hidden = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{061c}')
    };
    if !text.contains(is_hidden) {
        return text.to_owned();
    }
    text.chars().fold(String::with_capacity(text.len() + 16), |mut out, c| {
        if is_hidden(c) {
            out.push_str(&format!("\u{27e8}U+{:04X}\u{27e9}", c as u32));
        } else {
            out.push(c);
        }
        out
    })
}

/// As [`visible`], at most that many characters.
pub(super) fn short(text: &str, most: usize) -> String {
    let mut visible = visible(text);
    if let Some((at, _)) = visible.char_indices().nth(most) {
        visible.truncate(at);
        visible.push('…');
    }
    visible
}

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes `text` for a path segment or a query string.
pub(super) fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, &RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_hide_or_turn_text_is_written_out() {
        assert_eq!(visible("plain é\n"), "plain é\n");
        assert_eq!(visible("a\u{202e}b\0"), "a⟨U+202E⟩b⟨U+0000⟩");
        assert_eq!(short("abcdef", 3), "abc…");
        assert_eq!(encoded("a b&ü").to_string(), "a%20b%26%C3%BC");
    }

    #[test]
    fn times_and_sizes_fit_a_table() {
        assert_eq!(
            [duration(5), duration(65_000), duration(3_600_000), duration(90_000_000)],
            ["5 ms", "65 s", "60 min", "25 h"]
        );
        assert_eq!([size(9_999), size(10_000), size(12_345_678)], ["9999 B", "10 kB", "12 MB"]);
    }
}
