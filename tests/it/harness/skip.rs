//! Tests that cannot run on this machine.

use std::fs::OpenOptions;
use std::io::Write;

/// Reports that the current test cannot run here; the test returns after it.
///
/// The line also goes to the file that `API_SESSIONS_SKIPS` names. `scripts/test` prints that file at
/// its end and fails in CI if it is not empty, so that a skipped test never counts as passed.
pub(crate) fn skip(reason: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {reason}\n", thread.name().unwrap_or("a test"));
    eprint!("{line}");
    if let Some(path) = std::env::var_os("API_SESSIONS_SKIPS") {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .expect("the skip is written down");
    }
}
