//! One request's way through the module, from top to bottom: it arrives and joins its session
//! ([`arrive`]), is answered, and is settled, recorded and sent ([`finish`]).

use api_sessions_agent::record::{RecordOptions, RequestMeta};
use api_sessions_detect::{AttackKinds, detect};
use api_sessions_extract::builtin;
use api_sessions_extract::cookie;
use api_sessions_identity::{
    FoundBy, Label, Namespace, Phase, Resolution, address_id, each_identifier, resolve_with,
};
use api_sessions_protocol::{ParamType, RuleHit, SessionId};
use api_sessions_shm::{RequestEnd, RequestStart};

use super::capture::Unread;
use super::follow;
use super::rules::{self, Finished};
use super::state::{Counted, Settled, State, Verdict};
use crate::directives::{Analysis, Deny, LocationConf, MainConf};
use crate::ffi::evaluation::When;
use crate::ffi::process;
use crate::ffi::request::Request;
use crate::worker::{self, Buffers, Worker};

/// When a request joins its session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// A variable is asked for, maybe before other modules have had their say (realip).
    Asked,
    /// The access phase.
    Access,
}

/// The request joins its session. Again after a redirect inside NGINX, since another location may have other
/// keys; it is counted once all the same.
pub(super) fn arrive(r: Request<'_>, conf: &LocationConf, moment: Moment) -> Option<Counted> {
    let state = State::of_or_new(r)?;
    if let Some(counted) = state.counted.get().filter(|counted| counted.is_under(conf)) {
        return Some(counted);
    }
    if state.joining.get() {
        return None;
    }
    let (worker, main) = (worker::current()?, MainConf::of(r)?);
    let analysis = conf.analysis(main);
    let resolution = resolved(r, (conf, &analysis), main, worker, state, Phase::Access)?;
    let is_told = resolution.found_by.is_key() || !follow::reads_tokens(r, conf);
    let stands = analysis.settles_on_arrival() && !resolution.followed && is_told;
    let settled = (moment == Moment::Access && stands)
        .then(|| Settled { found_by: resolution.found_by, generation: analysis.generation() });
    Some(join(r, conf, main.hand()?, state, &resolution, settled))
}

/// Whether the denylist has the session, where requests are denied or would be. What the access phase
/// decided on stays what the record says.
pub(super) fn is_denied(r: Request<'_>, conf: &LocationConf, session: SessionId) -> bool {
    let Some(state) = State::of(r) else { return false };
    if conf.deny() == Deny::Off {
        // Where it was refused somewhere else, that is an error page's location.
        return state.is_denied();
    }
    let Some(denylist) = MainConf::of(r).and_then(MainConf::denylist) else { return false };
    if let Some(verdict) = state.verdict.get()
        && (verdict.denied || state.over.get() || std::ptr::eq(verdict.under, conf))
    {
        return verdict.denied;
    }
    let denied = !denylist.is_empty() && {
        let application = conf.application(r, state.when()).unwrap_or_default();
        let now_ms = process::now_ms();
        let is_denied = |session: &SessionId| denylist.lookup(session, application, now_ms);
        is_denied(&session)
            || any_identifier(r, conf, state, is_denied)
            || MainConf::of(r)
                .is_some_and(|main| rules::is_address_denied(r, conf, main, is_denied))
    };
    state.verdict.set(Some(Verdict { denied, under: conf }));
    denied
}

/// Whether one of the identifiers in a request names a session that satisfies the predicate: a client that
/// adds another identifier does not get rid of its own.
fn any_identifier(
    r: Request<'_>,
    conf: &LocationConf,
    state: &State,
    is_wanted: impl Fn(&SessionId) -> bool,
) -> bool {
    let (Some(worker), Some(main)) = (worker::current(), MainConf::of(r)) else { return false };
    let (Some(hasher), Ok(bodies)) = (main.hasher(), state.bodies.try_borrow()) else {
        return false;
    };
    let phase = if state.over.get() { Phase::Log } else { Phase::Access };
    let view = bodies.view(r, main.variables(), phase);
    let Ok(mut buffers) = worker.buffers.try_borrow_mut() else { return false };
    let mut found = false;
    let analysis = conf.analysis(main);
    each_identifier(analysis.keys(), &view, &mut buffers.scratch, &mut |value| {
        found = found || is_wanted(&hasher.session_id(Namespace::Value, value));
    });
    if let Some(follow) = follow::links(conf, main) {
        let id = |namespace: Namespace, value: &[u8]| hasher.session_id(namespace, value);
        let address = || address_id(analysis.keys().fallback, &view, &id);
        follow.each_session(&view, &address, &mut |session| found = found || is_wanted(&session));
    }
    found
}

