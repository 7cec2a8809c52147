//! The rule editor: a form and the directive's text, which are kept in step.

use api_sessions_cloud_api::trial::Trial;
use api_sessions_extract::NoVariables;
use api_sessions_protocol::SessionRule;
use api_sessions_rules::{Rule, from_directive};
use maud::{Markup, html};
use serde::Deserialize;

use super::Viewer;
use super::html::{moment, short, visible};
use super::links::session_link;

const PERIODS: [(&str, &str); 3] =
    [("1", "the last day"), ("7", "the last 7 days"), ("31", "all that is kept")];
const PER: [(&str, &str); 5] = [
    ("", "session"),
    ("user", "user"),
    ("ip", "address"),
    ("ja4", "JA4"),
    ("session+endpoint", "session and endpoint"),
];
const COUNTS: [&str; 10] = [
    "requests",
    "attacks",
    "bytes_in",
    "bytes_out",
    "time_ms",
    "distinct:path",
    "distinct:endpoint",
    "distinct:user",
    "distinct:session",
    "distinct:request.body.json.username",
];
const REACTIONS: [&str; 4] = ["mark", "deny:10m", "deny_ip:10m", "limit:10r/m"];
/// Text fields: name, label, example.
const WORDS: [(&str, &str, &str); 3] = [
    ("on", "Methods and path", "POST:/login"),
    ("when", "Conditions", "status=401,403;user=present"),
    ("over", "Threshold / time", "10/5m"),
];

/// Modes: word, label.
pub(super) const MODES: [(&str, &str); 3] =
    [("off", "Off"), ("monitor", "Monitor"), ("enforce", "Enforce")];

/// The fields that the editor posts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EditorForm {
    original: String,
    name: String,
    on: String,
    when: String,
    count: String,
    over: String,
    per: String,
    then: String,
    mode: String,
    /// The directive's text now, and when the page was rendered.
    directive: String,
    was: String,
    /// Number of days to try the rule on.
    pub(super) days: String,
    /// `try`, or empty: update the form from the directive's text or the reverse.
    pub(super) action: String,
    /// Whether only the editor is requested, not the page.
    pub(super) part: String,
}

/// The content of the editor.
#[derive(Debug, Default)]
pub(super) struct Editor {
    /// Name under which the rule is stored; empty if it is new.
    pub(super) original: String,
    pub(super) rule: SessionRule,
    directive: String,
    pub(super) error: Option<String>,
    days: String,
    pub(super) trial: Option<Trial>,
}

impl Editor {
    /// A stored rule.
    pub(super) fn of(rule: &SessionRule) -> Editor {
        Editor {
            original: rule.name.clone(),
            rule: rule.clone(),
            directive: directive(rule),
            ..Editor::default()
        }
    }

    /// From what was posted: the side that was changed determines the other.
    pub(super) fn posted(form: &EditorForm) -> Editor {
        let given = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let fields = || SessionRule {
            name: form.name.trim().to_owned(),
            on: given(&form.on),
            when: given(&form.when),
            count: given(&form.count),
            over: form.over.trim().to_owned(),
            per: given(&form.per),
            then: given(&form.then),
            mode: given(&form.mode),
            fleet: None,
        };
        let rule = match form.directive.trim() == form.was.trim() {
            true => Ok(fields()),
            false => from_directive(&form.directive),
        };
        let mut editor = Editor {
            original: form.original.clone(),
            directive: form.directive.clone(),
            days: form.days.clone(),
            ..Editor::default()
        };
        let compiled = match rule {
            Ok(rule) => {
                editor.rule = rule.clone();
                Rule::new(rule, &mut NoVariables)
            }
            Err(error) => {
                editor.rule = fields();
                Err(error)
            }
        };
        match compiled {
            Ok(rule) => editor.directive = rule.to_string(),
            Err(error) => editor.error = Some(error.to_string()),
        }
        editor
    }
}

/// A rule as written in nginx.conf; only the name if this version cannot parse it.
pub(super) fn directive(rule: &SessionRule) -> String {
    match Rule::new(rule.clone(), &mut NoVariables) {
        Ok(rule) => rule.to_string(),
        Err(_) => format!("session_rule {} …", rule.name),
    }
}

