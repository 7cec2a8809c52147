use std::collections::{BTreeMap, BTreeSet};

use api_sessions_protocol::{Param, ParamType, Parameter, Record, Source};
use proptest::prelude::*;

use super::*;

fn param(name: &str, value: &str, hashed: bool) -> Param<'static> {
    let (name, value) = (name.to_owned().into(), value.to_owned().into());
    Param { name, value, kind: ParamType::Context, hashed, truncated: false }
}

fn record(session: &str, source: Source, params: Vec<Param<'static>>) -> Record<'static> {
    Record {
        session: session.to_owned().into(),
        key: "sid".into(),
        source,
        ip: "192.0.2.1".into(),
        ua: Some("Browser".into()),
        params,
        ..Record::default()
    }
}

fn regroup(keys: &[&str], builtin: bool, records: &[Record<'_>]) -> Regrouped {
    let texts: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let mut run = Regrouping::new(points(&texts).unwrap(), builtin, None, &[]);
    records.iter().for_each(|record| run.take(record));
    run.finish()
}

fn counts(found: &Regrouped) -> (u64, u64, u64, u64) {
    (found.requests, found.sessions_before, found.sessions_after, found.unchanged)
}

#[test]
fn a_shared_key_is_split_by_a_better_one_and_what_two_keys_had_apart_is_merged() {
    const VISIT: &str = "request.header.x-visit";
    let visit = |value: &str| vec![param(VISIT, value, true)];
    let records = [
        record("shared", Source::Builtin, visit("a")),
        record("shared", Source::Builtin, visit("b")),
        record("shared", Source::Builtin, visit("a")),
        record("one", Source::IpUa, visit("c")),
        record("two", Source::IpUa, visit("c")),
        record("alone", Source::IpUa, vec![]),
    ];
    let found = regroup(&[VISIT], true, &records);
    assert_eq!(counts(&found), (6, 4, 4, 1));
    let merged = MergedSessions {
        sessions: vec!["one".into(), "two".into()],
        count: 2,
        requests: 2,
        point: Some(VISIT.into()),
    };
    assert_eq!(found.merged, [merged]);
    assert_eq!(found.split, [SplitSession { session: "shared".into(), count: 2, requests: 3 }]);
    assert_eq!(found.keys, [KeyUse { point: VISIT.into(), requests: 5 }]);
    assert_eq!(found.incomplete.len(), 1, "{found:?}");
}

#[test]
fn values_are_found_under_names_and_labels_and_not_where_they_are_cut_or_hidden() {
    let parameters = [Parameter {
        point: "request.header.X-Visit".into(),
        name: Some("visit".into()),
        ..Parameter::default()
    }];
    let of = |text: &str, record: &Record<'static>| {
        let carrier = Carrier::new(Point::parse(text, &mut NoVariables).unwrap(), &parameters);
        match carrier.of(record) {
            Carried::Value { text, .. } => Some(text.to_owned()),
            Carried::Unreadable => Some("?".to_owned()),
            Carried::Nothing => None,
        }
    };
    let named = record("s", Source::IpUa, vec![param("visit", "v", true)]);
    assert_eq!(of("request.header.x-visit", &named).as_deref(), Some("v"));
    assert_eq!(of("request.header.x-other", &named), None);
    assert_eq!(of("request.ip", &named).as_deref(), Some("192.0.2.1"));
    assert_eq!(of("request.header.User-Agent", &named).as_deref(), Some("Browser"));

    let mut own = record("s", Source::Builtin, vec![param("PHPSESSID", "p", true)]);
    own.params[0].kind = ParamType::Session;
    own.key = "PHPSESSID".into();
    assert_eq!(of("request.cookie.PHPSESSID", &own).as_deref(), Some("p"));
    own.source = Source::Key;
    assert_eq!(
        of("request.cookie.PHPSESSID", &own),
        None,
        "a key of the operator, whatever it reads"
    );
    own.source = Source::Link;
    (own.key, own.params[0].name) = ("shop_visit".into(), "shop_visit".into());
    assert_eq!(of("request.cookie.shop_visit", &own).as_deref(), Some("p"));

    let mut cut = named;
    cut.params[0].truncated = true;
    assert_eq!(of("request.header.x-visit", &cut).as_deref(), Some("?"));
    cut.params[0] = param("visit", "[hidden]", false);
    assert_eq!(of("request.header.x-visit", &cut).as_deref(), Some("?"));
}

#[test]
fn requests_before_a_point_was_exported_can_be_left_out() {
    let value = || vec![param("request.query.t", "v", true)];
    let records = [
        record("old", Source::Builtin, vec![]),
        record("a", Source::Builtin, value()),
        record("b", Source::Builtin, value()),
        record("c", Source::Builtin, vec![]),
    ];
    let new = || {
        let keys = points(&["request.query.t".to_owned()]).unwrap();
        Regrouping::new(keys, true, None, &[]).from_first_value()
    };
    let mut run = new();
    records.iter().for_each(|record| run.take(record));
    assert_eq!(counts(&run.finish()), (3, 3, 2, 1));
    let mut run = new();
    run.take(&records[0]);
    let found = run.finish();
    assert_eq!((found.requests, found.incomplete.len()), (0, 1), "{found:?}");
}

#[test]
fn without_the_set_its_sessions_fall_to_the_client() {
    let v6 = |ip: &str, session: &str| {
        let mut record = record(session, Source::Builtin, vec![]);
        record.ip = ip.to_owned().into();
        record
    };
    let records = [
        v6("2001:db8::1", "a"),
        v6("2001:db8::2", "b"),
        v6("2001:db8:0:1::2", "c"),
        v6("192.0.2.9", "d"),
        record("own", Source::Key, vec![]),
    ];
    let found = regroup(&[], false, &records);
    assert_eq!(counts(&found), (5, 5, 4, 3));
    assert_eq!(found.merged[0].point, None);
    assert_eq!(counts(&regroup(&["request.ip"], true, &records)), (5, 5, 5, 5));
}

#[test]
fn what_records_do_not_tell_is_said() {
    let records = [record("s", Source::Builtin, vec![param("request.query.t", "v", true)])];
    let found = regroup(&["request.cookie.visit"], true, &records);
    assert_eq!(counts(&found), (1, 1, 1, 1));
    assert!(found.incomplete[0].contains("add it to the parameters"), "{found:?}");
    let mixed = [
        records[0].clone(),
        record("s", Source::Builtin, vec![param("request.query.t", "v", false)]),
    ];
    let found = regroup(&["request.query.t"], true, &mixed);
    assert!(found.incomplete[0].contains("counts as two"), "{found:?}");
    let many = vec!["request.ip".to_owned(); MAX_KEYS + 1];
    assert!(points(&many).unwrap_err().contains("at most 16"));
    assert!(points(&["request.nose".to_owned()]).unwrap_err().starts_with("keys[0]: "));
    assert!(points(&["x".repeat(2000)]).unwrap_err().contains("1024"));
}

/// A request of the model: session, value of the first key (a cookie), value of the second (a built-in key).
type Modelled = (u8, Option<u8>, Option<u8>, bool);

const COOKIE: &str = "request.cookie.visit";
const HEADER: &str = "request.header.x-user";

/// Sets of requests in one session, by comparing each with each.
fn partition(requests: &[Modelled], builtin: bool) -> BTreeSet<BTreeSet<usize>> {
    let value = |at: usize| {
        let (_, cookie, header, _) = requests[at];
        cookie.or(header)
    };
    let in_session = |at: usize| -> Vec<usize> {
        (0..requests.len()).filter(|other| requests[*other].0 == requests[at].0).collect()
    };
    // What joins a request to others: a value, the client, or only its session.
    let by = |at: usize| {
        if let Some(value) = value(at) {
            return format!("value {value}");
        }
        if !builtin && requests[at].3 {
            return "client".to_owned();
        }
        let all = in_session(at);
        let values: BTreeSet<u8> = all.iter().filter_map(|other| value(*other)).collect();
        let first = all.iter().position(|other| value(*other).is_some());
        let last = all.iter().rposition(|other| value(*other).is_none());
        // The first key that ever gave this value in the file is that of its group.
        let is_cookie = values.first().is_some_and(|wanted| {
            (0..requests.len())
                .find(|other| value(*other) == Some(*wanted))
                .is_some_and(|other| requests[other].1.is_some())
        });
        match values.first() {
            Some(value) if builtin && values.len() == 1 && is_cookie && last < first => {
                format!("value {value}")
            }
            _ => format!("session {}", requests[at].0),
        }
    };
    sets((0..requests.len()).map(|at| (by(at), at)))
}

fn sets<K: Ord>(each: impl Iterator<Item = (K, usize)>) -> BTreeSet<BTreeSet<usize>> {
    let mut sets: BTreeMap<K, BTreeSet<usize>> = BTreeMap::new();
    each.for_each(|(key, at)| _ = sets.entry(key).or_default().insert(at));
    sets.into_values().collect()
}

proptest! {
    #[test]
    fn counts_are_those_of_sets_of_requests(
        requests in proptest::collection::vec(
            (0..6u8, proptest::option::of(0..5u8), proptest::option::of(0..5u8), any::<bool>()),
            0..40,
        ),
        builtin in any::<bool>(),
    ) {
        let records: Vec<Record<'_>> = requests
            .iter()
            .map(|(session, cookie, header, set)| {
                let mut params = Vec::new();
                params.extend(header.map(|value| param(HEADER, &value.to_string(), true)));
                params.extend(cookie.map(|value| param(COOKIE, &value.to_string(), true)));
                let source = if *set { Source::Builtin } else { Source::Key };
                record(&session.to_string(), source, params)
            })
            .collect();
        let found = regroup(&[COOKIE, HEADER], builtin, &records);
        let before = sets(requests.iter().enumerate().map(|(at, request)| (request.0, at)));
        let after = partition(&requests, builtin);
        let several = |one: &BTreeSet<BTreeSet<usize>>, other: &BTreeSet<BTreeSet<usize>>| {
            one.iter()
                .map(|set| other.iter().filter(|other| !other.is_disjoint(set)).count() as u64)
                .filter(|count| *count > 1)
                .collect::<Vec<_>>()
        };
        let mut split = several(&before, &after);
        let mut merged = several(&after, &before);
        split.sort_unstable_by(|one, other| other.cmp(one));
        merged.sort_unstable_by(|one, other| other.cmp(one));
        prop_assert_eq!(found.requests, requests.len() as u64);
        prop_assert_eq!(found.sessions_before, before.len() as u64);
        prop_assert_eq!(found.sessions_after, after.len() as u64, "{:?}", &found);
        prop_assert_eq!(found.unchanged, before.intersection(&after).count() as u64);
        prop_assert_eq!(found.split.iter().map(|it| it.count).collect::<Vec<_>>(), split);
        prop_assert_eq!(found.merged.iter().map(|it| it.count).collect::<Vec<_>>(), merged);
    }
}

#[test]
fn a_key_behind_another_one_was_said_to_be_in_no_record() {
    let records = [record("a", Source::IpUa, vec![])];
    let found = regroup(&["request.ip", "request.header.user-agent"], true, &records);
    assert_eq!(found.incomplete, [""; 0]);
    let found = regroup(&["request.ip", "request.host"], true, &records);
    assert!(found.incomplete[0].starts_with("no record carries a value of request.host"));
}
