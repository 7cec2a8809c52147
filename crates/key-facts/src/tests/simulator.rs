//! Simulated applications with known results: two workers, several windows, and the standing verdict.

use std::collections::BTreeMap;

use api_sessions_extract::testing::FakeExchange;

use crate::{
    ClosedWindow, Collector, Decided, Key, Kind, Ledger, Observed, Settings, Verdict, rank,
};

const WINDOW_MS: u64 = 2_000;

/// A request of a visitor and what decides its session.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) exchange: FakeExchange,
    pub(super) kind: Kind,
    pub(super) label: &'static str,
    /// The value that identifies the session.
    pub(super) value: String,
    pub(super) user: String,
}

/// A random-looking text for a seed.
pub(super) fn token(seed: u64) -> String {
    let mixed = (u128::from(seed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_0c1e_4f2a_91b7);
    format!("{mixed:032x}")
}

pub(super) fn visit(client: u64, page: u64) -> Visit {
    let mut exchange = FakeExchange::get(&format!("/page/{}", page % 7))
        .header("User-Agent", format!("Browser/{client} with a long name"));
    exchange.ip = format!("10.{}.{}.7", client / 200, client % 200).into_bytes();
    exchange.status = Some(200);
    let value = format!("ip-ua-{client}");
    Visit { exchange, kind: Kind::IpUa, label: "ip_ua", value, user: String::new() }
}

impl Visit {
    fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.exchange = self.exchange.header(name, value);
        self
    }

    fn grouped(mut self, kind: Kind, label: &'static str, value: String) -> Self {
        (self.kind, self.label, self.value) = (kind, label, value);
        self
    }
}

/// Sends the requests of each window to two workers in turn and closes the windows.
pub(super) fn run(windows: u64, requests: impl Fn(u64) -> Vec<Visit>) -> Vec<ClosedWindow> {
    run_with(Collector::new, windows, requests)
}

/// The same with workers of another kind.
pub(super) fn run_with(
    collector: fn(Key) -> Collector,
    windows: u64,
    requests: impl Fn(u64) -> Vec<Visit>,
) -> Vec<ClosedWindow> {
    let mut workers = [collector(Key::new([7, 9])), collector(Key::new([7, 9]))];
    let mut ledger = Ledger::default();
    let mut closed = Vec::new();
    for window in 0..windows {
        let start = 1_700_000_000_000 + window * WINDOW_MS;
        let visits = requests(window);
        let count = visits.len() as u64;
        for (at, visit) in visits.into_iter().enumerate() {
            let session = u128::from_str_radix(&token(hash(&visit.value)), 16).unwrap();
            workers[at % 2].observe(
                &visit.exchange,
                &Observed {
                    now_ms: start + at as u64 * (WINDOW_MS - 1) / count,
                    application: b"shop",
                    settings: Settings { window_ms: WINDOW_MS, report: false },
                    decided: Decided {
                        kind: visit.kind,
                        label: visit.label,
                        session: &session.to_le_bytes(),
                    },
                    user: visit.user.as_bytes(),
                    keys: &[],
                    builtin: true,
                },
            );
        }
        for worker in &mut workers {
            for facts in worker.take_done(start + WINDOW_MS) {
                let mut line = Vec::new();
                facts.write_line(&mut line);
                ledger.add(crate::WindowFacts::parse(&line).unwrap());
            }
        }
        closed.extend(ledger.close(start + WINDOW_MS + 3000));
    }
    closed
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(7, |sum, byte| sum.wrapping_mul(1_099_511_628_211).wrapping_add(byte.into()))
}

/// Standing verdicts after the last window, by name, and suggestions in order.
fn outcome(closed: &[ClosedWindow]) -> (BTreeMap<String, Verdict>, Vec<String>) {
    let last = closed.last().unwrap();
    let verdicts = last.keys.iter().map(|key| (key.name.clone(), key.standing.verdict)).collect();
    let mut suggested: Vec<_> = last.keys.iter().filter(|key| key.suggested).collect();
    suggested.sort_by_key(|key| rank(&key.name, &key.summary));
    (verdicts, suggested.into_iter().map(|key| key.name.clone()).collect())
}

/// 120 visitors in turn, with four requests each per window.
fn visitors(make: impl Fn(u64, u64) -> Visit) -> Vec<Visit> {
    (0..4)
        .flat_map(|page| (0..120).map(move |client| (client, page)))
        .map(|(client, page)| make(client, page))
        .collect()
}

#[test]
fn a_good_cookie_beside_analytics_is_suggested_first() {
    let closed = run(8, |_| {
        visitors(|client, page| {
            let mut visit = visit(client, page).with(
                "Cookie",
                format!(
                    "_ga=GA1.2.{}; shop_visit={}; theme=dark",
                    token(client),
                    token(client + 5000)
                ),
            );
            if page == 0 {
                visit.exchange = visit
                    .exchange
                    .answered("Set-Cookie", format!("shop_visit={}; Path=/", token(client + 5000)));
            }
            visit.with("X-Device", token(client + 9000))
        })
    });
    let (verdicts, suggested) = outcome(&closed);
    assert_eq!(suggested, ["request.cookie.shop_visit", "request.header.x-device"]);
    assert_eq!(verdicts["request.cookie.shop_visit"], Verdict::Good);
    assert!(!verdicts.keys().any(|name| name.contains("_ga")), "{verdicts:?}");
}