/// The request is over: its session is settled by the written order of keys, it is counted where it
/// was not, and its record is sent.
pub(super) fn finish(r: Request<'_>) {
    let (Some(worker), Some(main)) = (worker::current(), MainConf::of(r)) else { return };
    let Some(hand) = main.hand() else { return };
    let Some(conf) = r.location::<LocationConf>() else { return };
    if !conf.is_enabled(r, When::Over) {
        // A location that is not looked at has answered: as if the request had never arrived.
        if let Some(counted) = State::of(r).and_then(|state| state.counted.take()) {
            uncount(hand, &counted);
        }
        return;
    }
    let Some(state) = State::of_or_new(r) else { return };
    state.over.set(true);
    if let Some(counted) = state.counted.get() {
        hand.prefetch(counted.session);
    }
    if let Ok(mut bodies) = state.bodies.try_borrow_mut() {
        bodies.decode(r, conf);
    }
    // The key's value goes into the record: it is read again, and stays in the buffers until then.
    let analysis = conf.analysis(main);
    let Some(resolution) = moved(worker, state)
        .or_else(|| settled(conf, &analysis, worker, state))
        .or_else(|| resolved(r, (conf, &analysis), main, worker, state, Phase::Log))
    else {
        return;
    };
    let (mut user, mut role) = (Vec::new(), Vec::new());
    with_parameter(r, conf, ParamType::User, |value| user.extend_from_slice(value));
    with_parameter(r, conf, ParamType::Role, |value| role.extend_from_slice(value));
    let resolution = follow::settle(r, (conf, &analysis), main, worker, state, resolution, &user);
    let label = match resolution.label {
        Label::Cookie(bytes, len) => Some(Label::Cookie(bytes, len)),
        Label::Known(_) => None,
    };
    state.settled_by.set(Some((resolution.found_by, label)));
    let counted = join(r, conf, hand, state, &resolution, None);
    if is_cookie_repeated(r, main, state, &resolution) {
        hand.count_duplicate_cookie();
    }
    if analysis.needs().has_bodies() {
        count_unread(r, conf, &analysis, hand, main, worker, state);
    }
    let detected = detected(r, conf, hand, main, worker, state);
    let found = attacks(r, conf, detected);
    let finished = Finished {
        session: &counted.session,
        source: counted.source,
        standing: counted.standing,
        user: &user,
        role: &role,
        attacks: &found,
    };
    rules::count(r, (conf, &analysis), main, worker, state, &finished);
    let Ok(hits) = state.hits.try_borrow() else { return };
    let mut attacks = found;
    attacks.extend(hits.iter().filter_map(|hit| hit.mark.as_deref()));
    let outcome = RequestEnd {
        arrival: arrival(r, conf, hand, &resolution, When::Over),
        status: r.logged_status(),
        bytes_in: r.request_length(),
        bytes_out: r.bytes_sent(),
        count: counted.standing.is_none(),
        denied: state.is_denied(),
        attacks: u32::from(!attacks.is_empty()),
        detected: !detected.is_empty(),
        confirmed: resolution.from_response
            || resolution.followed
            || (resolution.found_by.is_key() && is_issued(r, worker)),
        user_hash: if user.is_empty() { 0 } else { hand.table().text_hash(&user) },
        user: &user,
        role: &role,
    };
    let standing = hand.record_outcome(counted.session, process::now_ms(), &outcome);
    state.counted.set(Some(Counted { standing: standing.or(counted.standing), ..counted }));
    if let Some(node) = worker.node() {
        let what = (conf, &*analysis, &resolution);
        let rules: Vec<RuleHit<'_>> = hits.iter().map(as_recorded).collect();
        record(r, what, main, worker, state, (node, (&attacks, !detected.is_empty()), &rules));
    }
}

/// A hit as it stands in a record.
fn as_recorded(hit: &rules::Hit) -> RuleHit<'_> {
    RuleHit {
        name: hit.name.as_str().into(),
        count: hit.count,
        then: hit.then.as_str().into(),
        enforced: hit.enforced,
    }
}

