#![no_main]
//! Any text is a rule or an error; a rule says again what it was made of, and its scope is found by the automaton as
//! segment by segment.
mod common;
use api_sessions_extract::NoVariables;
use api_sessions_rules::{Rule, Scopes, from_directive, normalize};

const PATHS: [&str; 6] = ["/", "/a", "/a/b", "/login", "/a//b/../c", "/%61/*"];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(words) = from_directive(text) else { return };
    let rule = match Rule::new(words, &mut NoVariables) {
        Ok(rule) => rule,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let again = from_directive(&rule.to_string()).expect("a directive that is read again");
    assert_eq!(&again, rule.text());
    let again = Rule::new(again, &mut NoVariables).expect("the same rule");
    assert_eq!((again.id(), again.to_string()), (rule.id(), rule.to_string()));
    let scopes = Scopes::new(std::iter::once(&rule));
    let mut buffer = Vec::new();
    for (method, path) in ["GET", "POST", "X"].iter().flat_map(|m| PATHS.map(|path| (m, path))) {
        let path = normalize(path.as_bytes(), &mut buffer);
        let is_in = rule.on.as_ref().is_none_or(|scope| scope.matches(method.as_bytes(), path));
        assert_eq!(!scopes.matches(method.as_bytes(), path).is_empty(), is_in, "{rule}");
    }
});