fn by_api_key(client: u64, page: u64, key: String) -> Visit {
    visit(client, page).grouped(Kind::Builtin, "X-API-Key", key)
}

#[test]
fn a_static_api_key_is_shared_within_two_windows_and_no_attacker_hides_it() {
    let attacked = |with_attacker: bool| {
        run(4, move |window| {
            let mut visits = visitors(|client, page| by_api_key(client, page, "key".to_owned()));
            if with_attacker {
                let values = (0..50_000).map(|n| by_api_key(7000, n, token(window * 50_000 + n)));
                // Mixed with the others.
                let every = 50_000 / visits.len();
                let honest = std::mem::take(&mut visits);
                let mut honest = honest.into_iter();
                for (at, forged) in values.enumerate() {
                    visits.push(forged);
                    if at % every == 0 {
                        visits.extend(honest.next());
                    }
                }
            }
            visits
        })
    };
    for with_attacker in [false, true] {
        let closed = attacked(with_attacker);
        let standing: Vec<Verdict> = closed
            .iter()
            .map(|window| {
                window.keys.iter().find(|key| key.name == "X-API-Key").unwrap().standing.verdict
            })
            .collect();
        assert_eq!(standing[1..], [Verdict::Shared; 3], "{with_attacker} {standing:?}");
    }
}

#[test]
fn an_attacker_with_many_values_tips_no_good_key() {
    let closed = run(4, |window| {
        let mut visits = visitors(|client, page| {
            visit(client, page).grouped(Kind::Builtin, "PHPSESSID", token(client))
        });
        visits.extend((0..50_000).map(|n| {
            visit(7000, n).grouped(Kind::Builtin, "PHPSESSID", token(100_000 + window * 50_000 + n))
        }));
        visits
    });
    assert_eq!(outcome(&closed).0["PHPSESSID"], Verdict::Good);
}

#[test]
fn one_address_with_many_user_agents_tips_no_good_key_nor_hides_the_others() {
    for agents in [40, 3000] {
        let closed = run(4, |window| {
            let mut visits: Vec<_> = (0..5_u64)
                .flat_map(|page| (0..22).map(move |client| (client, page)))
                .map(|(client, page)| {
                    visit(client, page).grouped(Kind::Builtin, "PHPSESSID", token(client))
                })
                .collect();
            visits.extend((0..agents * 12).map(|n| {
                let value = token(100_000 + window * 50_000 + n);
                let mut visit =
                    visit(7000 + n % agents, n).grouped(Kind::Builtin, "PHPSESSID", value);
                visit.exchange.ip = b"66.6.6.6".to_vec();
                visit
            }));
            visits
        });
        assert_eq!(outcome(&closed).0["PHPSESSID"], Verdict::Good, "{agents}");
    }
}

#[test]
fn a_key_that_changes_behind_one_address_is_volatile() {
    let closed = run(4, |window| {
        visitors(|client, page| {
            let value = token(client * 1000 + window * 10 + page);
            let mut visit = visit(client, page).grouped(Kind::Builtin, "X-Session-Id", value);
            visit.exchange.ip = b"192.0.2.1".to_vec();
            visit
        })
    });
    assert_eq!(outcome(&closed).0["X-Session-Id"], Verdict::Volatile);
    let clients = closed.last().unwrap().keys[0].summary.clients;
    assert!((80..180).contains(&clients), "about 120 clients, not {clients}");
}

#[test]
fn a_test_token_of_a_monitor_and_a_health_checker_leave_a_good_key_good() {
    let closed =
        run(4, |_| {
            let mut visits = visitors(|client, page| {
                visit(client, page).grouped(Kind::Builtin, "Authorization", token(client))
            });
            // One token of many probes at one endpoint, and a monitor that visits every page.
            visits.extend((0..300).map(|n| {
                let mut visit = visit(3000 + n % 40, 0).grouped(
                    Kind::Builtin,
                    "Authorization",
                    "health".to_owned(),
                );
                visit.exchange.path = b"/health".to_vec();
                visit
            }));
            visits.extend((0..300).map(|n| {
                visit(3999, n).grouped(Kind::Builtin, "Authorization", "monitor".to_owned())
            }));
            visits
        });
    assert_eq!(outcome(&closed).0["Authorization"], Verdict::Good);
}

#[test]
fn probes_at_one_endpoint_alone_make_no_shared_key() {
    let closed = run(4, |_| {
        (0..400)
            .map(|n| {
                let mut visit =
                    visit(n % 60, 0).grouped(Kind::Builtin, "X-API-Key", "probe".to_owned());
                visit.exchange.path = b"/health".to_vec();
                visit
            })
            .collect()
    });
    assert_ne!(outcome(&closed).0["X-API-Key"], Verdict::Shared);
}