/// Counts bodies that keys and parameters could not read, by reason.
fn count_unread(
    r: Request<'_>,
    conf: &LocationConf,
    analysis: &Analysis,
    hand: &api_sessions_shm::TableHandle,
    main: &MainConf,
    worker: &Worker,
    state: &State,
) {
    let (Ok(bodies), Ok(mut buffers)) =
        (state.bodies.try_borrow(), worker.buffers.try_borrow_mut())
    else {
        return;
    };
    let view = bodies.view(r, main.variables(), Phase::Log);
    let unread = bodies.unread(&view, analysis, conf, &mut buffers.scratch);
    for unread in unread.into_iter().flatten() {
        match unread {
            Unread::Type => hand.count_unread_type(),
            Unread::Encoding => hand.count_unread_encoding(),
            Unread::Size => hand.count_unread_size(),
        }
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

/// The cookie of the built-in set that identified the session is there more than once.
fn is_cookie_repeated(
    r: Request<'_>,
    main: &MainConf,
    state: &State,
    resolution: &Resolution<'_>,
) -> bool {
    let FoundBy::Builtin(entry) = resolution.found_by else { return false };
    let Ok(bodies) = state.bodies.try_borrow() else { return false };
    builtin::is_repeated(&bodies.view(r, main.variables(), Phase::Log), entry)
}

/// Types of attack: what the operator's variables say, then what was detected, each once.
fn attacks<'c>(r: Request<'_>, conf: &'c LocationConf, detected: AttackKinds) -> Vec<&'c str> {
    let marks = conf.attacks().iter().filter(|attack| attack.when.is_true(r, When::Over));
    let marks = marks.map(|attack| -> &'c str { &attack.kind });
    let mut attacks: Vec<&str> = Vec::new();
    for kind in marks.chain(detected.iter().map(|kind| -> &'c str { kind.as_str() })) {
        if !attacks.contains(&kind) {
            attacks.push(kind);
        }
    }
    attacks
}

/// What the module's own detectors find. What they did not look at is counted, by reason.
fn detected(
    r: Request<'_>,
    conf: &LocationConf,
    hand: &api_sessions_shm::TableHandle,
    main: &MainConf,
    worker: &Worker,
    state: &State,
) -> AttackKinds {
    let wanted = conf.detect();
    if wanted.is_empty() {
        return wanted;
    }
    let (Ok(bodies), Ok(mut buffers)) =
        (state.bodies.try_borrow(), worker.buffers.try_borrow_mut())
    else {
        return AttackKinds::default();
    };
    let view = bodies.detection_view(r, main.variables(), conf);
    let found = detect(&view, wanted, &mut buffers.detection);
    match bodies.undetected(&view) {
        Some(Unread::Encoding) => hand.count_undetected_encoding(),
        Some(_) => hand.count_undetected_size(),
        None => {}
    }
    let left = buffers.detection.left();
    if left.values || left.bytes {
        hand.count_undetected_values();
    }
    if left.steps {
        hand.count_undetected_steps();
    }
    found
}

/// The session that the answer began, before it was sent.
fn moved(worker: &Worker, state: &State) -> Option<Resolution<'static>> {
    let early = state.early.try_borrow().ok()?;
    let (resolution, value) = early.as_ref()?.moved.as_ref()?;
    let mut buffers = worker.buffers.try_borrow_mut().ok()?;
    buffers.found.clone_from(value);
    Some(*resolution)
}

/// What the access phase has resolved, where nothing that came since can have changed it; the key's value is
/// in the buffers again.
fn settled<'c>(
    conf: &LocationConf,
    analysis: &'c Analysis,
    worker: &Worker,
    state: &State,
) -> Option<Resolution<'c>> {
    let counted = state.counted.get().filter(|counted| counted.is_under(conf))?;
    let settled = counted.settled.filter(|it| it.generation == analysis.generation())?;
    let mut buffers = worker.buffers.try_borrow_mut().ok()?;
    if settled.found_by.is_key() && !state.ids.recall(counted.session, &mut buffers.found) {
        return None;
    }
    Resolution::again(analysis.keys(), counted.session, settled.found_by)
}

/// Which session, as far as is known at that phase.
pub(super) fn resolved<'c>(
    r: Request<'_>,
    (conf, analysis): (&LocationConf, &'c Analysis),
    main: &MainConf,
    worker: &Worker,
    state: &State,
    phase: Phase,
) -> Option<Resolution<'c>> {
    let hasher = main.hasher()?;
    let bodies = state.bodies.try_borrow().ok()?;
    let view = bodies.view(r, main.variables(), phase);
    // A point may read a variable of ours: it gets nothing, rather than a resolution without end.
    let mut buffers = worker.buffers.try_borrow_mut().ok()?;
    let Buffers { scratch, found, .. } = &mut *buffers;
    let id = |namespace, value: &[u8]| state.ids.session_id(hasher, namespace, value);
    let follow = follow::links(conf, main);
    Some(resolve_with(analysis.keys(), &view, phase, id, follow, scratch, found))
}

