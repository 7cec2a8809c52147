//! What `promtool check metrics` looks at, in the text format of Prometheus (0.0.4).

use std::collections::BTreeSet;

/// Panics with what is wrong.
#[track_caller]
pub(crate) fn check(text: &str) {
    assert!(text.ends_with('\n'), "the last line has no end");
    let (mut names, mut described) = (BTreeSet::new(), None);
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(help) = line.strip_prefix("# HELP ") else {
            panic!("no HELP before {line:?}");
        };
        let (name, help) = help.split_once(' ').unwrap_or_else(|| panic!("no text: {line}"));
        assert!(!help.trim().is_empty() && !help.contains('\\'), "{line}");
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(
            name.chars().all(is_name) && !name.starts_with(|c: char| c.is_ascii_digit()),
            "{name}"
        );
        let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} ")));
        match kind {
            Some("counter") => assert!(name.ends_with("_total"), "counter {name} without _total"),
            Some("gauge") => assert!(!name.ends_with("_total"), "gauge {name} with _total"),
            other => panic!("type of {name}: {other:?}"),
        }
        // Base units, as Prometheus wants them.
        for unit in ["_ms", "_milliseconds", "_kb", "_kilobytes", "_minutes"] {
            assert!(!name.ends_with(unit), "{name}");
        }
        let mut samples = 0;
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let rest = sample.strip_prefix(name).unwrap_or_else(|| panic!("{sample} under {name}"));
            let value = match rest.strip_prefix('{') {
                Some(labels) => labels.split_once("} ").unwrap_or_else(|| panic!("{sample}")).1,
                None => rest.strip_prefix(' ').unwrap_or_else(|| panic!("{sample}")),
            };
            assert!(value.parse::<f64>().is_ok(), "{sample}");
            samples += 1;
        }
        assert!(samples > 0, "{name} has no value");
        described = Some(name.to_owned());
    }
    assert!(described.is_some(), "no metric at all");
}
