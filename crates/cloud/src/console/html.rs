//! What all pages have around them.

use maud::{DOCTYPE, Markup, html};

/// A page of the Console; what is put into it is text unless it is markup already.
pub(super) fn page(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – API Sessions" }
                link rel="stylesheet" href="/style.css";
            }
            body {
                header {
                    strong { "API Sessions" }
                    nav { a href="/" { "Sessions" } }
                    a href="/logout" { "Log out" }
                }
                main { (content) }
            }
        }
    }
}

/// A moment, to the second; milliseconds since 1970.
pub(super) fn time(ts: u64) -> String {
    let text = crate::clock::rfc3339(ts);
    text.get(..19).map_or(text.clone(), |seconds| seconds.replace('T', " "))
}

/// How long something took, in words that fit a table.
pub(super) fn duration(ms: u64) -> String {
    match ms / 1000 {
        0 => format!("{ms} ms"),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}
