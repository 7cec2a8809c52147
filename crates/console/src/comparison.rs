//! Comparison of an OpenAPI document with the observed traffic.

use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

use super::Viewer;
use super::filters::address;
use super::html::{moment, number, page, short};
use api_sessions_cloud_api::api::endpoints::{RawEndpointQuery, comparison};
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::extractors::Form;
use api_sessions_cloud_api::state::AppState;
use api_sessions_endpoints::{Comparison, DocumentedOperation, Endpoint};

/// Maximum number of rows of a table.
const SHOWN: usize = 500;

/// The upload form below the list of endpoints.
pub(super) fn form(path: &str, application: &str) -> Markup {
    html! {
        details.compare {
            summary { "Compare with an OpenAPI document" }
            form.card method="post" action=(path) {
                input type="hidden" name="application" value=(application);
                label hidden { "File" input type="file" accept=".json,.yaml,.yml,application/json,application/yaml" data-fills="document"; }
                label { "Document (OpenAPI 3 or Swagger 2, JSON or YAML)" textarea name="document" rows="6" required spellcheck="false" {} }
                div.actions { button { "Compare" }
                    span.quiet { @if application.is_empty() { "With all applications. " } @else { "With " (short(application, 60)) ". " } "It is not kept." } }
            }
        }
    }
}

/// The uploaded document.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DocumentForm {
    application: String,
    document: String,
}

/// `POST /endpoints`
pub async fn post(
    State(state): State<AppState>,
    viewer: Viewer,
    Form(form): Form<DocumentForm>,
) -> Result<Markup, AppError> {
    let raw = RawEndpointQuery { application: form.application, ..RawEndpointQuery::default() };
    let Comparison { documented, undocumented, unseen } =
        comparison(&state, &raw, form.document).await?;
    let path = viewer.link("/endpoints");
    let back: Vec<_> =
        [("application", &*raw.application)].into_iter().filter(|(_, v)| !v.is_empty()).collect();
    Ok(page(
        "Endpoints",
        "/endpoints",
        &viewer,
        &html! {
            p { a href=(address(&path, &back)) { "← Endpoints" } }
            h1 { "Traffic and document" @if !raw.application.is_empty() { " of " (short(&raw.application, 60)) } }
            p.quiet {
                (documented) " operations in the document, "
                a href="#undocumented" { (undocumented.len()) " endpoints in use that are not in it" } ", "
                a href="#unseen" { (unseen.len()) " operations never seen" } "."
            }
            h2 #undocumented { "In use and not in the document" }
            @if undocumented.is_empty() { p.notice { "Every endpoint in use is in the document." } } @else { (traffic(&undocumented)) }
            h2 #unseen { "In the document and never seen" }
            @if unseen.is_empty() { p.notice { "Every operation of the document was seen." } } @else { (document(&unseen)) }
        },
    ))
}

fn traffic(all: &[Endpoint]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="In use and not in the document" { table.cards {
            thead { tr { th { "Endpoint" } th { "Application" } th.number { "Requests" } th.number { "Sessions" } th { "First seen (UTC)" } } }
            tbody { @for one in all.iter().take(SHOWN) { tr {
                td.shape.whole { span.method { (short(&one.method, 20)) } " " code { (short(&one.endpoint, 120)) } }
                td.half data-label="Application" { (short(one.application.as_deref().unwrap_or_default(), 40)) }
                td.number data-label="Requests" { (number(one.requests)) }
                td.number data-label="Sessions" { (number(one.sessions)) }
                td.time data-label="First seen" { (moment(one.first_ts)) }
            } } }
        } }
        (more(all.len()))
    }
}

fn document(all: &[DocumentedOperation]) -> Markup {
    html! {
        ul.operations { @for one in all.iter().take(SHOWN) {
            li { span.method { (short(&one.method, 20)) } " " code { (short(&one.path, 200)) } }
        } }
        (more(all.len()))
    }
}

fn more(count: usize) -> Markup {
    html! { @if count > SHOWN { p.quiet { "+" (count - SHOWN) " more; POST /v1/endpoints/compare has all" } } }
}
