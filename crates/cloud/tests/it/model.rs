//! Lists, details and requests against a model that reads all records again for each question.

use std::collections::{BTreeMap, BTreeSet};

use api_sessions_cloud::store::StoreKind;
use api_sessions_cloud_api::ingest::batch::{Period, parse};
use api_sessions_store::clock::now_ms;
use api_sessions_store::{
    Batch, DAY_MS, Day, Filter, NewRequest, RequestQuery, SessionQuery, Sort, StatusFilter, Store,
    StoredRequest,
};
use api_sessions_store_sqlite::SqliteStore;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::json;

use crate::support::{batch, clickhouse_only, record, session};

const HOSTS: [&str; 3] = ["a.example", "b.example", "c.example"];
const USERS: [&str; 3] = ["ann", "bob", "cy"];
const PATHS: [&str; 4] = ["/users/7", "/Cart", "/login", "/files/x"];

/// A request: session, ms before now, and a number from which its other values come.
type Request = (u32, u64, u32);

fn requests(most: usize) -> impl Strategy<Value = Vec<Request>> {
    let ago = prop_oneof![
        3 => 0..20_000u64,
        2 => (0..4u64, 0..20_000u64).prop_map(|(day, ms)| day * DAY_MS + ms),
    ];
    prop::collection::vec((0..25u32, ago, any::<u32>()), 1..most)
}

fn filters() -> impl Strategy<Value = Filter> {
    let text = |of: &'static [&'static str]| {
        prop::option::weighted(0.2, prop::sample::select(of).prop_map(str::to_owned))
    };
    (
        (
            text(&HOSTS),
            text(&USERS),
            text(&["sqli", "any", "xss"]),
            text(&["/users/9", "cart", "o"]),
        ),
        prop::option::weighted(0.2, prop::sample::select(&["4xx", "200", "403"][..])),
        prop::option::weighted(0.2, any::<bool>()),
        prop::option::weighted(0.3, 0..4 * DAY_MS),
        prop::option::weighted(0.3, 0..4 * DAY_MS),
        prop::option::weighted(0.1, (0..25u32).prop_map(session)),
    )
        .prop_map(|((host, user, attack, endpoint), status, denied, from, to, session)| {
            Filter {
                // Times are before now until `at` is known.
                from,
                to,
                host,
                user,
                attack,
                endpoint,
                status: status.and_then(StatusFilter::parse),
                denied,
                session,
                ..Filter::default()
            }
        })
}

pub(crate) fn line(now: u64, id: u32, (n, ago, other): Request) -> serde_json::Value {
    let pick = |of: &[&str], shift: u32| json!(of[(other >> shift) as usize % of.len()]);
    let status = [200, 200, 403, 404, 500][(other >> 6) as usize % 5];
    let mut more = json!({
        "ts": now - ago,
        "host": pick(&HOSTS, 0),
        "path": pick(&PATHS, 3),
        "status": status,
        "denied": other % 23 == 0,
        "ip": pick(&["192.0.2.1", "2001:db8::1"], 9),
        "method": pick(&["GET", "POST", ""], 11),
    });
    if other % 5 < 2 {
        more["user"] = pick(&USERS, 13);
    }
    if other.is_multiple_of(7) {
        more["attacks"] = json!([if other.is_multiple_of(2) { "sqli" } else { "xss" }]);
    }
    record(n, id, more)
}

/// What a session list must show.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    session: String,
    first: u64,
    last: u64,
    requests: u64,
    attacks: u64,
    denied: u64,
}

