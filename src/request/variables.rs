//! `$api_session_*`: usable wherever NGINX evaluates variables, before the access phase too.
//!
//! Where a variable is asked for before the access phase, the request joins its session then.

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

/// Adds all of them, from `preconfiguration`.
pub(crate) fn add_all(cf: Conf<'_>) -> Option<()> {
    variable::add::<Id>(cf)?;
    variable::add::<Key>(cf)?;
    variable::add::<SourceName>(cf)?;
    variable::add::<Requests>(cf)?;
    variable::add::<Age>(cf)?;
    variable::add::<Attacks>(cf)?;
    variable::add::<Denied>(cf)?;
    variable::add::<User>(cf)?;
    variable::add::<Role>(cf)?;
    variable::add::<RuleName>(cf)?;
    variable::add::<RuleCount>(cf)?;
    variable::add::<Ja4>(cf)?;
    variable::add::<Ja4Stable>(cf)?;
    variable::add::<Ja4Raw>(cf)
}

/// The main request and its session, if the module looks at it.
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

struct Id;

impl Getter for Id {
    const NAME: &'static CStr = c"api_session_id";
    fn get(r: Request<'_>, output: Output<'_>) {
        if let Some((_, membership)) = joined(r) {
            output.text(&membership.session.to_hex());
        }
    }
}

struct Key;

impl Getter for Key {
    const NAME: &'static CStr = c"api_session_key";
    fn get(r: Request<'_>, output: Output<'_>) {
        if let Some((ctx, _)) = joined(r) {
            session::with_label(&ctx, |label| output.text(label.as_bytes()));
        }
    }
}

struct SourceName;

impl Getter for SourceName {
    const NAME: &'static CStr = c"api_session_source";
    fn get(r: Request<'_>, output: Output<'_>) {
        if let Some((_, membership)) = joined(r) {
            output.constant(membership.source.as_str());
        }
    }
}

struct Requests;

impl Getter for Requests {
    const NAME: &'static CStr = c"api_session_requests";
    fn get(r: Request<'_>, output: Output<'_>) {
        if let Some(counters) = joined(r).and_then(|(_, membership)| membership.counters) {
            number(output, counters.requests);
        }
    }
}

struct Age;

impl Getter for Age {
    const NAME: &'static CStr = c"api_session_age";
    fn get(r: Request<'_>, output: Output<'_>) {
        if let Some(counters) = joined(r).and_then(|(_, membership)| membership.counters) {
            number(output, process::now_ms().saturating_sub(counters.first_seen_ms) / 1000);
        }
    }
}

struct Attacks;

impl Getter for Attacks {
    const NAME: &'static CStr = c"api_session_attacks";
    fn get(r: Request<'_>, output: Output<'_>) {
        if let Some(counters) = joined(r).and_then(|(_, membership)| membership.counters) {
            number(output, counters.attacks.into());
        }
    }
}

struct Denied;

impl Getter for Denied {
    const NAME: &'static CStr = c"api_session_denied";
    fn get(r: Request<'_>, output: Output<'_>) {
        if let Some((ctx, membership)) = joined(r) {
            let denied = lifecycle::is_denied(&ctx, membership.session);
            output.constant(if denied { "1" } else { "0" });
        }
    }
}

struct User;

impl Getter for User {
    const NAME: &'static CStr = c"api_session_user";
    fn get(r: Request<'_>, output: Output<'_>) {
        named_parameter(r, ParamType::User, output);
    }
}

struct Role;

impl Getter for Role {
    const NAME: &'static CStr = c"api_session_role";
    fn get(r: Request<'_>, output: Output<'_>) {
        named_parameter(r, ParamType::Role, output);
    }
}

fn named_parameter(r: Request<'_>, kind: ParamType, output: Output<'_>) {
    if let Some((ctx, _)) = joined(r) {
        parameters::read(&ctx, &ctx.analysis(), kind, |value| output.text(value));
    }
}

/// The first rule that fired with the request, or that refused it.
struct RuleName;

impl Getter for RuleName {
    const NAME: &'static CStr = c"api_session_rule";
    fn get(r: Request<'_>, output: Output<'_>) {
        if let Some(hits) = State::of(r).and_then(|state| state.hits(r))
            && let Some(hit) = hits.first()
        {
            output.text(hit.name().as_bytes());
        }
    }
}

struct RuleCount;

impl Getter for RuleCount {
    const NAME: &'static CStr = c"api_session_rule_count";
    fn get(r: Request<'_>, output: Output<'_>) {
        if let Some(hits) = State::of(r).and_then(|state| state.hits(r))
            && let Some(hit) = hits.first()
        {
            number(output, hit.count);
        }
    }
}

struct Ja4;

impl Getter for Ja4 {
    const NAME: &'static CStr = c"api_session_ja4";
    fn get(r: Request<'_>, output: Output<'_>) {
        ja4(r, Ja4Form::Plain, output);
    }
}

struct Ja4Stable;

impl Getter for Ja4Stable {
    const NAME: &'static CStr = c"api_session_ja4_stable";
    fn get(r: Request<'_>, output: Output<'_>) {
        ja4(r, Ja4Form::Stable, output);
    }
}

struct Ja4Raw;

/// Of the handshake, whatever `api_sessions_ja4` says: the raw form is not passed on.
impl Getter for Ja4Raw {
    const NAME: &'static CStr = c"api_session_ja4_raw";
    fn get(r: Request<'_>, output: Output<'_>) {
        if let Some(fingerprint) = tls::fingerprint(r.main()).filter(|it| !it.raw.is_empty()) {
            output.text(&fingerprint.raw);
        }
    }
}

/// Of the client, whether or not the module looks at the request: no session is needed for it.
fn ja4(r: Request<'_>, form: Ja4Form, output: Output<'_>) {
    let r = r.main();
    let phase = State::phase_of(r);
    if let Some(conf) = r.location::<LocationConf>()
        && let Some(ja4) = conf.ja4(r, phase, form)
    {
        output.text(ja4);
    }
}
