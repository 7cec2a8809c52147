//! `$api_session_*`: usable wherever NGINX evaluates variables, before the access phase too.
//!
//! If a variable is evaluated before the access phase, the request joins its session at that time.

use std::ffi::CStr;

use api_sessions_extract::Ja4Form;
use api_sessions_nginx::conf::Conf;
use api_sessions_nginx::process;
use api_sessions_nginx::request::Request;
use api_sessions_nginx::tls;
use api_sessions_nginx::variable::{self, Getter, Output};
use api_sessions_protocol::ParamType;

use super::context::RequestContext;
use super::state::{Membership, State};
use super::{lifecycle, parameters, session};
use crate::directives::LocationConf;

/// Makes a [`Getter`] of each function.
macro_rules! variables {
    ($($getter:ident = $name:literal => $get:ident,)*) => {
        $(
            struct $getter;

            impl Getter for $getter {
                const NAME: &'static CStr = $name;
                fn get(r: Request<'_>, output: Output<'_>) {
                    $get(r, output);
                }
            }
        )*

        /// Registers all variables, from `preconfiguration`.
        pub(crate) fn add_all(cf: Conf<'_>) -> Option<()> {
            $(variable::add::<$getter>(cf)?;)*
            Some(())
        }
    };
}

variables! {
    Id = c"api_session_id" => id,
    Key = c"api_session_key" => key,
    SourceName = c"api_session_source" => source,
    Requests = c"api_session_requests" => requests,
    Age = c"api_session_age" => age,
    Attacks = c"api_session_attacks" => attacks,
    Denied = c"api_session_denied" => denied,
    User = c"api_session_user" => user,
    Role = c"api_session_role" => role,
    RuleName = c"api_session_rule" => rule,
    RuleCount = c"api_session_rule_count" => rule_count,
    Ja4 = c"api_session_ja4" => ja4,
    Ja4Stable = c"api_session_ja4_stable" => ja4_stable,
    Ja4Raw = c"api_session_ja4_raw" => ja4_raw,
}

/// The main request and its session, if the module is on.
fn joined<'r>(r: Request<'r>) -> Option<(RequestContext<'r>, Membership)> {
    let r = r.main();
    let phase = State::phase_of(r);
    let conf = r.location::<LocationConf>().filter(|conf| conf.is_enabled(r, phase))?;
    let ctx = RequestContext::new(r, conf, phase)?;
    let membership = lifecycle::on_access(&ctx)?;
    Some((ctx, membership))
}

fn number(output: Output<'_>, number: u64) {
    output.text(itoa::Buffer::new().format(number).as_bytes());
}

fn id(r: Request<'_>, output: Output<'_>) {
    if let Some((_, membership)) = joined(r) {
        output.text(&membership.session.to_hex());
    }
}

fn key(r: Request<'_>, output: Output<'_>) {
    if let Some((ctx, _)) = joined(r) {
        session::with_label(&ctx, |label| output.text(label.as_bytes()));
    }
}

fn source(r: Request<'_>, output: Output<'_>) {
    if let Some((_, membership)) = joined(r) {
        output.constant(membership.source.as_str());
    }
}

fn requests(r: Request<'_>, output: Output<'_>) {
    if let Some(counters) = joined(r).and_then(|(_, membership)| membership.counters) {
        number(output, counters.requests);
    }
}

fn age(r: Request<'_>, output: Output<'_>) {
    if let Some(counters) = joined(r).and_then(|(_, membership)| membership.counters) {
        number(output, process::now_ms().saturating_sub(counters.first_seen_ms) / 1000);
    }
}

fn attacks(r: Request<'_>, output: Output<'_>) {
    if let Some(counters) = joined(r).and_then(|(_, membership)| membership.counters) {
        number(output, counters.attacks.into());
    }
}

fn denied(r: Request<'_>, output: Output<'_>) {
    if let Some((ctx, membership)) = joined(r) {
        let denied = lifecycle::is_denied(&ctx, membership.session);
        output.constant(if denied { "1" } else { "0" });
    }
}

fn user(r: Request<'_>, output: Output<'_>) {
    named_parameter(r, ParamType::User, output);
}

fn role(r: Request<'_>, output: Output<'_>) {
    named_parameter(r, ParamType::Role, output);
}

fn named_parameter(r: Request<'_>, kind: ParamType, output: Output<'_>) {
    if let Some((ctx, _)) = joined(r) {
        let Some(bodies) = ctx.bodies() else { return };
        let view = ctx.view(&bodies);
        parameters::read(&ctx, &view, &ctx.analysis(), kind, |value| output.text(value));
    }
}

/// The first rule that fired for the request or refused it.
fn rule(r: Request<'_>, output: Output<'_>) {
    if let Some(hits) = State::of(r).and_then(|state| state.hits(r))
        && let Some(hit) = hits.first()
    {
        output.text(hit.name().as_bytes());
    }
}

fn rule_count(r: Request<'_>, output: Output<'_>) {
    if let Some(hits) = State::of(r).and_then(|state| state.hits(r))
        && let Some(hit) = hits.first()
    {
        number(output, hit.count);
    }
}

fn ja4(r: Request<'_>, output: Output<'_>) {
    client_ja4(r, Ja4Form::Plain, output);
}

fn ja4_stable(r: Request<'_>, output: Output<'_>) {
    client_ja4(r, Ja4Form::Stable, output);
}

/// The raw JA4 of the handshake, regardless of `api_sessions_ja4`: proxies do not pass the raw form on.
fn ja4_raw(r: Request<'_>, output: Output<'_>) {
    if let Some(raw) = tls::fingerprint(r.main()).map(|it| it.raw()).filter(|it| !it.is_empty()) {
        output.text(raw);
    }
}

/// The client's JA4, also where the module is off: it needs no session.
fn client_ja4(r: Request<'_>, form: Ja4Form, output: Output<'_>) {
    let r = r.main();
    let phase = State::phase_of(r);
    if let Some(conf) = r.location::<LocationConf>()
        && let Some(ja4) = conf.ja4(r, phase, form)
    {
        output.text(ja4);
    }
}
