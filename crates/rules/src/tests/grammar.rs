use std::collections::HashMap;

use api_sessions_extract::NoVariables;
use serde_json::json;

use crate::{Rule, default_pack, from_directive, from_json, parse_all};

fn parse(text: &str) -> Result<Rule, String> {
    let text = from_directive(text).map_err(|error| error.to_string())?;
    Rule::new(text, &mut NoVariables).map_err(|error| error.to_string())
}

#[test]
fn a_directive_and_an_object_survive_each_other() {
    for text in [
        "session_rule login on=POST:/login when=status=401 over=10/10m then=deny:10m mode=enforce;",
        "session_rule a on=GET,HEAD:/orders/*/** over=10/1h;",
        r#"session_rule b "when=status=401,403;user=present" count=distinct:user over=20/1h per=ip;"#,
        r#"session_rule c when=response.body.json.ok=false over=3/1m;"#,
        r#"session_rule d "when=request.header.x~^\\d+ a" over=3/1m then=mark,limit:10r/m;"#,
        r#"session_rule e "when=request.body.json[\"a=b\\;c\"]=1" over=3/1m;"#,
        "session_rule f count=bytes_out over=200m/1h;",
        "session_rule g count=time_ms over=30s/1m per=session+endpoint mode=off;",
    ] {
        let rule = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(rule.to_string(), text);
        let object = serde_json::to_value(rule.text()).unwrap();
        assert_eq!(&from_json(&object).unwrap(), rule.text(), "{object}");
        assert_eq!(parse(&rule.to_string()).unwrap().text(), rule.text());
    }
}

#[test]
fn what_is_wrong_is_named_with_what_would_be_accepted() {
    for (words, said) in [
        ("", "a name is missing"),
        ("a", "\"over=N/TIME\" is missing"),
        ("a.b over=1/1m", "invalid name \"a.b\": 1 to 64"),
        ("a over=1", "invalid parameter \"over=1\": a threshold and a time"),
        ("a over=x/1m", "\"over=x/1m\""),
        ("a over=1/10ms", "1s to 30d"),
        ("a over=1/1m over=2/1m", "\"over=2/1m\" is duplicate"),
        ("a over=1/1m foo=1", "invalid parameter \"foo=1\": \"on=\", \"when=\""),
        ("a over=1/1m on=login", "invalid parameter \"on=login\""),
        ("a over=1/1m on=post:/login", "a method in capital letters"),
        ("a over=1/1m on=/a*", "\"*\" for a whole segment"),
        ("a over=1/1m when=status=4x", "invalid condition \"status=4x\""),
        ("a over=1/1m when=status=600", "invalid condition \"status=600\""),
        ("a over=1/1m when=source=foo", "invalid condition \"source=foo\""),
        ("a over=1/1m when=user=yes", "\"present\" or \"absent\""),
        ("a over=1/1m when=request.cookies.x=1", "request.cookies.x"),
        ("a over=1/1m when=status", "invalid condition \"status\""),
        (r"a over=1/1m when=request.ip~(a)\1", "look-around and back-references"),
        (r"a over=1/1m when=request.ip~", "a regular expression after \"~\""),
        (r"a over=1/1m when=request.ip~(", "a valid regular expression"),
        ("a over=1/1m when=request.ip==1", "one \"=\""),
        ("a over=1/1m on=/a%2Fb", "percent-decoded"),
        ("a over=1/1m count=distinct:", "\"count=distinct:\": a point is empty"),
        ("a over=1/1m when=$foo=1", "NGINX variables are not accepted here"),
        ("a over=1/1m count=foo", "invalid parameter \"count=foo\""),
        ("a over=301/1m count=distinct:path", "up to 300 distinct values"),
        ("a over=1/1m per=foo", "invalid parameter \"per=foo\""),
        ("a over=1/1m then=block", "invalid parameter \"then=block\""),
        ("a over=1/1m then=deny", "invalid parameter \"deny\": a time of 1s to 365d"),
        ("a over=1/1m then=limit:10", "invalid parameter \"limit:10\": a rate"),
        ("a over=1/1m then=mark,mark", "\"mark\" is duplicate"),
        ("a over=1/1m mode=on", "invalid parameter \"mode=on\""),
        ("a over=1/1m fleet=on", "\"fleet=on\" is not supported yet"),
        ("a over=1/1m \"when=x", "a quote is not closed"),
        ("a over=1/1m when=\"status=401\"", "quotes must enclose the whole word"),
        ("a over=1/1m when='status=401 x'", "as in \"when=value\""),
        ("a over=1/1m; session_rule", "behind \";\""),
    ] {
        let error = parse(words).unwrap_err();
        assert!(error.contains(said), "{words}: {error}");
    }
}

#[test]
fn a_user_whom_anybody_can_name_is_never_refused() {
    for then in ["deny:10m", "mark,deny_ip:1h", "limit:1r/m"] {
        let error = parse(&format!("a over=1/1m per=user then={then}")).unwrap_err();
        assert!(error.contains("lock that user out"), "{then}: {error}");
    }
    assert!(parse("a over=1/1m per=user then=mark").is_ok());
}

#[test]
fn an_object_has_no_other_members() {
    for (object, said) in [
        (json!({"name": "a", "over": "1/1m", "foo": "x"}), "invalid parameter \"foo\""),
        (json!({"name": "a", "over": 7}), "invalid parameter \"over\": a string"),
        (json!({"over": "1/1m"}), "a name is missing"),
        (json!([]), "an object"),
    ] {
        let error = from_json(&object).unwrap_err().to_string();
        assert!(error.contains(said), "{object}: {error}");
    }
    assert!(from_json(&json!({"name": "a", "over": "1/1m", "when": null})).is_ok());
}

#[test]
fn the_default_pack_is_valid_and_only_monitors() {
    let rules = parse_all(&default_pack(), &mut NoVariables).unwrap();
    assert_eq!(rules.len(), 9);
    assert!(rules.iter().all(|rule| !rule.enforces()));
}

#[test]
fn a_bad_rule_names_itself_and_duplicates_are_refused() {
    let one = from_directive("a over=1/1m").unwrap();
    let bad = from_directive("b over=1").unwrap();
    let error = parse_all(&[one.clone(), bad], &mut NoVariables).unwrap_err().to_string();
    assert!(error.starts_with("rule \"b\": invalid parameter"), "{error}");
    let error = parse_all(&[one.clone(), one], &mut NoVariables).unwrap_err().to_string();
    assert!(error.contains("duplicate"), "{error}");
}

#[test]
fn what_is_counted_makes_the_id_and_reactions_do_not() {
    let id = |text: &str| parse(text).unwrap().id();
    let mut seen = HashMap::new();
    for text in [
        "a over=1/1m",
        "b over=1/1m",
        "a over=2/1m",
        "a over=1/1m on=/x",
        "a over=1/1m when=status=401",
        "a over=1/1m per=ip",
        "a over=1/1m count=distinct:path",
    ] {
        assert_eq!(seen.insert(id(text), text), None, "{text}");
    }
    assert_eq!(id("a over=1/1m"), id("a over=1/1m then=deny:1m mode=enforce"));
}
