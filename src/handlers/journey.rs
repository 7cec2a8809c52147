//! One request's way through the module, from top to bottom: it arrives and joins its session
//! ([`arrive`]), is answered, and is settled, recorded and sent ([`finish`]).

use api_sessions_engine::detect::{AttackKinds, detect};
use api_sessions_engine::point::cookie;
use api_sessions_engine::record::{Facts, Settings};
use api_sessions_engine::session::{Resolution, SessionId, Stage, resolve_with};
use api_sessions_engine::table::{self, Arrival, Outcome};
use api_sessions_wire::ParamType;

use super::state::{Counted, State};
use crate::conf::{Analysis, Deny, LocationConf, MainConf};
use crate::nginx::process;
use crate::nginx::request::Request;
use crate::worker::{self, Buffers, Worker};

/// The request joins its session: in the access phase, or where a variable asks before. Again after a
/// redirect inside NGINX, since another location may have other keys; it is counted once all the same.
pub(super) fn arrive(r: Request<'_>, conf: &LocationConf) -> Option<Counted> {
    let state = State::of_or_new(r)?;
    if let Some(counted) = state.counted.get().filter(|counted| counted.is_under(conf)) {
        return Some(counted);
    }
    let (worker, main) = (worker::current()?, MainConf::of(r)?);
    let analysis = conf.analysis(main);
    let resolution = resolved(r, &analysis, main, worker, state, Stage::Access)?;
    Some(join(r, conf, main.hand()?, state, &resolution))
}

/// Whether the denylist has the session, where requests are denied or would be. What the access phase
/// decided on stays what the record says.
pub(super) fn is_denied(r: Request<'_>, conf: &LocationConf, session: SessionId) -> bool {
    if conf.deny() == Deny::Off {
        return false;
    }
    let (Some(denylist), Some(state)) =
        (MainConf::of(r).and_then(MainConf::denylist), State::of(r))
    else {
        return false;
    };
    if let Some(denied) = state.denied.get() {
        return denied;
    }
    let application = conf.application(r).unwrap_or_default();
    let denied = denylist.lookup(&session, application, process::now_ms());
    state.denied.set(Some(denied));
    denied
}

/// The request is over: its session is settled by the written order of keys, it is counted where it
/// was not, and its record is sent.
pub(super) fn finish(r: Request<'_>) {
    let (Some(worker), Some(main)) = (worker::current(), MainConf::of(r)) else { return };
    let Some(hand) = main.hand() else { return };
    let Some(conf) = r.location::<LocationConf>() else { return };
    if !conf.is_enabled(r) {
        // A location that is not looked at has answered: as if the request had never arrived.
        if let Some(counted) = State::of(r).and_then(|state| state.counted.take()) {
            hand.uncount(counted.session);
        }
        return;
    }
    let Some(state) = State::of_or_new(r) else { return };
    state.over.set(true);
    if let Some(counted) = state.counted.get() {
        hand.expect(counted.session);
    }
    if let Ok(mut bodies) = state.bodies.try_borrow_mut() {
        bodies.decode(r, conf.body_size());
    }
    // The key's value goes into the record: it is read again, and stays in the buffers until then.
    let analysis = conf.analysis(main);
    let Some(resolution) = resolved(r, &analysis, main, worker, state, Stage::Log) else { return };
    let counted = join(r, conf, hand, state, &resolution);
    let detected = detected(r, conf, main, worker, state);
    let attacks = attacks(r, conf, detected);
    let (mut user, mut role) = (Vec::new(), Vec::new());
    with_parameter(r, conf, ParamType::User, |value| user.extend_from_slice(value));
    with_parameter(r, conf, ParamType::Role, |value| role.extend_from_slice(value));
    let outcome = Outcome {
        arrival: arrival(r, conf, hand, &resolution),
        status: r.logged_status(),
        bytes_in: r.request_length(),
        bytes_out: r.bytes_sent(),
        denied: state.denied.get() == Some(true),
        attacks: u32::from(!attacks.is_empty()),
        detected: !detected.is_empty(),
        confirmed: resolution.from_response || is_issued(r, worker),
        user_hash: if user.is_empty() { 0 } else { hand.table().text_hash(&user) },
        user: &user,
        role: &role,
        ..Outcome::default()
    };
    let snapshot = hand.settle(counted.session, process::now_ms(), &outcome);
    state.counted.set(Some(Counted { snapshot: snapshot.or(counted.snapshot), ..counted }));
    if let Some(node) = worker.node() {
        let what = (conf, &*analysis, &resolution);
        record(r, what, main, worker, state, (node, &attacks));
    }
}

/// The application issues the very value that identifies the session: it knows it, nobody made it up.
fn is_issued(r: Request<'_>, worker: &Worker) -> bool {
    let Ok(buffers) = worker.buffers.try_borrow() else { return false };
    r.headers_out()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"set-cookie"))
        .filter_map(|(_, value)| cookie::set_cookie(value))
        .any(|(_, value)| value == buffers.found)
}

