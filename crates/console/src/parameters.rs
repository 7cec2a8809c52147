//! Keys and context parameters that nodes apply: their order, meaning and export.

use api_sessions_extract::builtin;
use api_sessions_extract::vocabulary::{DECODERS, SOURCES};
use api_sessions_extract::{NoVariables, Point, Scratch};
use api_sessions_protocol::{ParamType, Parameter, ParameterExport, ParameterSet};
use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;

use super::html::{page, short, visible};
use super::sample::Sample;
use super::{Viewer, nodes};
use crate::limits::MAX_SAMPLE_BYTES;
use api_sessions_cloud_api::api::parameters::check;
use api_sessions_cloud_api::auth::Identity;
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::extractors::Form;
use api_sessions_cloud_api::state::AppState;
use api_sessions_store::clock::now_ms;

const TYPES: [(&str, &str); 3] = [("context", "context"), ("user", "user"), ("role", "role")];
const EXPORTS: [(&str, &str); 3] =
    [("hashed", "hashed"), ("plain", "plain text"), ("off", "not exported")];
const USES: [(&str, &str); 2] = [("0", "context"), ("1", "group sessions by it")];

/// `GET /parameters`: keys and parameters that nodes take from the cloud.
pub async fn show(State(state): State<AppState>, viewer: Viewer) -> Result<Markup, AppError> {
    let set = state.read(|store| store.parameters()).await?;
    let version = state.denied().await?.version.clone();
    let all = state.nodes.all();
    Ok(page(
        "Parameters",
        "/parameters",
        &viewer,
        &html! {
            h1 { "Session context parameters" }
            p { "Nodes with " code { "sync=on" } " apply these without a reload, in this order, before those of their nginx.conf. "
                "A value that the nginx.conf of a node hashes or masks stays hidden regardless." }
            (editor(&set, &viewer))
            @if viewer.is_admin { (adder(&viewer)) }
            h2 { "Nodes" }
            @if all.is_empty() { p.notice { "No node has polled yet." } } @else { (nodes::table(&all, &version)) }
            h2 { "The built-in set" }
            p.quiet { "Tried after all keys, in this order, unless a location has " code { "api_sessions_builtin_keys off" } "." }
            ol.builtin { @for entry in builtin::TABLE { li { code { (entry.name) } } } }
        },
    ))
}

fn editor(set: &ParameterSet, viewer: &Viewer) -> Markup {
    html! {
        form method="post" action=(viewer.link("/parameters")) data-parameters {
            div.scroll tabindex="0" role="region" aria-label="Parameters" { table.cards {
                thead { tr { th { "Order" } th { "Point" } th { "Name" } th { "Use" } th { "Type" } th { "Export" } th { "Remove" } } }
                tbody { @for (at, parameter) in set.parameters.iter().enumerate() { (row(parameter, viewer, at)) } }
            } }
            @if set.parameters.is_empty() { p.notice data-none { "None yet: nodes use their nginx.conf and the built-in set." } }
            template data-row { (row(&Parameter::default(), viewer, 0)) }
            @if viewer.is_admin { p { button { "Save for all nodes" } span.quiet data-changed hidden { " Not saved yet." } } }
        }
    }
}

fn row(parameter: &Parameter, viewer: &Viewer, at: usize) -> Markup {
    let export = match parameter.export {
        ParameterExport::Hashed => "hashed",
        ParameterExport::Plain => "plain",
        ParameterExport::Off => "off",
    };
    let kind = match parameter.kind {
        ParamType::User => "user",
        ParamType::Role => "role",
        _ => "context",
    };
    let is_fixed = !viewer.is_admin;
    html! {
        tr draggable=[viewer.is_admin.then_some("true")] {
            td.move.half { @if viewer.is_admin { span.grip aria-hidden="true" { "⠿" } " "
                button.plain type="button" data-up aria-label="Up" { "↑" } button.plain type="button" data-down aria-label="Down" { "↓" } }
                @else { (at + 1) } }
            td.whole data-label="Point" { input.point name="point" value=(parameter.point) required maxlength="1024" aria-label="Point" disabled[is_fixed]; }
            td.half data-label="Name" { input name="name" value=(parameter.name.as_deref().unwrap_or_default()) maxlength="64" placeholder="the point" aria-label="Name" disabled[is_fixed]; }
            td.half data-label="Use" { (choice("group", "Use", &USES, if parameter.group { "1" } else { "0" }, is_fixed)) }
            td.half data-label="Type" { (choice("type", "Type", &TYPES, kind, is_fixed)) }
            td.half data-label="Export" { (choice("export", "Export", &EXPORTS, export, is_fixed)) }
            td.remove { @if viewer.is_admin { button.plain type="button" data-remove aria-label="Remove" { "✕" } } }
        }
    }
}

fn choice(name: &str, label: &str, all: &[(&str, &str)], now: &str, is_fixed: bool) -> Markup {
    html! {
        select name=(name) aria-label=(label) disabled[is_fixed] {
            @for (value, text) in all { option value=(value) selected[*value == now] { (text) } }
        }
    }
}

