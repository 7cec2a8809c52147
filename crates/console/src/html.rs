//! The frame of all pages, and the formatting of values.

use maud::{DOCTYPE, Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use super::Viewer;
use api_sessions_cloud_config::site::Site;

/// Menu: path and label.
const MENU: &[(&str, &str)] = &[
    ("/", "Sessions"),
    ("/users", "Users"),
    ("/endpoints", "Endpoints"),
    ("/denylist", "Denylist"),
    ("/rules", "Rules"),
    ("/keys", "Keys"),
    ("/parameters", "Parameters"),
    ("/nodes", "Nodes"),
];

/// The `<head>` of every page.
pub(super) fn head(title: &str, site: &Site) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        title { (title) " – API Sessions" }
        link rel="icon" type="image/svg+xml" href=(site.link("/favicon.svg"));
        link rel="stylesheet" href=(site.link("/style.css"));
    }
}

/// A page of the Console. `at` is the menu item that it belongs to.
pub(super) fn page(title: &str, at: &str, viewer: &Viewer, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (head(title, &viewer.site))
                script src=(viewer.link("/app.js")) defer {}
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header {
                    strong { "API Sessions" }
                    nav aria-label="Main" {
                        @for (address, name) in MENU {
                            a href=(viewer.link(address)) aria-current=[(*address == at).then_some("page")] { (name) }
                        }
                    }
                    form.out method="post" action=(viewer.link("/logout")) {
                        @if !viewer.is_admin { span.quiet { "read only " } }
                        button.plain { "Log out" }
                    }
                }
                main #content { (content) }
            }
        }
    }
}

/// A warning that data of these days may be missing from the page.
pub(super) fn incomplete(days: &[String]) -> Markup {
    html! {
        @if !days.is_empty() {
            p.notice.bad { "Incomplete: " (days.join(", ")) " (UTC) could not be read completely." }
        }
    }
}

/// Formats milliseconds since 1970, to the second.
pub(super) fn time(ts: u64) -> String {
    let text = api_sessions_store::clock::rfc3339(ts);
    text.get(..19).map_or(text.clone(), |seconds| seconds.replace('T', " "))
}

/// A time to the second, which the script shows in the reader's zone. Its heading says "(UTC)".
pub(super) fn moment(ts: u64) -> Markup {
    html! { time datetime=(api_sessions_store::clock::rfc3339(ts)) { (time(ts)) } }
}

/// An abbreviated number, with the exact one on hover.
pub(super) fn number(number: u64) -> Markup {
    html! { @if number < 1000 { (number) } @else { span title=(number) { (abbreviated(number)) } } }
}

/// Formats a duration for a table cell.
pub(super) fn duration(ms: u64) -> String {
    match ms / 1000 {
        0 => format!("{ms} ms"),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Formats a number in at most four characters and a letter: `950`, `1.2k`, `34M`.
pub(super) fn abbreviated(number: u64) -> String {
    let (unit, letter) = match number {
        0..1000 => return number.to_string(),
        1000..1_000_000 => (1000, "k"),
        1_000_000..1_000_000_000 => (1_000_000, "M"),
        _ => (1_000_000_000, "G"),
    };
    // Truncated, not rounded: 999,999 is not a million yet.
    let (whole, tenth) = (number / unit, number % unit * 10 / unit);
    if whole < 10 && tenth > 0 {
        format!("{whole}.{tenth}{letter}")
    } else {
        format!("{whole}{letter}")
    }
}

/// Formats a number of bytes for a table cell.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        10_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

/// Makes text chosen by an attacker safe to read: writes out control and bidirectional formatting characters,
/// which are invisible or reorder the text around them.
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

/// Like [`visible`], truncated to `max` characters.
pub(super) fn short(text: &str, max: usize) -> String {
    let mut visible = visible(text);
    if let Some((at, _)) = visible.char_indices().nth(max) {
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
    fn invisible_and_bidirectional_characters_are_written_out() {
        assert_eq!(visible("plain é\n"), "plain é\n");
        assert_eq!(visible("a\u{202e}b\0"), "a⟨U+202E⟩b⟨U+0000⟩");
        assert_eq!(short("abcdef", 3), "abc…");
        let numbers = [999, 1000, 1250, 34_567, 999_999, 5_000_000].map(abbreviated);
        assert_eq!(numbers, ["999", "1k", "1.2k", "34k", "999k", "5M"]);
        assert_eq!(number(999).into_string(), "999");
        assert_eq!(number(34_567).into_string(), "<span title=\"34567\">34k</span>");
        assert_eq!(encoded("a b&ü").to_string(), "a%20b%26%C3%BC");
    }

    #[test]
    fn durations_and_sizes_are_short() {
        assert_eq!(
            [duration(5), duration(65_000), duration(3_600_000), duration(90_000_000)],
            ["5 ms", "65 s", "60 min", "25 h"]
        );
        assert_eq!([size(9_999), size(10_000), size(12_345_678)], ["9999 B", "10 kB", "12 MB"]);
    }
}