/// A list by the definition: sessions whose requests meet each condition, those of the period by their days.
pub(crate) fn model(all: &[NewRequest], query: &SessionQuery) -> Vec<Shown> {
    let filter = &query.filter;
    let mut sessions: BTreeMap<&str, Vec<&NewRequest>> = BTreeMap::new();
    let (from, to) = (filter.from.unwrap_or(0), filter.to.unwrap_or(u64::MAX));
    for request in all {
        let day = Day::of(request.record.ts);
        if day >= Day::of(from) && day <= Day::of(to) {
            sessions.entry(&request.record.session).or_default().push(request);
        }
    }
    let mut shown = Vec::new();
    for (session, requests) in sessions {
        let some = |condition: Filter| {
            requests.iter().any(|new| {
                condition.matches(&StoredRequest {
                    record: new.record.clone(),
                    endpoint: new.endpoint.clone(),
                    has_content: false,
                })
            })
        };
        let holds_endpoint = filter.endpoint.as_ref().is_none_or(|part| {
            let shape = api_sessions_store::path_template::endpoint(part);
            requests.iter().any(|new| {
                let endpoint = new.endpoint.to_lowercase();
                endpoint.contains(&part.to_lowercase()) || endpoint.contains(&shape.to_lowercase())
            })
        });
        let days: BTreeSet<Day> = requests.iter().map(|new| Day::of(new.record.ts)).collect();
        let in_period = days.iter().any(|day| {
            let times =
                || requests.iter().map(|new| new.record.ts).filter(|ts| Day::of(*ts) == *day);
            times().max().unwrap() >= from && times().min().unwrap() <= to
        });
        let none = Filter::default;
        let count =
            |of: fn(&NewRequest) -> bool| requests.iter().filter(|new| of(new)).count() as u64;
        let denied = count(|new| new.record.denied);
        if some(Filter { host: filter.host.clone(), ..none() })
            && some(Filter { user: filter.user.clone(), ..none() })
            && some(Filter { attack: filter.attack.clone(), ..none() })
            && some(Filter { status: filter.status, ..none() })
            && filter.denied.is_none_or(|want| want == (denied > 0))
            && filter.session.as_deref().is_none_or(|want| want == session)
            && holds_endpoint
            && in_period
        {
            shown.push(Shown {
                session: session.to_owned(),
                first: requests.iter().map(|new| new.record.ts).min().unwrap(),
                last: requests.iter().map(|new| new.record.ts).max().unwrap(),
                requests: requests.len() as u64,
                attacks: count(|new| !new.record.attacks.is_empty()),
                denied,
            });
        }
    }
    let value = |shown: &Shown| match query.sort {
        Sort::LastTs => shown.last,
        Sort::FirstTs => shown.first,
        Sort::Requests => shown.requests,
        Sort::Attacks => shown.attacks,
        Sort::Denied => shown.denied,
        Sort::Duration => shown.last - shown.first,
    };
    shown.sort_by(|a, b| {
        let by_value = value(a).cmp(&value(b));
        let by_value = if query.ascending { by_value } else { by_value.reverse() };
        by_value.then_with(|| a.session.cmp(&b.session))
    });
    shown
}

/// All pages of a list. Totals are counted up to `most`.
pub(crate) fn list(store: &dyn Store, query: &SessionQuery, most: u64) -> Vec<Shown> {
    let (mut query, mut all) = (query.clone(), Vec::new());
    let mut total = None;
    loop {
        let page = store.sessions(&query).unwrap();
        let of_page = (page.total, page.total_is_lower_bound);
        assert_eq!(*total.get_or_insert(of_page), of_page);
        all.extend(page.sessions.into_iter().map(|shown| Shown {
            session: shown.session,
            first: shown.first_ts,
            last: shown.last_ts,
            requests: shown.requests,
            attacks: shown.attacks,
            denied: shown.denied,
        }));
        query.cursor = page.next;
        if query.cursor.is_none() {
            let count = all.len() as u64;
            assert_eq!(total, Some((count.min(most), count > most)), "{query:?}");
            return all;
        }
    }
}

pub(crate) fn store(store: &dyn Store, requests: Vec<NewRequest>) {
    let (reply, answer) = crossbeam_channel::bounded(1);
    let batch = Batch { key: None, requests, cut: None };
    store.append(batch, Box::new(move |result| drop(reply.send(result))));
    answer.recv().unwrap().unwrap();
}