/// Counts the request in its session; takes it out of another where it was counted before.
fn join(
    r: Request<'_>,
    conf: &LocationConf,
    hand: &api_sessions_shm::TableHandle,
    state: &State,
    resolution: &Resolution<'_>,
    settled: Option<Settled>,
) -> Counted {
    let standing = match state.counted.get() {
        Some(before) if before.session == resolution.id => before.standing,
        before => {
            if let Some(before) = before {
                uncount(hand, &before);
            }
            if !state.over.get() {
                // Another session, another answer; once there was a response, it stays what it was.
                state.verdict.set(None);
            }
            state.joining.set(true);
            let arrival = arrival(r, conf, hand, resolution, state.when());
            state.joining.set(false);
            hand.count(resolution.id, process::now_ms(), &arrival)
        }
    };
    let source = resolution.source();
    let counted = Counted { session: resolution.id, source, standing, under: conf, settled };
    state.counted.set(Some(counted));
    counted
}

/// Takes the request out of a session that it was counted in: where its set's lock was busy, it was not.
fn uncount(hand: &api_sessions_shm::TableHandle, counted: &Counted) {
    if counted.standing.is_some() {
        hand.undo_count(counted.session);
    }
}

fn arrival(
    r: Request<'_>,
    conf: &LocationConf,
    hand: &api_sessions_shm::TableHandle,
    resolution: &Resolution<'_>,
    when: When,
) -> RequestStart {
    let application = conf.application(r, when).unwrap_or_default();
    let application_hash = hand.table().text_hash(application);
    RequestStart { source: resolution.source(), ip: r.client_ip(), application_hash }
}

/// Writes the record and queues it for the exporter.
fn record(
    r: Request<'_>,
    (conf, analysis, resolution): (&LocationConf, &Analysis, &Resolution<'_>),
    main: &MainConf,
    worker: &Worker,
    state: &State,
    (node, (attacks, is_detected), rules): (&str, (&[&str], bool), &[RuleHit<'_>]),
) {
    let (Some(hasher), Ok(bodies)) = (main.hasher(), state.bodies.try_borrow()) else { return };
    let view = bodies.view(r, main.variables(), Phase::Log);
    let start_ms = r.start_ms();
    let Ok(mut buffers) = worker.buffers.try_borrow_mut() else { return };
    let Buffers { scratch, found, encoder, detection } = &mut *buffers;
    let facts = RequestMeta {
        id: main.request_id().and_then(|id| id.evaluate(r)).unwrap_or_default(),
        ts: start_ms,
        node,
        app: conf.application(r, When::Over),
        proto: r.line().protocol,
        scheme: if r.is_tls() { "https" } else { "http" },
        status: r.logged_status(),
        time_ms: process::now_ms().saturating_sub(start_ms),
        upstream_ms: r.upstream_ms(),
        request_bytes: r.request_length(),
        response_bytes: r.bytes_sent(),
        denied: state.is_denied(),
        attacks,
        rules,
        findings: if is_detected { detection.findings() } else { &[] },
    };
    let settings = RecordOptions {
        keys: analysis.keys(),
        params: analysis.params(),
        masks: conf.masks(),
        shown: conf.shown(),
        content: conf.content(),
        hasher,
    };
    worker.send(encoder.encode(&facts, &settings, resolution, found, &view, scratch));
}

/// The key of the session, for `$api_session_key`.
pub(super) fn with_label(r: Request<'_>, conf: &LocationConf, then: impl FnOnce(&str)) {
    let (Some(worker), Some(main)) = (worker::current(), MainConf::of(r)) else { return };
    let Some(state) = State::of(r) else { return };
    let phase = if state.over.get() { Phase::Log } else { Phase::Access };
    let analysis = conf.analysis(main);
    if let Some((found_by, label)) = state.settled_by.get()
        && let Some(counted) = state.counted.get()
    {
        let again = || Resolution::again(analysis.keys(), counted.session, found_by);
        if let Some(label) = label.or_else(|| again().map(|it| it.label)) {
            then(label.as_str());
        }
    } else if let Some(it) = resolved(r, (conf, &analysis), main, worker, state, phase) {
        then(it.label.as_str());
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
    if !analysis.names(kind) {
        return;
    }
    let (Some(state), Some(hasher)) = (State::of(r), main.hasher()) else { return };
    let Ok(bodies) = state.bodies.try_borrow() else { return };
    let phase = if state.over.get() { Phase::Log } else { Phase::Access };
    let view = bodies.view(r, main.variables(), phase);
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
