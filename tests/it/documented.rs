//! The directives of the code, of the documentation, of the manual page and of the example are the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => sources(&path, found),
            Some(extension) if extension == "rs" => found.push(path),
            _ => {}
        }
    }
}

/// Names of directives and of variables in the code: `const NAME: &'static CStr = c"…";`, `Id = c"…" => id,`.
fn of_code() -> (BTreeSet<String>, BTreeSet<String>) {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let name = |line: &str| {
        let (name, rest) = line.split_once(" = c\"")?;
        let is_one = name.contains("const NAME: &'static CStr") || rest.contains("\" => ");
        is_one.then(|| rest.split('"').next().map(str::to_owned))?
    };
    let texts: Vec<_> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let names = texts.iter().flat_map(|text| text.lines().filter_map(name));
    let (variables, directives): (BTreeSet<_>, BTreeSet<_>) =
        names.partition(|name| name.starts_with("api_session_"));
    let registered = texts.iter().flat_map(|text| text.lines());
    let registered = registered.filter(|line| line.trim().starts_with("command::<")).count();
    assert_eq!(directives.len(), registered, "a directive is not in the table of commands");
    (directives, variables)
}

#[test]
fn every_directive_is_documented_and_in_the_manual_page_and_in_the_example() {
    let (code, variables) = of_code();
    assert!(code.contains("api_sessions") && code.len() > 20, "{code:?}");
    assert!(variables.contains("api_session_id"), "{variables:?}");
    let docs = read("docs/directives.md");
    let name = |row: &str| {
        let word = row.strip_prefix("| Syntax | `")?;
        Some(word.split([' ', ';', '`']).next()?.to_owned())
    };
    assert_eq!(docs.lines().filter_map(name).collect::<BTreeSet<_>>(), code);
    for directive in &code {
        assert!(docs.contains(&format!("\n## {directive}\n")), "no section: {directive}");
    }
    for variable in &variables {
        assert!(docs.contains(&format!("`${variable}`")), "not documented: ${variable}");
    }
    // The manual page is made of that file.
    assert!(read("scripts/packaging/debian/rules").contains("docs/directives.md"));
    let example = read("nginx-conf/full.conf");
    let is_there = |directive: &str| {
        let mut words = example.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        words.any(|word| word == directive)
    };
    let missing: Vec<_> = code.iter().filter(|directive| !is_there(directive)).collect();
    assert!(missing.is_empty(), "nginx-conf/full.conf lacks {missing:?}");
}