/// Renders the editor, with the result of a trial.
pub(super) fn draw(editor: &Editor, viewer: &Viewer) -> Markup {
    let Editor { original, rule, directive, error, .. } = editor;
    let text = |word: &Option<String>| word.clone().unwrap_or_default();
    let value = |name: &str| match name {
        "on" => text(&rule.on),
        "when" => text(&rule.when),
        _ => rule.over.clone(),
    };
    let is_new = original.is_empty();
    html! {
        form #editor.card data-rule method="post" action=(viewer.link("/rules/editor")) {
            h2 { @if is_new { "New rule" } @else { "Edit " (short(original, 64)) } }
            input type="hidden" name="original" value=(original);
            input type="hidden" name="was" value=(directive);
            div.editor {
                div.fields {
                    label { "Name" input name="name" value=(rule.name) maxlength="64" placeholder="login-failures"; }
                    @for (name, label, example) in WORDS { label { (label) input.point name=(name) value=(value(name)) placeholder=(example); } }
                    label { "Count" input.point name="count" list="rule-counts" value=(text(&rule.count)) placeholder="requests"; }
                    label { "Per" select name="per" { @for (value, label) in PER { option value=(value) selected[rule.per.as_deref().unwrap_or_default() == value || (value.is_empty() && rule.per.as_deref() == Some("session"))] { (label) } } } }
                    label { "Then" input.point name="then" list="rule-reactions" value=(text(&rule.then)) placeholder="mark"; }
                    label { "Mode" select name="mode" { @for (value, label) in MODES { option value=(value) selected[rule.mode.as_deref().unwrap_or("monitor") == value] { (label) } } } }
                    datalist id="rule-counts" { @for count in COUNTS { option value=(count); } }
                    datalist id="rule-reactions" { @for reaction in REACTIONS { option value=(reaction); } }
                }
                label.directive { "As a directive of nginx.conf"
                    textarea name="directive" rows="8" maxlength="8192" spellcheck="false" { (directive) } }
            }
            p.bad data-error aria-live="polite" { @if let Some(error) = error { (visible(error)) } }
            p.actions {
                button.plain data-follow { "Update the other side" } " "
                button.plain name="action" value="try" data-try { "Try it" }
                " on " select name="days" aria-label="Period to try" { @for (days, label) in PERIODS { option value=(days) selected[editor.days == days || (editor.days.is_empty() && days == "7")] { (label) } } } " "
                @if viewer.is_admin { button formaction=(viewer.link("/rules")) data-save { @if is_new { "Add for all nodes" } @else { "Save for all nodes" } } }
                @if !is_new { " " a href=(viewer.link("/rules")) { "Cancel" } }
            }
            output data-result aria-live="polite" { @if let Some(trial) = &editor.trial { (result(trial, viewer)) } }
        }
    }
}

fn result(trial: &Trial, viewer: &Viewer) -> Markup {
    html! {
        h3 { "What it would have done" }
        p { "Of " (trial.requests) " stored requests it counts " (trial.counted) ", of " (trial.subjects) @if trial.subjects == 1 { " subject. " } @else { " subjects. " }
            @if trial.fired_subjects == 0 { strong.good { "It would not have fired." } }
            @else { strong.bad { "It would have fired for " (trial.fired_subjects) "." } } }
        @for text in &trial.incomplete { p.notice.bad { "Incomplete: " (short(text, 400)) } }
        @if let Some(suggested) = &trial.suggested {
            p { "Highest count of a subject in a window: half have at most " strong { (suggested.p50) } ", 90 % at most " strong { (suggested.p90) }
                ", 99.9 % at most " strong { (suggested.p99_9) } ". Suggested threshold: " strong { (suggested.threshold) } " "
                button.plain type="button" hidden data-threshold=(suggested.threshold) { "Use " (suggested.threshold) }
                @if trial.subjects < 1000 { br; span.quiet { "Of fewer than 1,000 subjects it is the highest count: with it, the rule fires for none of them." } } }
        }
        @if !trial.fired.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Subjects for which it would have fired" { table {
                thead { tr { th { "Subject" } th.number { "Highest count" } th { "First (UTC)" } th { "Sessions" } } }
                tbody { @for fired in trial.fired.iter().take(100) { tr {
                    td { code { (short(&fired.subject, 80)) } }
                    td.number { (fired.count) }
                    td.time { (moment(fired.first_ts)) }
                    td { @for session in fired.sessions.iter().take(5) { (session_link(session, viewer)) " " }
                        @if fired.sessions.len() > 5 { span.quiet { "+" (fired.sessions.len() - 5) " more" } } }
                } } }
            } }
            @if trial.fired_subjects > 100 { p.quiet { "+" (trial.fired_subjects - 100) " more; " code { "POST /v1/rules/try" } " lists up to 500." } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(directive: &str, was: &str) -> EditorForm {
        EditorForm {
            name: "a".into(),
            on: " POST:/login ".into(),
            over: "10/5m".into(),
            directive: directive.into(),
            was: was.into(),
            ..EditorForm::default()
        }
    }

    #[test]
    fn the_directive_follows_the_form() {
        let editor =
            Editor::posted(&form("session_rule old over=1/1m;", "session_rule old over=1/1m;"));
        assert_eq!(editor.directive, "session_rule a on=POST:/login over=10/5m;");
        assert_eq!(editor.error, None);
    }

    #[test]
    fn the_form_follows_the_directive() {
        let text = "session_rule b \"when=status=401;user=absent\" over=3/1m per=ip then=deny_ip:5m mode=enforce;";
        let editor = Editor::posted(&form(text, ""));
        assert_eq!((editor.rule.name.as_str(), editor.rule.per.as_deref()), ("b", Some("ip")));
        assert_eq!(editor.rule.when.as_deref(), Some("status=401;user=absent"));
        assert_eq!(editor.rule.on, None, "the form's own words are those of before");
        assert_eq!(editor.directive, text);
    }

    #[test]
    fn what_is_wrong_stays_as_it_was_typed() {
        let editor = Editor::posted(&form("session_rule b over=3", ""));
        assert_eq!(editor.directive, "session_rule b over=3");
        assert!(editor.error.unwrap().contains("over=3"));
    }
}
