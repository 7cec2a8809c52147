//! The users of sessions.

use axum::extract::State;
use maud::{Markup, html};

use super::fields::Refused;
use super::html::{incomplete, moment, number, page, short};
use super::{Viewer, facets, filters, links};
use crate::limits::MAX_CHARTED_REQUESTS;
use api_sessions_cloud_api::aggregate::UserSummary;
use api_sessions_cloud_api::api::query::RawQuery;
use api_sessions_cloud_api::api::users::Users;
use api_sessions_cloud_api::extractors::Query;
use api_sessions_cloud_api::state::AppState;

/// `GET /users`: the users of the sessions that match the filters.
pub async fn list(
    State(state): State<AppState>,
    viewer: Viewer,
    Query(raw): Query<RawQuery>,
) -> Result<Markup, Refused> {
    filters::check("Users", "/users", &viewer, &raw)?;
    let filter = raw.filter_alone()?;
    let (found, facets) = state.list(move |store| Users::matching(store, filter)).await?;
    let Users { counted, total, users, incomplete: days } = found;
    let path = viewer.link("/users");
    Ok(page(
        "Users",
        "/users",
        &viewer,
        &html! {
            h1 {
                @if counted < total { "At least " }
                (users.len()) @if users.len() == 1 { " user" } @else { " users" }
            }
            (filters::form(&path, &raw, &Vec::new()))
            (filters::chips(&path, &raw))
            (incomplete(&days))
            div.beside {
                (facets::draw(&path, &raw, &facets, counted == total))
                section {
                    @if counted < total {
                        p.quiet { "Users of the " (counted) " most recently active sessions; a narrower filter shows others." }
                    }
                    @if !users.is_empty() { p.quiet { "Counted are the requests of the user, not what a session did before the login or under other users; of such a session, its newest " (MAX_CHARTED_REQUESTS) " requests." } }
                    @if users.is_empty() { (none(counted == 0)) }
                    @else {
                        (table(&viewer, &users))
                        nav.pages aria-label="Downloads" { a href=(filters::address(&viewer.link("/v1/users.csv"), &filters::parts(&raw))) { "CSV" } }
                    }
                }
            }
        },
    ))
}

/// The empty state: how to get users.
fn none(no_session: bool) -> Markup {
    html! { p.notice {
        @if no_session { "No session matches." }
        @else {
            "None of these sessions has a user. A context parameter of type " code { "user" } " tells NGINX where the user is, such as "
            code { "context_param request.header.Authorization.jwt.payload.sub type=user plain;" }
        }
    } }
}

fn table(viewer: &Viewer, users: &[UserSummary]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Users" { table.cards {
            thead { tr {
                th { "User" } th.number { "Sessions" } th.number { "Requests" } th.number { "Attacks" } th.number { "Denied" }
                th { "Addresses" } th { "First seen (UTC)" } th { "Last seen (UTC)" }
            } }
            tbody { @for user in users { tr {
                td.whole { a href=(links::user(viewer, &user.user)) { (short(&user.user, 80)) } }
                td.number data-label="Sessions" { (number(user.sessions)) }
                td.number data-label="Requests" { (number(user.requests)) }
                td.number.bad[user.attacks > 0] data-label="Attacks" { (number(user.attacks)) }
                td.number.bad[user.denied > 0] data-label="Denied" { (number(user.denied)) }
                td.whole { @if let Some(ip) = user.ips.first() { (short(ip, 45)) }
                    @if user.ip_count > 1 { span.quiet { " +" (user.ip_count - 1) " more" } } }
                td.time data-label="First seen" { (moment(user.first_ts)) }
                td.time data-label="Last seen" { (moment(user.last_ts)) }
            } } }
        } }
    }
}
