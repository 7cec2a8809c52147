//! Aliases against a model that renames the requests it has, in every question that tells of sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api_sessions_cloud::store::StoreKind;
use api_sessions_cloud_api::ingest::batch::{Period, parse};
use api_sessions_store::clock::now_ms;
use api_sessions_store::limits::MAX_DENIED_IDENTIFIERS;
use api_sessions_store::{DAY_MS, Identifier, NewRequest, ReplayQuery, Store};
use api_sessions_store_sqlite::SqliteStore;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::json;

use crate::model::{self, Question, check_session, line, list, questions, store};
use crate::support::{batch, clickhouse_only, clickhouse_store, session};

/// Sessions that lists count.
const MOST: u64 = 10_000;
/// Ids in play.
const IDS: u32 = 14;

/// A request: the id it comes with, ms before now, a number from which its values come, and what it issues: an id,
/// and whether that is demoted instead.
type Request = (u32, u64, u32, Option<(u32, bool)>);

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Batch(Vec<Request>),
    Split(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ago = prop_oneof![
        3 => 0..20_000u64,
        1 => (0..4u64, 0..20_000u64).prop_map(|(day, ms)| day * DAY_MS + ms),
    ];
    let issued = prop::option::weighted(0.12, (0..IDS, prop::bool::weighted(0.1)));
    let request = (0..IDS, ago, any::<u32>(), issued);
    let step = prop_oneof![
        6 => prop::collection::vec(request, 1..16).prop_map(Step::Batch),
        1 => (0..IDS).prop_map(Step::Split),
    ];
    prop::collection::vec(step, 2..14)
}

/// An alias: where it leads, and what is shown of it.
struct Alias {
    root: u32,
    is_cut: bool,
    shown: Identifier,
}

#[derive(Default)]
struct Model {
    aliases: BTreeMap<u32, Alias>,
    /// Each with the session that it is of.
    requests: Vec<NewRequest>,
}

impl Model {
    fn root(&self, id: u32) -> u32 {
        self.aliases.get(&id).filter(|alias| !alias.is_cut).map_or(id, |alias| alias.root)
    }

    fn rename(&mut self, from: u32, to: u32) {
        for request in &mut self.requests {
            if request.record.session == session(from) {
                request.record.session = session(to).into();
            }
        }
    }

    fn claim(&mut self, by: u32, alias: u32, is_demotion: bool, shown: Identifier) {
        let root = self.root(by);
        if let Some(known) = self.aliases.get_mut(&alias) {
            known.is_cut |= known.root != root || is_demotion;
            return;
        }
        if root == alias {
            return;
        }
        self.aliases.insert(alias, Alias { root, is_cut: is_demotion, shown });
        if !is_demotion {
            self.rename(alias, root);
            for known in self.aliases.values_mut().filter(|known| known.root == alias) {
                known.root = root;
            }
        }
    }

    fn identifiers(&self, root: u32) -> Vec<Identifier> {
        let of_root = self.aliases.values().filter(|known| known.root == root && !known.is_cut);
        let mut all: Vec<Identifier> = of_root.map(|known| known.shown.clone()).collect();
        all.sort_by(|a, b| (a.first_ts, &a.session).cmp(&(b.first_ts, &b.session)));
        all
    }
}

