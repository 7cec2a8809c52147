//! Session rules: the list with hits and refusals, the sessions of a rule, and the default pack.

use api_sessions_cloud_api::api::rules::hits::{Hits, RawHitsQuery, RuleHits, hits};
use api_sessions_cloud_api::api::rules::replace;
use api_sessions_cloud_api::api::rules::trial::try_rule;
use api_sessions_cloud_api::auth::Identity;
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::extractors::{Form, Query};
use api_sessions_cloud_api::state::AppState;
use api_sessions_protocol::SessionRule;
use api_sessions_rules::default_pack;
use api_sessions_store::clock::now_ms;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::Viewer;
use super::html::{encoded, incomplete, moment, page, short};
use super::links::session_link;
use super::rule_editor::{self, Editor, EditorForm, MODES, directive};

/// Query string of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RulesQuery {
    /// Name of the rule in the editor.
    edit: String,
    /// Name of the rule whose sessions are shown.
    rule: String,
}

/// Renders the page.
pub async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    Query(query): Query<RulesQuery>,
) -> Result<Markup, AppError> {
    let rules = state.read(|store| store.rules()).await?;
    let edited = rules.iter().find(|rule| rule.name == query.edit);
    let editor = edited.map_or_else(Editor::default, Editor::of);
    draw(&state, &viewer, &rules, &editor, &query.rule).await
}

/// Renders the page with this content in its editor.
pub(super) async fn draw(
    state: &AppState,
    viewer: &Viewer,
    rules: &[SessionRule],
    editor: &Editor,
    sessions_of: &str,
) -> Result<Markup, AppError> {
    let found = hits(state, RawHitsQuery::default()).await?;
    let of_rule = match sessions_of.is_empty() {
        true => None,
        false => {
            let query = RawHitsQuery { rule: sessions_of.to_owned(), ..RawHitsQuery::default() };
            Some(hits(state, query).await?)
        }
    };
    Ok(page(
        "Rules",
        "/rules",
        viewer,
        &html! {
            h1 { "Session rules" }
            p { "Nodes with " code { "sync=on" } " count each finished request and act from the next one on. Rules of a node's own nginx.conf come first. "
                "A rule in " em { "monitor" } " mode only counts and records; it refuses nobody." }
            (incomplete(&found.incomplete))
            (list(rules, &found, viewer))
            @if let Some(of_rule) = &of_rule { (sessions(sessions_of, of_rule, viewer)) }
            (rule_editor::draw(editor, viewer))
            (pack(rules, viewer))
        },
    ))
}

fn list(rules: &[SessionRule], found: &Hits, viewer: &Viewer) -> Markup {
    let hits_of = |name: &str| found.rules.iter().find(|hits| hits.rule == name);
    let others: Vec<&RuleHits> =
        found.rules.iter().filter(|hits| rules.iter().all(|rule| rule.name != hits.rule)).collect();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Rules" { table.rules.cards {
            thead { tr { th { "Rule" } th { "Mode" } th.number { "Hits, 7 days" } th.number { "Sessions" } th.number { "Refused" } th { "Last hit (UTC)" } th { "Action" } } }
            tbody {
                @for rule in rules { tr {
                    td.whole { strong { (short(&rule.name, 64)) } br; code.directive { (short(&directive(rule), 400)) } }
                    td.whole { (mode_switch(rule, viewer)) }
                    (figures(hits_of(&rule.name), &rule.name, viewer))
                    td.time { a href=(viewer.link(&format!("/rules?edit={}#editor", encoded(&rule.name)))) aria-label=(format!("Edit {}", rule.name)) { "Edit" }
                        @if viewer.is_admin { " " form.inline method="post" action=(viewer.link("/rules/remove")) {
                            input type="hidden" name="name" value=(rule.name);
                            button.plain aria-label=(format!("Remove {}", rule.name)) { "✕" } } } }
                } }
                @for hits in others { tr {
                    td.whole { strong { (short(&hits.rule, 64)) } br; span.quiet { "configured in a node's nginx.conf, or removed" } }
                    td data-label="Mode" { span.quiet { "–" } }
                    (figures(Some(hits), &hits.rule, viewer))
                    td {}
                } }
            }
        } }
        @if rules.is_empty() && found.rules.is_empty() { p.notice { "None yet. Take one of the default pack, or write one below." } }
    }
}

/// Hits, sessions, refused subjects and last hit; each links to the sessions.
fn figures(hits: Option<&RuleHits>, name: &str, viewer: &Viewer) -> Markup {
    let sessions = viewer.link(&format!("/rules?rule={}#sessions", encoded(name)));
    let figure = |label: &str, number: u64| {
        html! { td.number data-label=(label) { @if number > 0 { a href=(sessions) { (number) } } @else { "0" } } }
    };
    html! {
        (figure("Hits, 7 days", hits.map_or(0, |hits| hits.hits)))
        (figure("Sessions", hits.map_or(0, |hits| hits.sessions)))
        (figure("Refused", hits.map_or(0, |hits| hits.subjects_refused)))
        td.time data-label="Last hit" { @if let Some(hits) = hits { (moment(hits.last_hit)) } @else { "–" } }
    }
}

