use super::simulator::{run, run_with, token, visit};
use crate::limits::MAX_NAMES;
use crate::{Collector, Verdict};

/// Random names of an attacker are not measured and do not displace names in use.
#[test]
fn names_of_attackers_are_bounded_and_push_nothing_out() {
    let closed = run(3, |window| {
        (0..30_000_u64)
            .map(|n| {
                let mut visit = visit(n % 100, n);
                let name = match n % 3 {
                    0 => "X-Visitor".to_owned(),
                    1 => format!("X-Forged-{}-{n}", window),
                    _ => format!("X-Few-{}", n % 400),
                };
                visit.exchange = visit.exchange.header(&name, token(n % 100));
                visit
            })
            .collect()
    });
    for window in &closed {
        assert!(window.keys.len() <= MAX_NAMES, "{}", window.keys.len());
        let visitor = window.keys.iter().find(|key| key.name == "request.header.x-visitor");
        assert!(visitor.is_some_and(|key| key.summary.present > 9_000), "{visitor:?}");
        assert!(!window.keys.iter().any(|key| key.name.contains("x-forged")));
    }
}

#[test]
fn a_value_that_is_too_short_or_a_name_that_is_never_a_key_is_not_measured() {
    let closed = run(2, |_| {
        (0..400_u64)
            .map(|n| {
                let mut visit = visit(n % 100, n);
                let exchange =
                    visit.exchange.header("X-Page", "12345").header("X-Request-Id", token(n));
                visit.exchange = exchange.header("Authorization", format!("Bearer {}", token(n)));
                visit.exchange.query =
                    format!("csrf_token={}&sid={}", token(n), token(n)).into_bytes();
                visit
            })
            .collect()
    });
    let names: Vec<_> =
        closed[1].keys.iter().map(|key| (&*key.name, key.standing.verdict)).collect();
    assert_eq!(names, [("ip_ua", Verdict::Good)]);
}

#[test]
fn candidates_were_measured_though_nobody_hears_of_them() {
    let closed = run_with(Collector::of_keys_alone, 2, |_| {
        let visits = (0..400_u64).map(|n| {
            let mut visit = visit(n % 100, n);
            visit.exchange = visit.exchange.header("X-Visitor", token(n % 100));
            visit
        });
        visits.collect()
    });
    let names: Vec<_> =
        closed[1].keys.iter().map(|key| (&*key.name, key.standing.verdict)).collect();
    assert_eq!(names, [("ip_ua", Verdict::Good)]);
}

#[test]
fn requests_that_failed_do_not_count() {
    let closed = run(2, |_| {
        (0..400_u64)
            .map(|n| {
                let mut visit = visit(n % 100, n);
                visit.exchange.status = Some(if n % 4 == 0 { 302 } else { 401 });
                visit
            })
            .collect()
    });
    assert_eq!(closed[0].requests, 100);
}