/// Takes the steps, and compares after each. After some, the store is opened again.
fn check(open: impl Fn() -> Arc<dyn Store>, steps: &[Step], questions: &[Question]) {
    let mut model = Model::default();
    let mut count = 0;
    let now = now_ms();
    let mut opened = open();
    for (n, step) in steps.iter().enumerate() {
        let engine = &*opened;
        match step {
            Step::Split(id) => {
                let known = model.aliases.get_mut(id).filter(|alias| !alias.is_cut);
                assert_eq!(engine.split(&session(*id)).unwrap(), known.is_some());
                if let Some(known) = known {
                    known.is_cut = true;
                }
            }
            Step::Batch(requests) => {
                let lines: Vec<_> = requests
                    .iter()
                    .zip(count..)
                    .map(|((id, ago, other, issued), n)| {
                        let mut line = line(now, n, (*id, *ago, *other));
                        if let Some((alias, demoted)) = issued {
                            let reason = if *demoted { "demoted" } else { "issued" };
                            line["links"] = json!([{"session": session(*alias), "reason": reason}]);
                        }
                        line
                    })
                    .collect();
                count += requests.len() as u32;
                let period = Period { oldest: 0, now: now_ms() };
                let parsed = parse(batch(&lines).as_bytes(), false, period).unwrap().requests;
                store(engine, parsed.clone());
                for ((by, _, _, issued), new) in requests.iter().zip(&parsed) {
                    if let Some((alias, demoted)) = issued {
                        let shown = Identifier {
                            session: session(*alias),
                            reason: "issued".into(),
                            first_ts: new.record.ts,
                            request: new.record.id.to_string(),
                        };
                        model.claim(*by, *alias, *demoted, shown);
                    }
                }
                for ((id, ..), mut new) in requests.iter().zip(parsed) {
                    new.record.session = session(model.root(*id)).into();
                    model.requests.push(new);
                }
            }
        }
        compare(engine, now, &model, questions, n);
        if n % 4 == 3 {
            drop(opened);
            opened = open();
            compare(&*opened, now, &model, questions, n);
        }
    }
}

fn compare(engine: &dyn Store, now: u64, model: &Model, questions: &[Question], n: usize) {
    let all = &model.requests;
    for question in questions.iter().skip(n % 3).step_by(3) {
        let query = model::query(question, now);
        let mut of_root = query.clone();
        if let Some(asked) = &mut of_root.filter.session {
            let id = (0..25).find(|id| session(*id) == *asked).unwrap();
            *asked = session(model.root(id));
        }
        assert_eq!(list(engine, &query, MOST), model::model(all, &of_root), "{query:?}");
    }
    for id in [n as u32 % IDS, (n as u32 * 7 + 3) % IDS] {
        let root = session(model.root(id));
        check_session(engine, all, &session(id), &root);
        let identity = engine.identity(&session(id)).unwrap();
        let identifiers = model.identifiers(model.root(id));
        assert_eq!((&identity.session, &identity.identifiers), (&root, &identifiers));
        let others: BTreeSet<String> =
            engine.other_ids(&session(id)).unwrap().into_iter().collect();
        let mut wanted: BTreeSet<String> =
            identifiers.into_iter().map(|known| known.session).chain([root]).collect();
        wanted.remove(&session(id));
        assert!(wanted.len() <= MAX_DENIED_IDENTIFIERS + 1);
        if wanted.len() <= MAX_DENIED_IDENTIFIERS {
            assert_eq!(others, wanted);
        }
    }
    let mut replayed: BTreeMap<String, String> = BTreeMap::new();
    let query = ReplayQuery { from: 0, to: now, with_rules: false };
    let whole = engine.replay(&query, &mut |request| {
        replayed.insert(request.record.id.to_string(), request.record.session.to_string());
        std::ops::ControlFlow::Continue(())
    });
    assert!(whole.unwrap().is_empty());
    let stored: BTreeMap<String, String> =
        all.iter().map(|new| (new.record.id.to_string(), new.record.session.to_string())).collect();
    assert_eq!(replayed, stored);
}

#[test]
fn clickhouse_joins_aliases_as_a_model_does() {
    let Some(url) = clickhouse_only() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for n in 0..2 {
        let dir = tempfile::tempdir().unwrap();
        let name = format!("joins{n}_{:x}", now_ms());
        let kind = StoreKind::parse(&clickhouse_store(&url, &name)).unwrap();
        let open = || {
            let open = api_sessions_cloud::store::open(&kind, dir.path(), runtime.handle());
            runtime.block_on(open).unwrap()
        };
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let questions = questions().new_tree(&mut runner).unwrap().current();
        check(open, &steps, &questions);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 100, ..ProptestConfig::default() })]
    #[test]
    fn segments_of_a_few_requests_join_aliases_as_a_model_does(
        steps in steps(),
        questions in questions(),
        size in prop::sample::select(vec![1, 5, 20, 1_000]),
        few in prop::sample::select(vec![0, 3, 500]),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let open = || -> Arc<dyn Store> {
            Arc::new(SqliteStore::open_with_limits(dir.path(), size, few, MOST).unwrap())
        };
        check(open, &steps, &questions);
    }
}