#[test]
fn a_header_that_changes_with_each_request_is_volatile() {
    let closed = run(4, |window| {
        visitors(|client, page| {
            let value = token(client * 1000 + window * 10 + page);
            visit(client, page)
                .grouped(Kind::Builtin, "X-Session-Id", value.clone())
                .with("X-Nonce", value)
        })
    });
    let (verdicts, suggested) = outcome(&closed);
    assert_eq!(verdicts["X-Session-Id"], Verdict::Volatile);
    assert_eq!(verdicts["request.header.x-nonce"], Verdict::Volatile);
    assert!(suggested.is_empty(), "{suggested:?}");
}

#[test]
fn where_there_is_nothing_but_addresses_nothing_is_suggested() {
    let closed = run(8, |_| visitors(visit));
    let (verdicts, suggested) = outcome(&closed);
    assert_eq!(verdicts, BTreeMap::from([("ip_ua".to_owned(), Verdict::Good)]));
    assert!(suggested.is_empty());
}

#[test]
fn of_two_good_candidates_the_one_of_a_session_comes_before_that_of_a_user() {
    let closed = run(8, |_| {
        visitors(|client, page| {
            // Two devices per user.
            visit(client, page)
                .with("X-Account", token(client / 2))
                .with("X-Visit", token(client + 4000))
        })
    });
    let (_, suggested) = outcome(&closed);
    assert_eq!(
        suggested.first().map(String::as_str),
        Some("request.header.x-visit"),
        "{suggested:?}"
    );
}

#[test]
fn five_hundred_clients_behind_one_address_keep_their_key() {
    let closed = run(8, |_| {
        (0..2000)
            .map(|n| {
                let mut visit =
                    visit(n % 500, n / 500).grouped(Kind::Builtin, "connect.sid", token(n % 500));
                visit.exchange.ip = b"100.64.0.9".to_vec();
                // Ten models of phones.
                visit.exchange.request_headers[0].1 =
                    format!("Phone/{} of many", n % 10).into_bytes();
                visit
            })
            .chain(visitors(|client, page| {
                visit(client, page).grouped(Kind::Builtin, "connect.sid", token(10_000 + client))
            }))
            .collect()
    });
    assert_eq!(outcome(&closed).0["connect.sid"], Verdict::Good);
}

#[test]
fn phones_that_roam_share_nothing() {
    let closed = run(4, |_| {
        (0..960)
            .map(|n| {
                // Each phone is in twelve networks one after the other, never in three at once.
                let (phone, leg) = (n % 80, n / 80);
                let mut visit = visit(phone, n).grouped(Kind::Builtin, "sid", token(phone));
                visit.exchange.ip = format!("172.{}.{}.1", 16 + leg, phone).into_bytes();
                visit
            })
            .collect()
    });
    assert_ne!(outcome(&closed).0["sid"], Verdict::Shared);
}

#[test]
fn users_under_one_value_tell_a_shared_key_behind_one_network() {
    let closed = run(4, |_| {
        visitors(|client, page| {
            let mut visit = by_api_key(client, page, format!("team {}", client % 3));
            // An office.
            visit.exchange.ip = b"192.0.2.1".to_vec();
            visit.user = format!("user {client}");
            visit
        })
    });
    assert_eq!(outcome(&closed).0["X-API-Key"], Verdict::Shared);
}

#[test]
fn a_claim_of_an_account_is_suggested_and_what_every_token_has_anew_is_not() {
    use base64::Engine;
    let base64 = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let closed = run(8, |window| {
        visitors(|client, page| {
            let payload = format!(
                "{{\"iss\":\"https://login.example\",\"account\":{},\"ticket\":\"{}\",\"jti\":\"{}\",\"device\":\"{}\",\"level\":3,\"email\":\"{}\"}}",
                4_000_000 + client,
                token(client * 1000 + window * 10 + page),
                token(client + 700),
                token(client / 60),
                token(client),
            );
            let token = format!("Bearer eyJhbGciOiJIUzI1NiJ9.{}.c2ln", base64(&payload));
            visit(client, page).with("Authorization", token)
        })
    });
    let (verdicts, suggested) = outcome(&closed);
    let point = |claim: &str| format!("request.header.authorization.jwt.payload.{claim}");
    assert_eq!(suggested, [point("account")]);
    assert_eq!(verdicts[&point("ticket")], Verdict::Volatile);
    for none in ["iss", "jti", "email"] {
        assert!(!verdicts.contains_key(&point(none)), "{none} in {verdicts:?}");
    }
    // Scaled from sampled clients: four requests of 120 visitors, minus the first few.
    let last = closed.last().unwrap();
    let account = last.keys.iter().find(|key| key.name == point("account")).unwrap();
    assert!((450..=480).contains(&account.summary.present), "{account:?}");
    assert_eq!(account.summary.clients_per_value.p90, 1);
    assert!((80..=160).contains(&account.summary.clients), "{account:?}");
}