fn adder(viewer: &Viewer) -> Markup {
    html! {
        h2 { "Add a parameter" }
        form.card data-adder method="post" action=(viewer.link("/parameters/preview")) {
            div.filters {
                label { "Source" select name="source" { @for (value, text) in SOURCES { option value=(value) { (text) } } option value="" { "other: enter the point" } } }
                label { "Name or path" input name="rest" placeholder="X-User"; }
                label { "Decoder" select name="decoder" { option value="" { "none" } @for (value, text) in DECODERS { option value=(value) { (text) } } } }
                label.wide { "Point" input.point name="point" maxlength="1024"; }
            }
            label { "Sample request, to preview the value"
                textarea name="sample" rows="7" maxlength=(MAX_SAMPLE_BYTES) spellcheck="false" {
                    "GET /cart?item=7 HTTP/1.1\nHost: shop.example.com\nX-User: anna\nCookie: sid=abc123\n\n" } }
            output data-preview aria-live="polite" { "" }
            p { button type="button" data-add { "Add to the list" } }
        }
    }
}

/// Parameters and a sample request to try them on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PreviewForm {
    point: String,
    sample: String,
}

/// Previews the value that a point reads from a sample request.
pub async fn preview(Form(form): Form<PreviewForm>) -> Result<Markup, AppError> {
    if form.sample.len() > MAX_SAMPLE_BYTES {
        return Err(AppError::too_large("the sample is too long"));
    }
    let point = match Point::parse(&form.point, &mut NoVariables) {
        Ok(point) => point,
        Err(error) => return Ok(html! { p.bad { (visible(&error.to_string())) } }),
    };
    let sample = Sample::parse(&form.sample);
    let mut scratch = Scratch::default();
    let value =
        point.read(&sample, &mut scratch).map(|value| String::from_utf8_lossy(value).into_owned());
    let needs = point.needs();
    Ok(html! {
        @match value {
            Some(value) => p { "Reads " code { (short(&value, 400)) } }
            None if needs.response || needs.response_body => p.quiet { "The point reads the response, which the sample does not have." }
            None => p.quiet { "The sample has no such value." }
        }
        @if point.is_whole_credential() || builtin::covers(&point) { p.quiet { "This is a live credential: nodes always hash it." } }
    })
}

/// `POST /parameters`
pub async fn save(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Redirect, AppError> {
    let set = set(fields);
    check(&set)?;
    let (kept, by) = (set.clone(), identity.name.clone());
    state.change(move |store| store.set_parameters(&kept, &by, now_ms())).await?;
    tracing::info!(parameters = set.parameters.len(), by = %identity.name, "parameters changed");
    Ok(Redirect::to("/parameters"))
}

/// Parses the rows of the form, in order. Each starts with its point.
fn set(fields: Vec<(String, String)>) -> ParameterSet {
    let mut parameters: Vec<Parameter> = Vec::new();
    for (name, value) in fields {
        let value = value.trim().to_owned();
        if name == "point" {
            parameters.push(Parameter { point: value, ..Parameter::default() });
            continue;
        }
        let Some(last) = parameters.last_mut() else { continue };
        match (name.as_str(), value.as_str()) {
            ("name", "") => {}
            ("name", _) => last.name = Some(value),
            ("group", use_) => last.group = use_ == "1",
            ("type", "user") => last.kind = ParamType::User,
            ("type", "role") => last.kind = ParamType::Role,
            ("export", "plain") => last.export = ParameterExport::Plain,
            ("export", "off") => last.export = ParameterExport::Off,
            _ => {}
        }
    }
    ParameterSet { parameters }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_parameters_in_their_order() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let set = set(vec![
            field("point", "request.cookie.sid "),
            field("name", ""),
            field("group", "1"),
            field("type", "context"),
            field("export", "hashed"),
            field("point", "request.header.X-User"),
            field("name", "login"),
            field("group", "0"),
            field("type", "user"),
            field("export", "plain"),
        ]);
        assert_eq!(set.parameters.len(), 2);
        assert_eq!(
            (set.parameters[0].point.as_str(), set.parameters[0].group),
            ("request.cookie.sid", true)
        );
        assert_eq!(set.parameters[0].name, None);
        assert_eq!(
            (set.parameters[1].kind, set.parameters[1].export),
            (ParamType::User, ParameterExport::Plain)
        );
    }

    #[test]
    fn a_pasted_request_is_parsed_as_on_a_node() {
        let sample = Sample::parse(
            "POST https://a.example/x/y?q=a%20b HTTP/1.1\r\nHost: a.example:8\r\nCookie: sid=1\r\nContent-Type: application/json\r\n\r\n{\"a\":{\"b\":2}}",
        );
        for (point, value) in [
            ("request.query.q", "a b"),
            ("request.path[1]", "y"),
            ("request.cookie.sid", "1"),
            ("request.body.json.a.b", "2"),
            ("request.host", "a.example"),
        ] {
            let point = Point::parse(point, &mut NoVariables).unwrap();
            assert_eq!(point.read(&sample, &mut Scratch::default()), Some(value.as_bytes()));
        }
    }
}