fn mode_switch(rule: &SessionRule, viewer: &Viewer) -> Markup {
    let now = rule.mode.as_deref().unwrap_or("monitor");
    html! {
        @if viewer.is_admin {
            form method="post" action=(viewer.link("/rules/mode")) {
                input type="hidden" name="name" value=(rule.name);
                div.modes role="group" aria-label=(format!("Mode of {}", rule.name)) {
                    @for (mode, label) in MODES { button.plain name="mode" value=(mode) aria-pressed=(mode == now) { (label) } }
                }
            }
        } @else { span.badge { (now) } }
    }
}

fn sessions(name: &str, found: &Hits, viewer: &Viewer) -> Markup {
    let sessions = found.rules.first().map(|hits| hits.sessions_hit.as_slice()).unwrap_or_default();
    html! {
        h2 #sessions { "Sessions of " (short(name, 64)) ", 7 days" }
        @if sessions.is_empty() { p.notice { "No session." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Sessions of the rule" { table.cards {
                thead { tr { th { "Session" } th.number { "Hits" } th.number { "Highest count" } th { "Enforced" } th { "Last hit (UTC)" } } }
                tbody { @for hit in sessions { tr {
                    td.half { (session_link(&hit.session, viewer)) }
                    td.number data-label="Hits" { (hit.hits) }
                    td.number data-label="Highest" { (hit.count) }
                    td.half { @if hit.enforced > 0 { span.badge.bad { "enforced" } } @else { span.badge { "monitored" } } }
                    td.time data-label="Last hit" { (moment(hit.last_hit)) }
                } } }
            } }
        }
    }
}

fn pack(rules: &[SessionRule], viewer: &Viewer) -> Markup {
    html! {
        h2 { "The default pack" }
        p.quiet { "The rules of " code { "session_rules default;" } " in nginx.conf, all in monitor mode. "
            @if viewer.is_admin { "A rule opened from here is managed in the Console; try it before you save it." } }
        div.scroll tabindex="0" role="region" aria-label="The default pack" { table.cards {
            tbody { @for rule in default_pack() { tr {
                td.whole { strong { (rule.name) } br; code.directive { (directive(&rule)) } }
                td.time { @if rules.iter().any(|other| other.name == rule.name) { span.quiet { "in the list" } } @else {
                    form.inline method="post" action=(viewer.link("/rules/editor")) {
                        input type="hidden" name="directive" value=(directive(&rule));
                        button.plain aria-label=(format!("Open in the editor: {}", rule.name)) { "Open in the editor" } } } }
            } } }
        } }
    }
}

/// `POST`: updates one side from the other, or tries the rule.
pub async fn edit(
    State(state): State<AppState>,
    viewer: Viewer,
    Form(form): Form<EditorForm>,
) -> Result<Response, AppError> {
    let mut editor = Editor::posted(&form);
    if form.action == "try" && editor.error.is_none() {
        let days: u64 = form.days.parse().unwrap_or(7);
        let from = now_ms().saturating_sub(days * 86_400_000);
        editor.trial = Some(try_rule(&state, editor.rule.clone(), Some(from), None).await?);
    }
    if form.part == "1" {
        return Ok(rule_editor::draw(&editor, &viewer).into_response());
    }
    let rules = state.read(|store| store.rules()).await?;
    Ok(draw(&state, &viewer, &rules, &editor, "").await?.into_response())
}

/// `POST`: saves the rule in place of the one that was edited, or after the others.
pub async fn save(
    State(state): State<AppState>,
    viewer: Viewer,
    Extension(identity): Extension<Identity>,
    Form(form): Form<EditorForm>,
) -> Result<Response, AppError> {
    let mut editor = Editor::posted(&form);
    let rules = state.read(|store| store.rules()).await?;
    if editor.error.is_none() {
        let mut changed = rules.clone();
        match changed.iter_mut().find(|rule| rule.name == editor.original) {
            Some(rule) => *rule = editor.rule.clone(),
            None => changed.push(editor.rule.clone()),
        }
        match replace(&state, changed, &identity).await {
            Ok(()) => return Ok(Redirect::to("/rules").into_response()),
            Err(error) if error.status.is_client_error() => editor.error = Some(error.detail),
            Err(error) => return Err(error),
        }
    }
    let page = draw(&state, &viewer, &rules, &editor, "").await?;
    Ok((axum::http::StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// A rule's name and, where it changes, its new mode.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RuleForm {
    name: String,
    mode: String,
}

/// `POST`: changes the mode of a rule.
pub async fn set_mode(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    Form(form): Form<RuleForm>,
) -> Result<Redirect, AppError> {
    let mut rules = state.read(|store| store.rules()).await?;
    let Some(rule) = rules.iter_mut().find(|rule| rule.name == form.name) else {
        return Err(AppError::not_found("no such rule"));
    };
    rule.mode = Some(form.mode);
    replace(&state, rules, &identity).await?;
    Ok(Redirect::to("/rules"))
}

/// `POST`: removes a rule.
pub async fn remove(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    Form(form): Form<RuleForm>,
) -> Result<Redirect, AppError> {
    let mut rules = state.read(|store| store.rules()).await?;
    rules.retain(|rule| rule.name != form.name);
    replace(&state, rules, &identity).await?;
    Ok(Redirect::to("/rules"))
}
