//! The directives of the code, of the documentation, of the manual page and of the example are the same.

use std::collections::{BTreeMap, BTreeSet};
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

/// Crates that each crate depends on: `api-sessions-…` of its manifest, without tests and builds.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::from([("src".to_owned(), of_manifest("Cargo.toml"))]);
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    for entry in fs::read_dir(crates).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let of_crate = of_manifest(&format!("crates/{name}/Cargo.toml"));
        all.insert(name, of_crate);
    }
    all
}

fn of_manifest(path: &str) -> BTreeSet<String> {
    let manifest = read(path);
    let section = manifest.split("\n[").find_map(|section| section.strip_prefix("dependencies]\n"));
    let names =
        section.unwrap_or_default().lines().filter_map(|line| line.strip_prefix("api-sessions-"));
    names.filter_map(|line| line.split([' ', '.', '=']).next()).map(str::to_owned).collect()
}

/// Adds what is reached over others.
fn reached(edges: &BTreeMap<String, BTreeSet<String>>, from: &str, found: &mut BTreeSet<String>) {
    for to in edges.get(from).into_iter().flatten() {
        if found.insert(to.clone()) {
            reached(edges, to, found);
        }
    }
}

#[test]
fn the_drawing_of_dependencies_lacked_some() {
    let docs = read("docs/architecture.md");
    let drawing = docs.split("Dependencies go down only:\n\n```\n").nth(1).unwrap();
    let mut drawn: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in drawing.split("```").next().unwrap().lines() {
        let line = line.split(" (").next().unwrap();
        let steps: Vec<Vec<&str>> = line
            .split('→')
            .map(|step| {
                step.split(|c: char| " {},".contains(c)).filter(|name| !name.is_empty()).collect()
            })
            .collect();
        for pair in steps.windows(2) {
            for from in &pair[0] {
                let to = pair[1].iter().map(|name| (*name).to_owned());
                drawn.entry((*from).to_owned()).or_default().extend(to);
            }
        }
    }
    let dependencies = dependencies();
    assert!(dependencies["agent"].contains("protocol"), "{dependencies:?}");
    for (name, wanted) in dependencies {
        let mut found = BTreeSet::new();
        reached(&drawn, &name, &mut found);
        let lacking: Vec<_> = wanted.difference(&found).collect();
        assert!(lacking.is_empty(), "docs/architecture.md: {name} depends on {lacking:?}");
        assert!(!found.contains(&name), "{name} depends on itself");
    }
}