/// Types of attack: what the operator's variables say, then what was detected, each once.
fn attacks<'c>(r: Request<'_>, conf: &'c LocationConf, detected: AttackKinds) -> Vec<&'c str> {
    let marks = conf.attacks().iter().filter(|attack| attack.when.is_true(r));
    let marks = marks.map(|attack| -> &'c str { &attack.kind });
    let mut attacks: Vec<&str> = Vec::new();
    for kind in marks.chain(detected.iter().map(|kind| -> &'c str { kind.as_str() })) {
        if !attacks.contains(&kind) {
            attacks.push(kind);
        }
    }
    attacks
}

/// What the module's own detectors find.
fn detected(
    r: Request<'_>,
    conf: &LocationConf,
    main: &MainConf,
    worker: &Worker,
    state: &State,
) -> AttackKinds {
    let wanted = conf.detect();
    let (Ok(bodies), Ok(mut buffers)) =
        (state.bodies.try_borrow(), worker.buffers.try_borrow_mut())
    else {
        return AttackKinds::default();
    };
    if wanted.is_empty() {
        return wanted;
    }
    let view = bodies.view(r, main.variables(), Stage::Log);
    detect(&view, wanted, &mut buffers.detection)
}

/// Which session, as far as is known at that stage.
fn resolved<'c>(
    r: Request<'_>,
    analysis: &'c Analysis,
    main: &MainConf,
    worker: &Worker,
    state: &State,
    stage: Stage,
) -> Option<Resolution<'c>> {
    let hasher = main.hasher()?;
    let bodies = state.bodies.try_borrow().ok()?;
    let view = bodies.view(r, main.variables(), stage);
    // A point may read a variable of ours: it gets nothing, rather than a resolution without end.
    let mut buffers = worker.buffers.try_borrow_mut().ok()?;
    let Buffers { scratch, found, .. } = &mut *buffers;
    let id = |namespace, value: &[u8]| state.ids.session_id(hasher, namespace, value);
    Some(resolve_with(analysis.keys(), &view, stage, id, scratch, found))
}

/// Counts the request in its session; takes it out of another where it was counted before.
fn join(
    r: Request<'_>,
    conf: &LocationConf,
    hand: &table::Worker,
    state: &State,
    resolution: &Resolution<'_>,
) -> Counted {
    let snapshot = match state.counted.get() {
        Some(before) if before.session == resolution.id => before.snapshot,
        before => {
            if let Some(before) = before {
                hand.uncount(before.session);
            }
            if !state.over.get() {
                // Another session, another answer; once there was a response, it stays what it was.
                state.denied.set(None);
            }
            let arrival = arrival(r, conf, hand, resolution);
            hand.count(resolution.id, process::now_ms(), &arrival)
        }
    };
    let counted =
        Counted { session: resolution.id, source: resolution.source, snapshot, under: conf };
    state.counted.set(Some(counted));
    counted
}

fn arrival(
    r: Request<'_>,
    conf: &LocationConf,
    hand: &table::Worker,
    resolution: &Resolution<'_>,
) -> Arrival {
    let application = conf.application(r).unwrap_or_default();
    let application_hash = hand.table().text_hash(application);
    Arrival { source: resolution.source, ip: r.client_ip(), application_hash }
}

/// Writes the record and queues it for the exporter.
fn record(
    r: Request<'_>,
    (conf, analysis, resolution): (&LocationConf, &Analysis, &Resolution<'_>),
    main: &MainConf,
    worker: &Worker,
    state: &State,
    (node, attacks): (&str, &[&str]),
) {
    let (Some(hasher), Ok(bodies)) = (main.hasher(), state.bodies.try_borrow()) else { return };
    let view = bodies.view(r, main.variables(), Stage::Log);
    let start_ms = r.start_ms();
    let facts = Facts {
        id: main.request_id().and_then(|id| id.evaluate(r)).unwrap_or_default(),
        ts: start_ms,
        node,
        app: conf.application(r),
        proto: r.protocol(),
        scheme: if r.is_tls() { "https" } else { "http" },
        status: r.logged_status(),
        time_ms: process::now_ms().saturating_sub(start_ms),
        upstream_ms: r.upstream_ms(),
        request_bytes: r.request_length(),
        response_bytes: r.bytes_sent(),
        denied: state.denied.get() == Some(true),
        attacks,
    };
    let settings =
        Settings { keys: analysis.keys(), params: analysis.params(), masks: conf.masks(), hasher };
    let Ok(mut buffers) = worker.buffers.try_borrow_mut() else { return };
    let Buffers { scratch, found, encoder, .. } = &mut *buffers;
    worker.send(encoder.encode(&facts, &settings, resolution, found, &view, scratch));
}

/// The key of the session, for `$api_session_key`.
pub(super) fn with_label(r: Request<'_>, conf: &LocationConf, then: impl FnOnce(&str)) {
    let (Some(worker), Some(main)) = (worker::current(), MainConf::of(r)) else { return };
    let Some(state) = State::of(r) else { return };
    let stage = if state.over.get() { Stage::Log } else { Stage::Access };
    let analysis = conf.analysis(main);
    if let Some(resolution) = resolved(r, &analysis, main, worker, state, stage) {
        then(resolution.label);
    }
}

/// The first context parameter of a type, as it is exported, for `$api_session_user` and `_role`.
pub(super) fn with_parameter(
    r: Request<'_>,
    conf: &LocationConf,
    kind: ParamType,
    then: impl FnOnce(&[u8]),
) {
    let (Some(worker), Some(main)) = (worker::current(), MainConf::of(r)) else { return };
    let analysis = conf.analysis(main);
    if !analysis.params().iter().any(|param| param.kind == kind) {
        return;
    }
    let (Some(state), Some(hasher)) = (State::of(r), main.hasher()) else { return };
    let Ok(bodies) = state.bodies.try_borrow() else { return };
    let stage = if state.over.get() { Stage::Log } else { Stage::Access };
    let view = bodies.view(r, main.variables(), stage);
    let Ok(mut buffers) = worker.buffers.try_borrow_mut() else { return };
    for param in analysis.params().iter().filter(|param| param.kind == kind) {
        if let Some(value) = param.point.read(&view, &mut buffers.scratch) {
            if param.hash {
                then(hasher.parameter(value).as_str().as_bytes());
            } else {
                then(value);
            }
            return;
        }
    }
}