const SORTS: [Sort; 6] =
    [Sort::LastTs, Sort::FirstTs, Sort::Requests, Sort::Attacks, Sort::Denied, Sort::Duration];

/// Asks after each batch, so that all states of the files are met.
fn check(
    engine: &dyn Store,
    most: u64,
    now: u64,
    all: &mut Vec<NewRequest>,
    batches: &[Vec<Request>],
    questions: &[Question],
) {
    for (n, of_batch) in batches.iter().enumerate() {
        let lines: Vec<_> = of_batch
            .iter()
            .zip(all.len() as u32..)
            .map(|(request, id)| line(now, id, *request))
            .collect();
        let period = Period { oldest: 0, now: now_ms() };
        let parsed = parse(batch(&lines).as_bytes(), false, period).unwrap().requests;
        assert_eq!(parsed.len(), lines.len());
        all.extend(parsed.iter().cloned());
        store(engine, parsed);
        for question in questions.iter().skip(n % 3).step_by(3) {
            let query = query(question, now);
            assert_eq!(list(engine, &query, most), model(all, &query), "{query:?}");
        }
        let id = session(n as u32 % 25);
        check_session(engine, all, &id, &id);
    }
}

/// The detail and requests of the session that an id leads to.
pub(crate) fn check_session(engine: &dyn Store, all: &[NewRequest], asked: &str, id: &str) {
    let mut own: Vec<&NewRequest> = all.iter().filter(|new| new.record.session == id).collect();
    own.sort_by_key(|new| new.record.ts);
    let Some(detail) = engine.session(asked).unwrap() else { return assert!(own.is_empty()) };
    assert_eq!(detail.summary.session, id);
    assert_eq!(detail.summary.requests, own.len() as u64);
    let newest_user = own.iter().rev().find_map(|new| new.record.user.clone());
    let times = own.iter().filter(|new| new.record.user.is_some()).map(|new| new.record.ts);
    let newest: Vec<u64> = times.collect();
    // Two of the same millisecond have no order.
    if newest.iter().rev().nth(1) != newest.last() {
        assert_eq!(detail.summary.user.as_deref(), newest_user.as_deref());
    }
    let mut hosts: BTreeMap<&str, u64> = BTreeMap::new();
    for new in &own {
        *hosts.entry(new.record.host.as_deref().unwrap()).or_default() += 1;
    }
    let found: BTreeMap<&str, u64> =
        detail.by["host"].iter().map(|host| (&*host.value, host.count)).collect();
    assert_eq!(found, hosts);
    for descending in [false, true] {
        let mut query = RequestQuery {
            session: asked.to_owned(),
            descending,
            limit: 4,
            ..RequestQuery::default()
        };
        let mut found = Vec::new();
        loop {
            let page = engine.requests(&query).unwrap();
            found.extend(page.items);
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        let times: Vec<u64> = found.iter().map(|request| request.record.ts).collect();
        let mut wanted: Vec<u64> = own.iter().map(|new| new.record.ts).collect();
        if descending {
            wanted.reverse();
        }
        assert_eq!(times, wanted);
        let ids: BTreeSet<_> = found.iter().map(|request| request.record.id.clone()).collect();
        assert_eq!(ids.len(), own.len());
    }
    for new in own {
        assert_eq!(engine.request(&new.record.id).unwrap().unwrap().record, new.record);
    }
    assert!(engine.request("no such request").unwrap().is_none());
}

/// A list: its filter, order and pages.
pub(crate) type Question = (Filter, usize, bool, usize);

/// A list as it is asked for at `now`.
pub(crate) fn query((filter, sort, ascending, limit): &Question, now: u64) -> SessionQuery {
    let at = |ago: Option<u64>| ago.map(|ago| now - ago);
    let filter = Filter { from: at(filter.from), to: at(filter.to), ..filter.clone() };
    let (sort, ascending) = (SORTS[*sort], *ascending);
    SessionQuery { filter, sort, ascending, limit: *limit, cursor: None }
}

pub(crate) fn questions() -> impl Strategy<Value = Vec<Question>> {
    prop::collection::vec((filters(), 0..6usize, any::<bool>(), 1..9usize), 6..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn segments_of_a_few_requests_answer_as_a_model_does(
        batches in prop::collection::vec(requests(40), 1..12),
        questions in questions(),
        size in prop::sample::select(vec![1, 10, 60, 1_000]),
        // Few sessions that meet a filter are looked up, more are found by a scan, which may end early.
        few in prop::sample::select(vec![0, 3, 500]),
        most in prop::sample::select(vec![2, 8, 10_000]),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let open = || SqliteStore::open_with_limits(dir.path(), size, few, most).unwrap();
        let engine = open();
        let (now, mut all) = (now_ms(), Vec::new());
        let (first, rest) = batches.split_at(batches.len() / 2);
        check(&engine, most, now, &mut all, first, &questions);
        drop(engine);
        // Started again, with what is there.
        let engine = open();
        check(&engine, most, now, &mut all, rest, &questions);
    }
}

#[test]
fn the_questions_in_the_docs_are_answered_by_open_and_closed_segments() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/store.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let section = docs.split("## Questions").nth(1).unwrap().split("\n## ").next().unwrap();
    let code = section.lines().filter_map(|line| line.strip_prefix("    "));
    let code: Vec<&str> = code.filter(|line| !line.starts_with("sqlite3")).collect();
    let code = code.join("\n");
    let questions: Vec<&str> = code.split(';').map(str::trim).collect();
    let questions: Vec<&str> = questions
        .into_iter()
        .filter_map(|text| text.find("SELECT ").and_then(|at| text.get(at..)))
        .collect();
    assert_eq!(questions.len(), 5, "{questions:?}");
    let now = now_ms() / DAY_MS * DAY_MS - 1_000;
    for (size, closed) in [(1_000, 0), (20, 3)] {
        let dir = tempfile::tempdir().unwrap();
        let engine = SqliteStore::open_with_limits(dir.path(), size, 500, 10_000).unwrap();
        for n in 0..3u32 {
            let lines: Vec<_> = (n * 20..n * 20 + 20)
                .map(|id| line(now, id, (id % 7, u64::from(id), id * 7919)))
                .collect();
            let period = Period { oldest: 0, now: now_ms() };
            store(&engine, parse(batch(&lines).as_bytes(), false, period).unwrap().requests);
        }
        drop(engine);
        let (mut requests, mut found_closed) = (0, 0);
        for file in crate::support::day_files(dir.path()) {
            let connection = rusqlite::Connection::open(&file).unwrap();
            let count = |sql: &str| -> i64 {
                connection
                    .query_row(sql, [], |row| row.get(0))
                    .unwrap_or_else(|e| panic!("{sql}: {e}"))
            };
            for question in &questions {
                count(&format!("SELECT count(*) FROM ({question})"));
            }
            requests += count("SELECT count(*) FROM requests WHERE session IS NOT NULL");
            assert_eq!(
                count("SELECT sum(requests) FROM sessions"),
                count("SELECT count(*) FROM request")
            );
            found_closed += count("SELECT count(*) FROM segment WHERE name = 'bloom'");
        }
        assert_eq!((requests, found_closed), (60, closed));
    }
}

#[test]
fn clickhouse_answers_as_a_model_does() {
    let Some(url) = clickhouse_only() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for n in 0..2 {
        let dir = tempfile::tempdir().unwrap();
        let kind = StoreKind::parse(&format!("clickhouse:{url}/model{n}_{:x}", now_ms())).unwrap();
        let engine = runtime
            .block_on(api_sessions_cloud::store::open(&kind, dir.path(), runtime.handle()))
            .unwrap();
        let batches =
            prop::collection::vec(requests(40), 4).new_tree(&mut runner).unwrap().current();
        let questions = questions().new_tree(&mut runner).unwrap().current();
        check(&*engine, 10_000, now_ms(), &mut Vec::new(), &batches, &questions);
    }
}
